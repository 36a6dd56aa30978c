"""The README of a bundle: what the network is, where its figures come from, and the commands to use it."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas_sr.config import FullTraining
from nas_sr.records import StudyRecord, TrialRecord


def card(study: StudyRecord, trial: TrialRecord, training: FullTraining, folder: Path) -> str:
    """Markdown text."""
    spec, latency = trial.spec, trial.latency
    name = trial.preset or spec.label()
    here = shlex.quote(str(folder))
    steps = trial.curve[-1].step if trial.curve else 0
    timed = "no latency"
    if latency:
        doubts = "" if latency.stable else f", UNSTABLE: {'; '.join(latency.labels)}"
        timed = (
            f"{latency.latency_ms:.2f} ms ({latency.kind}, {latency.backend} on {latency.target}, LR input"
            f" {latency.lr_width}x{latency.lr_height}, p5 {latency.percentile(5):.2f},"
            f" p95 {latency.percentile(95):.2f}, {latency.runs} runs{doubts})"
        )
    phases = "\n".join(
        f"{number}. {phase.loss}, {phase.steps:,} steps, batch {phase.batch}, crops of {phase.crop_lr * spec.scale} HR"
        f" pixels, learning rate {phase.learning_rate:g}"
        for number, phase in enumerate(training.training.phases, start=1)
    )
    return f"""# {name}, x{spec.scale}

Trial {trial.number} of study `{study.name}`, network `{spec.digest}`.

| | |
|---|---|
| architecture | {spec.label()} |
| parameters | {trial.counts.params:,} |
| multiply-accumulates | {trial.counts.macs_g:.3f} G at a 256x256 LR input |
| latency | {timed} |
| PSNR after brief training | {trial.psnr_db:.3f} dB (RGB, {steps} steps; compare only inside its study) |

The brief PSNR comes from: {study.environment.get("data", {}).get("description", "unknown images")}

## Use

Train it fully (`train.yaml`, a plain file to edit; `--steps N` shortens it, `--resume` continues):

    nas-sr train {here}

`weights.safetensors` and `model.onnx` are replaced by the best trained ones when it ends. The phases:

{phases}

Evaluate it, upscale with it, measure it:

    nas-sr evaluate {here} --data DIR
    nas-sr upscale {here} IN OUT
    nas-sr measure {here}/spec.json --hw {shlex.quote(str(study.config["hw"]))}

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
| `bundle.json` | where it comes from: study, trial, counts, latency |
"""
