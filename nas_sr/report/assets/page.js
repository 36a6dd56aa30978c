"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const table = document.getElementById("trials");
  const rows = [...table.tBodies[0].rows];
  const rowOf = new Map(rows.map((row) => [Number(row.dataset.trial), row]));
  const panel = document.getElementById("selection");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let selected = null;

  // Charts come without colours: "@name" stands for the CSS variable of that name, "@font" for the page's font.
  function painted(value) {
    if (typeof value === "string" && value.startsWith("@")) {
      const style = getComputedStyle(document.body);
      return value === "@font" ? style.fontFamily : style.getPropertyValue("--" + value.slice(1)).trim();
    }
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    }
    return value;
  }

  function pointOf(trial) {
    for (const trace of charts.pareto ? charts.pareto.data : []) {
      const index = (trace.customdata || []).indexOf(trial);
      if (index >= 0) return { x: trace.x[index], y: trace.y[index], yaxis: trace.yaxis || "y" };
    }
    return { x: null, y: null, yaxis: "y" };
  }

  function draw() {
    for (const [name, chart] of Object.entries(charts)) {
      const place = document.getElementById(name);
      const first = !place.data;
      Plotly.react(place, painted(chart.data), painted(chart.layout), {
        responsive: true,
        displaylogo: false,
        showSendToCloud: false,  // Plotly's "Share chart" would upload the study's data
        plotlyServerURL: "",
        modeBarButtonsToRemove: ["lasso2d", "select2d"],
        toImageButtonOptions: { filename: name, scale: 2 },
      });
      if (first && name !== "hypervolume" && name !== "importance") {
        place.on("plotly_click", (event) => select(event.points[0].customdata));
      }
    }
    ring();
  }

  function ring() {
    const chart = charts.pareto;
    if (!chart) return;
    const point = pointOf(selected);
    const last = chart.data.length - 1;
    Plotly.restyle("pareto", { x: [[point.x]], y: [[point.y]], yaxis: point.yaxis }, [last]);
  }

  // `follow`: scroll the table to the row, which is not wanted where the reader has just clicked it.
  function select(trial, follow = true) {
    if (selected !== null) rowOf.get(selected).classList.remove("selected");
    selected = trial === selected || !rowOf.has(trial) ? null : trial;
    panel.hidden = selected === null;
    ring();
    if (selected === null) return;
    const row = rowOf.get(selected);
    row.classList.add("selected");
    if (follow) table.parentElement.scrollTop = Math.max(0, row.offsetTop - 200);
    const cells = [...row.cells].map((cell) => cell.textContent);
    const [number, state, , psnr, latency] = cells;
    const architecture = cells[headings.indexOf("Architecture")];
    const kind = cells[headings.indexOf("Kind")];
    const parts = [`Trial ${number}`, architecture, state];
    if (row.dataset.command) parts.push(`${psnr} dB`);
    if (row.cells[4].dataset.sort) parts.push(`${latency} ms ${kind}`);
    panel.querySelector("p").textContent = parts.join(" · ");
    panel.querySelector(".command").hidden = !row.dataset.command;
    panel.querySelector("code").textContent = row.dataset.command || "";
  }

  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());

  function sortBy(column, heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = heading.classList.contains("number");
    const key = (row) => {
      const cell = row.cells[column];
      if (numeric) return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
      return cell.textContent.replace(/^–$/, "") || null;
    };
    const sorted = rows.map((row) => [key(row), row]).sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);  // what is missing comes last, either way
      const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
      return down ? -order : order;
    });
    table.tBodies[0].append(...sorted.map(([, row]) => row));
  }

  const text = document.getElementById("text");
  const state = document.getElementById("state");
  const frontOnly = document.getElementById("front-only");

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      row.hidden =
        !words.every((word) => content.includes(word)) ||
        (state.value !== "" && row.dataset.state !== state.value) ||
        (frontOnly.checked && !row.dataset.front);
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);  // without leave to use the clipboard, the reader's own copy key works
      return;
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sortBy(column, heading));
  });
  for (const input of [text, state, frontOnly]) input.addEventListener("input", filter);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) return void copy(button);
    if (event.target.closest(".close")) return select(selected);
    const chosen = event.target.closest("#trials tbody tr, .pick");
    if (chosen && !getSelection().toString()) select(Number(chosen.dataset.trial), chosen.matches(".pick"));
  });
  dark.addEventListener("change", draw);
  filter();
  draw();
})();
