"use strict";
// Chooses as nas_sr/export/choose.py does. `limits` has a number for each objective that is limited.
function decide(decision, limits) {
  const limited = decision.limits.filter(({ name }) => name in limits);
  const excess = (choice, { name, maximise }) =>
    maximise ? limits[name] - choice.values[name] : choice.values[name] - limits[name];
  const isWithin = (choice) => limited.every((limit) => excess(choice, limit) <= 0);
  const best = (choices) => [...choices].sort((a, b) => b.values.psnr_db - a.values.psnr_db);
  const fastest = (choices) =>
    [...choices].sort(
      (a, b) => a.values.latency_ms - b.values.latency_ms || b.values.psnr_db - a.values.psnr_db,
    );
  const order = "psnr_db" in limits && !("latency_ms" in limits) ? fastest : best;
  const within = decision.choices.filter(isWithin);
  const others = decision.others.filter(isWithin);
  const relative = (choice) =>
    Math.max(...limited.map((limit) => excess(choice, limit) / (Math.abs(limits[limit.name]) || 1)));
  const nearest = [...decision.choices].sort((a, b) => relative(a) - relative(b))[0];
  return { limited, within, chosen: order(within)[0], nearest, other: best(others)[0], excess };
}

// The words for a decision: what was chosen and why, and what the study cannot tell from it.
function answer(decision, limits) {
  const { limited, within, chosen, nearest, other, excess } = decide(decision, limits);
  const figures = ({ texts }) => [texts.psnr_db, texts.latency_ms].filter(Boolean).join(", ");
  const front = decision.choices.length;
  const aside = (limit) =>
    other && other.values.psnr_db > limit
      ? ` Off the front, trial ${other.trial} is within, too, with ${figures(other)}.`
      : "";
  if (!limited.length) {
    const knee = decision.choices.find(({ trial }) => trial === decision.knee);
    return { chosen: knee, text: `No limit yet: the best compromise (knee) of ${front} on the front.`, tied: "" };
  }
  if (!chosen) {
    const over = limited.filter((limit) => excess(nearest, limit) > 0);
    const side = over.length > 1 ? "these limits" : "this limit";
    const how = over.map(({ name, title }) => `${title} ${nearest.texts[name]}`).join(", ");
    return {
      chosen: nearest,
      text: `No network of the front is within ${side}. The nearest is trial ${nearest.trial}: ${how}.` + aside(-Infinity),
      tied: "",
    };
  }
  const tied = within.filter(({ trial }) => chosen.ties.includes(trial));
  const trials = [chosen, ...tied].map(({ trial }) => trial).sort((a, b) => a - b);
  const named = `${trials.slice(0, -1).join(", ")} and ${trials.at(-1)}`;
  const quickest = [...tied, chosen].sort((a, b) => a.values.latency_ms - b.values.latency_ms)[0];
  const found = `Trial ${chosen.trial}: ${figures(chosen)}. ${within.length} of ${front} on the front are within.`;
  const equal =
    `Trials ${named} are equal in PSNR as far as this study can tell: ${decision.tied}. ` +
    `The fastest of them is trial ${quickest.trial}, ${quickest.texts.latency_ms}.`;
  return { chosen, text: found + aside(chosen.values.psnr_db), tied: tied.length ? equal : "" };
}

// Wires the limits; `place` puts a packed part into an element, `told` hears of new limits.
function offerDecisions(decisions, place, told) {
  for (const panel of document.querySelectorAll(".decision [data-target]")) {
    const target = panel.dataset.target;
    const decision = decisions[target];
    const form = panel.querySelector("form");
    if (!form) continue;
    const rows = [...form.querySelectorAll(".limit")];
    const number = (row) => row.querySelector("[type=number]");
    const slider = (row) => row.querySelector("[type=range]");
    let shown = null;

    function show() {
      const limits = {};
      for (const row of rows) {
        const value = Number.parseFloat(number(row).value);
        if (!Number.isNaN(value)) limits[row.dataset.objective] = value;
      }
      told(target, limits);
      const { chosen, text, tied } = answer(decision, limits);
      panel.querySelector(".answer").textContent = text;
      panel.querySelector(".tied").textContent = tied;
      if (chosen.trial === shown) return;
      shown = chosen.trial;
      place(panel.querySelector(".chosen"), `choice-${shown}-${target}`);
    }

    for (const row of rows) {
      number(row).addEventListener("input", () => {
        const { min, max } = slider(row);
        const open = decision.limits.find(({ name }) => name === row.dataset.objective).maximise ? min : max;
        slider(row).value = number(row).value === "" ? open : number(row).value;
        show();
      });
      slider(row).addEventListener("input", () => {
        number(row).value = slider(row).value;
        show();
      });
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(show));  // once the inputs are empty
    show();
  }
}
