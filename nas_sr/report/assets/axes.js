"use strict";
// A chart of trials with another objective up, or on logarithmic axes. `up` is an objective of the decision's, or null
// for the chart's own PSNR; `values` has those of each trial.
function arranged(chart, { up, logarithmic }, values) {
  const layout = { ...chart.layout, xaxis: { ...chart.layout.xaxis }, yaxis: { ...chart.layout.yaxis } };
  let data = chart.data;
  if (up !== null) {
    data = data
      .filter(({ customdata, name, x }) => customdata || name === "selection" || x[0] === null)
      .filter(({ yaxis }) => yaxis !== "y2")
      .map((trace) => {
        if (!trace.customdata) return trace;
        const { error_y: _, line: __, ...rest } = trace;
        const y = trace.customdata.map((trial) => values.get(trial)?.[up.name] ?? null);
        return { ...rest, y, mode: rest.mode.replace("lines+", "") };
      })
      .filter(({ mode }) => mode !== "lines");
    layout.shapes = layout.annotations = [];
    layout.yaxis = { ...layout.yaxis, domain: [0, 1], title: { ...layout.yaxis.title, text: up.axis } };
    layout.xaxis.anchor = "y";
    for (const key of ["range", "tickformat"]) delete layout.yaxis[key];
    delete layout.yaxis2;
  }
  for (const axis of logarithmic) {
    const { range } = layout[axis];
    layout[axis].type = "log";
    if (range && range[0] > 0) layout[axis].range = range.map(Math.log10);
    else delete layout[axis].range;
    const place = axis[0];
    layout.annotations = (layout.annotations || []).map((note) =>
      note[`${place}ref`] === "paper" ? note : { ...note, [place]: Math.log10(note[place]) },
    );
  }
  return { data, layout };
}
