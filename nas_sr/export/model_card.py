"""The README of a bundle: what the network is, where its figures come from, and the commands to use it."""

from __future__ import annotations

from pathlib import Path

from nas_sr.command_line import command
from nas_sr.config import FullTraining
from nas_sr.latency import Latency
from nas_sr.latency_wording import NOT_STABLE, is_unstable, setup, worded
from nas_sr.records import StudyRecord, TrialRecord


def card(
    study: StudyRecord, trial: TrialRecord, training: FullTraining, folder: Path, start: str = "weights as exported"
) -> str:
    """Markdown text; `start` says what the full training begins with."""
    spec = trial.spec
    name = trial.preset or spec.label()
    steps, _ = trial.longest_training
    phases = "\n".join(
        f"{number}. {phase.loss}, {phase.steps:,} steps, batch {phase.batch}, crops of {phase.crop_lr * spec.scale} HR"
        f" pixels, learning rate {phase.learning_rate:g}"
        for number, phase in enumerate(training.training.phases, start=1)
    )
    full = f"\n| on the whole validation set | {trial.full_validation} |" if trial.full_validation else ""
    deployed = f"\n| PSNR on {study.target} | {trial.runtime_psnr} |" if trial.runtime_psnr else ""
    further = _further(study, trial)
    known = f"estimated for {trial.estimate.steps} steps" if trial.estimate else f"{steps} steps"
    brief = f"{trial.pytorch_psnr_db:.3f} dB (RGB, {known}; compare only inside its study)"
    return f"""# {name}, x{spec.scale}

Trial {trial.number} of study `{study.name}`, network `{spec.digest}`.

| | |
|---|---|
| architecture | {spec.label()} |
| parameters | {trial.counts.params:,} |
| multiply-accumulates | {trial.counts.macs_g:.3f} G at a 256x256 LR input |
| latency | {_latency(trial.latency)} |{further}
| PSNR after brief training | {brief} |{deployed}{full}
| weights | of the search; full training begins with {start} |

The brief PSNR comes from: {study.environment.get("data", {}).get("description", "unknown images")}

## Use

Train it fully (`train.yaml`, a plain file to edit; `--steps N` shortens it, `--resume` continues):

    {command("train", folder)}

`weights.safetensors` and `model.onnx` are replaced by the best trained ones when it ends. The phases:

{phases}

Evaluate it, upscale with it, measure it:

    {command("evaluate", folder, options={"--data": "DIR"})}
    {command("upscale", folder, "IN", "OUT")}
    {command("measure", folder / "spec.json", options={"--hw": study.hw})}

`model.onnx` takes `input`, float32 RGB in [0, 1], shape (1, 3, height, width), any height and width, and gives
`output`, {spec.scale} times as large, not clamped. In Python with ONNX Runtime:

    import numpy as np, onnxruntime as ort
    session = ort.InferenceSession("model.onnx")
    (large,) = session.run(None, {{"input": image[None].astype(np.float32)}})

| file | holds |
|---|---|
| `spec.json` | the architecture |
| `weights.safetensors` | its weights |
| `model.onnx` | the same as ONNX |
| `train.yaml` | the full training |
| `longest-rung.safetensors` | the weights of its longest training in the search (`--start longest-rung`) |
| `bundle.json` | where it comes from: study, trial, counts, latency |
"""


def _further(study: StudyRecord, trial: TrialRecord) -> str:
    """A row for each objective of the study that the table does not have anyway, and for what the runtime reports."""
    shown = ("psnr_db", "latency_ms", "params", "macs_g")
    others = [each for each in study.traded if each.name not in shown]
    rows = "".join(f"\n| {each.title} | {each.text(each.value(trial))} on {study.target} |" for each in others)
    measured = trial.latency if trial.latency and trial.latency.kind == "measured" else None
    if measured is None or measured.runtime_memory_mb is None:
        return rows
    return f"{rows}\n| memory that {measured.backend} reports | {measured.runtime_memory_mb:.4g} MB for activations |"


def _latency(latency: Latency | None) -> str:
    """The figure with its kind, where it comes from, and what must be known of it."""
    if latency is None:
        return "no latency"
    text = worded(latency, exact=True)
    kind = "**predicted, not measured**" if latency.kind == "predicted" else "measured"
    unstable = NOT_STABLE if is_unstable(latency) else ""
    parts = [", ".join(filter(None, (kind, unstable, setup(latency), text.spread))), *text.lines, *text.notes]
    return f"{text.figure} ({'; '.join(map(_in_a_cell, parts))})"


def _in_a_cell(text: str) -> str:
    """A text that cannot end its cell of the table."""
    return " ".join(text.split()).replace("|", "\\|")
