"use strict";
(async () => {
  if (!window.DecompressionStream) {
    document.getElementById("unreadable").hidden = false;
    for (const part of document.querySelectorAll(".decision, .filters, .scroll, .chart, #pins")) part.hidden = true;
    return document.querySelector("main").removeAttribute("aria-busy");
  }
  const { charts, texts, parts, decisions } = JSON.parse(await unpacked("data"));
  for (const trace of Object.values(charts).flatMap((chart) => chart.data)) {
    if (trace.hovertext) trace.hovertext = trace.hovertext.map((number) => texts[number]);
  }
  fill(document.body);
  const tables = [...document.querySelectorAll(".trials")];
  const rowsOf = new Map(tables.map((table) => [table.parentElement.dataset.target, [...table.tBodies[0].rows]]));
  const headings = [...tables[0].tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const first = rowsOf.keys().next().value;
  const scroll = document.getElementById("tables");
  const panel = document.getElementById("selection");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let target = first;
  let selected = null;
  let pinned = [];
  const limitsOf = new Map();  // what the reader has set, by target
  const axes = { up: null, logarithmic: [] };  // of the main chart, whatever lies across
  const valuesOf = new Map(
    Object.entries(decisions).map(([name, { choices, others }]) => [
      name,
      new Map([...choices, ...others].map(({ trial, values }) => [trial, values])),
    ]),
  );

  // Puts packed parts into their places, and those that they have themselves.
  function fill(element) {
    for (const place of element.querySelectorAll("[data-part]")) {
      const part = document.createElement("template");
      part.innerHTML = parts[place.dataset.part];
      fill(part.content);
      place.replaceWith(part.content);
    }
  }

  // Charts come without colours: "@name" stands for the CSS variable of that name, "@font" for the page's font.
  function painted(value) {
    if (typeof value === "string" && value.startsWith("@")) {
      const style = getComputedStyle(document.body);
      return value === "@font" ? style.fontFamily : style.getPropertyValue("--" + value.slice(1)).trim() || value;
    }
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    }
    return value;
  }

  // The main chart's objective across; nothing of another chart.
  function across(name) {
    return document.getElementById(name).closest("[data-axis]")?.dataset.axis;
  }

  // A chart as it is drawn now.
  function current(name) {
    const axis = across(name);
    if (!axis) return charts[name];
    const { data, layout } = arranged(charts[name], axes, valuesOf.get(target));
    const limits = limitsOf.get(target) || {};
    const line = { type: "line", line: { color: "@knee", width: 1.6, dash: "dash" } };
    const marks = [];
    const up = axes.up === null ? "psnr_db" : axes.up.name;
    const [x, y] = [limits[axis], limits[up]];
    if (x !== undefined) marks.push({ ...line, xref: "x", x0: x, x1: x, yref: "paper", y0: 0, y1: 1 });
    if (y !== undefined) marks.push({ ...line, yref: "y", y0: y, y1: y, xref: "paper", x0: 0, x1: 1 });
    return { data, layout: { ...layout, shapes: [...(layout.shapes || []), ...marks] } };
  }

  function draw() {
    if (!window.Plotly) return;  // not unpacked yet
    for (const name of Object.keys(charts)) {
      const place = document.getElementById(name);
      if (place.offsetParent === null) continue;  // of another target; Plotly cannot size what is not shown
      const isNew = !place.data;
      const chart = current(name);
      Plotly.react(place, painted(chart.data), painted(chart.layout), {
        responsive: true,
        displaylogo: false,
        showSendToCloud: false,  // Plotly's "Share chart" would upload the study's data
        plotlyServerURL: "",
        modeBarButtonsToRemove: ["lasso2d", "select2d"],
        toImageButtonOptions: { filename: name, scale: 2 },
      });
      if (isNew) {
        place.on("plotly_click", (event) => {
          const trial = event.points[0].customdata;
          if (trial !== undefined) select(trial);
        });
      } else {
        Plotly.Plots.resize(place);  // the window may have another width since
      }
    }
  }

  // Rings around the selected trial and the pinned ones.
  function ring() {
    for (const name of Object.keys(charts)) {
      const place = document.getElementById(name);
      if (place.offsetParent === null || !place.data) continue;
      const chart = current(name);
      const last = chart.data.length - 1;
      if (chart.data[last].name !== "selection") continue;
      const marked = [...new Set([selected, ...pinned])].map((trial) => pointOf(chart, trial));
      const { yaxis } = marked[0];
      const points = marked.filter((point) => point.yaxis === yaxis);
      Plotly.restyle(place, { x: [points.map(({ x }) => x)], y: [points.map(({ y }) => y)], yaxis }, [last]);
    }
  }

  function pointOf(chart, trial) {
    for (const trace of chart.data) {
      const index = (trace.customdata || []).indexOf(trial);
      if (index >= 0) return { x: trace.x[index], y: trace.y[index], yaxis: trace.yaxis || "y" };
    }
    return { x: null, y: null, yaxis: "y" };
  }

  function rowOf(trial) {
    return rowsOf.get(target).find((row) => Number(row.dataset.trial) === trial);
  }

  // `follow`: scroll the table to the row, which is not wanted where the reader has just clicked it.
  function select(trial, follow = true) {
    selected = trial === selected || !rowOf(trial) ? null : trial;
    showSelection();
    if (selected !== null && follow) scroll.scrollTop = Math.max(0, rowOf(selected).offsetTop - 200);
  }

  function showSelection() {
    for (const marked of document.querySelectorAll("tr.selected")) marked.classList.remove("selected");
    panel.hidden = selected === null;
    ring();
    if (selected === null) return;
    for (const row of document.querySelectorAll(`tr[data-trial="${selected}"]`)) row.classList.add("selected");
    const row = rowOf(selected);
    const cell = (name) => row.cells[headings.findIndex((heading) => heading.startsWith(name))];
    const parts = [`Trial ${selected}`, cell("Architecture").textContent, cell("State").textContent];
    if (row.dataset.command) parts.push(`${cell("PSNR").textContent} dB`);
    if (cell("Latency").dataset.sort) {
      const where = tables.length > 1 ? ` on ${target}` : "";
      parts.push(`${cell("Latency").textContent} ms ${cell("Kind").textContent}${where}`);
    }
    panel.querySelector("p").textContent = parts.join(" · ");
    panel.querySelector(".command").hidden = !row.dataset.command;
    panel.querySelector("code").textContent = row.dataset.command || "";
    nameOf(panel.querySelector(".pin"), selected);
  }

  function nameOf(button, trial) {
    button.dataset.pin = trial;
    button.textContent = pinned.includes(trial) ? "Unpin" : "Pin to compare";
  }

  function pin(trial) {
    pinned = pinned.includes(trial) ? pinned.filter((one) => one !== trial) : [...pinned, trial];
    showPins();
    ring();
  }

  function showPins() {
    const place = document.getElementById("pins");
    const rows = pinned.map(rowOf).filter(Boolean);
    place.hidden = rows.length === 0;
    place.querySelector(".wide").replaceChildren(comparisonTable(headings, rows));
    for (const button of document.querySelectorAll(".card .pin, #selection .pin[data-pin]")) {
      nameOf(button, Number(button.dataset.pin));
    }
  }

  // Shows everything as it is on one target; sorting, filters and the selected trial stay.
  function show(name) {
    target = name;
    for (const part of document.querySelectorAll("[data-target]")) part.hidden = part.dataset.target !== target;
    for (const choice of document.querySelectorAll("[name=target]")) choice.checked = choice.value === target;
    if (selected !== null && !rowOf(selected)) selected = null;
    filter();
    draw();
    showSelection();
    showPins();
  }

  // Shows the main chart of every target against another objective.
  function against(axis) {
    for (const part of document.querySelectorAll("[data-axis]")) part.hidden = part.dataset.axis !== axis;
    for (const choice of document.querySelectorAll("select.axis")) choice.value = axis;
    draw();
    ring();
  }

  // Shows another objective up, of every target: one of the decision's limits.
  function upward(name) {
    for (const choice of document.querySelectorAll("select.up")) choice.value = name;
    const found = Object.values(decisions).flatMap(({ limits }) => limits).find((limit) => limit.name === name);
    axes.up = name === "psnr_db" ? null : found;
    draw();
    ring();
  }

  function logarithmic(axis, wanted) {
    for (const box of document.querySelectorAll(".log")) if (box.value === axis) box.checked = wanted;
    axes.logarithmic = ["xaxis", "yaxis"].filter((one) => document.querySelector(`.log[value=${one}]`).checked);
    draw();
    ring();
  }

  function addressed() {
    const name = new URLSearchParams(location.hash.slice(1)).get("target");
    return rowsOf.has(name) ? name : first;
  }

  function sortBy(column, heading) {
    const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const down = order === "descending";
    const numeric = heading.classList.contains("number");
    const key = (row) => {
      const cell = row.cells[column];
      if (numeric) return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
      return cell.textContent.replace(/^–$/, "") || null;
    };
    for (const table of tables) {
      [...table.tHead.rows[0].cells].forEach((other, index) => {
        if (index === column) other.setAttribute("aria-sort", order);
        else other.removeAttribute("aria-sort");
      });
      const sorted = [...table.tBodies[0].rows].map((row) => [key(row), row]).sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);  // what is missing comes last, either way
        const difference = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
        return down ? -difference : difference;
      });
      table.tBodies[0].append(...sorted.map(([, row]) => row));
    }
  }

  const text = document.getElementById("text");
  const state = document.getElementById("state");
  const frontOnly = document.getElementById("front-only");

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rowsOf.get(target)) {
      const content = row.textContent.toLowerCase();
      row.hidden =
        !words.every((word) => content.includes(word)) ||
        (state.value !== "" && row.dataset.state !== state.value) ||
        (frontOnly.checked && !row.dataset.front);
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rowsOf.get(target).length} shown`;
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

  for (const table of tables) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => sortBy(column, heading));
    });
  }
  for (const input of [text, state, frontOnly]) input.addEventListener("input", filter);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) return void copy(button);
    const pinning = event.target.closest(".pin");
    if (pinning) return pin(Number(pinning.dataset.pin));
    if (event.target.closest(".close")) return select(selected);
    const chosen = event.target.closest("[data-trial]");
    if (chosen && !getSelection().toString()) select(Number(chosen.dataset.trial), !chosen.closest(".trials"));
  });
  document.addEventListener("change", (event) => {
    if (event.target.className === "axis") return against(event.target.value);
    if (event.target.className === "up") return upward(event.target.value);
    if (event.target.className === "log") return logarithmic(event.target.value, event.target.checked);
    if (event.target.name !== "target") return;
    show(event.target.value);
    location.replace(`#${new URLSearchParams({ target })}`);  // remembered without a step in the history
  });
  // A chart inside is drawn once it is opened; the event does not bubble.
  document.addEventListener("toggle", (event) => { if (event.target.matches(".account")) { draw(); ring(); } }, true);
  addEventListener("hashchange", () => { if (addressed() !== target) show(addressed()); });
  dark.addEventListener("change", () => { draw(); ring(); });
  offerDecisions(
    decisions,
    (element, name) => {
      element.innerHTML = parts[name];
      fill(element);
      showPins();
    },
    (name, limits) => {
      limitsOf.set(name, limits);
      for (const chart of Object.keys(charts)) {
        const place = document.getElementById(chart);
        if (!across(chart) || place.offsetParent === null || !place.data) continue;
        Plotly.relayout(place, { shapes: painted(current(chart).layout.shapes) });
      }
    },
  );
  show(addressed());
  const script = document.createElement("script");
  script.textContent = await unpacked("plotly");
  document.head.append(script);
  draw();
  ring();
  document.querySelector("main").removeAttribute("aria-busy");
})();
