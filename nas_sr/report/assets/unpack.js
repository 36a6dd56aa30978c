"use strict";
// The text that nas_sr/report/packing.py packed into the element of that id.
async function unpacked(id) {
  const packed = document.getElementById(id).textContent.trim();
  const values = new Uint8Array(127);
  let next = 0;
  for (let code = 33; code < 127; code += 1) if (!"<&\\".includes(String.fromCharCode(code))) values[code] = next++;
  const start = packed.indexOf(":") + 1;
  const bytes = new Uint8Array(Number(packed.slice(0, start - 1)));
  let bits = 0;
  let held = 0;  // how many of the bits are not in the bytes yet
  for (let from = start, to = 0; to < bytes.length; from += 2) {
    bits = ((bits & 127) << 13) | (values[packed.charCodeAt(from)] * 91 + values[packed.charCodeAt(from + 1)]);
    for (held += 13; held >= 8 && to < bytes.length; held -= 8) bytes[to++] = bits >>> (held - 8);
  }
  const inflated = new DecompressionStream("deflate");
  const writer = inflated.writable.getWriter();
  writer.write(bytes);
  writer.close();
  return new Response(inflated.readable).text();
}
