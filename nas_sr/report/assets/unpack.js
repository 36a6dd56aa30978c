"use strict";
// The text that nas_sr/report/packing.py packed into the element of that id.
async function unpacked(id) {
  const packed = document.getElementById(id).textContent.trim();
  const characters =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";
  const values = new Uint8Array(128);
  for (let value = 0; value < 85; value += 1) values[characters.charCodeAt(value)] = value;
  const length = Math.floor((packed.length * 4) / 5);
  const bytes = new Uint8Array(length + 4);
  for (let from = 0, to = 0; from < packed.length; from += 5, to += 4) {
    let number = 0;
    for (let place = from; place < from + 5; place += 1) {
      number = number * 85 + (place < packed.length ? values[packed.charCodeAt(place)] : 84);
    }
    bytes[to] = number >>> 24;
    bytes[to + 1] = number >>> 16;
    bytes[to + 2] = number >>> 8;
    bytes[to + 3] = number;
  }
  const inflated = new DecompressionStream("deflate");
  const writer = inflated.writable.getWriter();
  writer.write(bytes.subarray(0, length));
  writer.close();
  return new Response(inflated.readable).text();
}
