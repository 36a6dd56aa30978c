"""The README of a bundle: what the network is, where its figures come from, and the commands to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nas_sr.command_line import command
from nas_sr.config import FullTraining
from nas_sr.export.formats import destination
from nas_sr.export.optimise import Graph
from nas_sr.families.base import Spec
from nas_sr.latency import Latency
from nas_sr.latency_wording import NOT_STABLE, is_unstable, setup, worded
from nas_sr.records import StudyRecord, TrialRecord


class CardFacts(BaseModel):
    """What the card says that comes from the study, as text: kept in the bundle, which the study may not be beside."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str
    origin: str  # one sentence
    rows: tuple[tuple[str, str], ...]
    data: str  # what the brief PSNR comes from
    hw: str  # what names the target to a command


class Trained(BaseModel):
    """The full training that a bundle's weights are of."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    steps: int
    psnr_db: float
    start_psnr_db: float | None = None
    data: str = ""
    start: str = ""  # what it began with


def card_facts(study: StudyRecord, trial: TrialRecord) -> CardFacts:
    """Of one trial."""
    spec = trial.spec
    steps, _ = trial.longest_training
    known = f"estimated for {trial.estimate.steps} steps" if trial.estimate else f"{steps} steps"
    rows = [
        ("architecture", spec.label()),
        ("parameters", f"{trial.counts.params:,}"),
        ("multiply-accumulates", f"{trial.counts.macs_g:.3f} G at a 256x256 LR input"),
        ("latency", _latency(trial.latency)),
        *_further(study, trial),
        (
            "PSNR after brief training",
            f"{trial.pytorch_psnr_db:.3f} dB (RGB, {known}; compare only inside its study)",
        ),
    ]
    if trial.runtime_psnr:
        rows.append((f"PSNR on {study.target}", str(trial.runtime_psnr)))
    if trial.full_validation:
        rows.append(("on the whole validation set", str(trial.full_validation)))
    return CardFacts(
        title=f"{trial.preset or spec.label()}, x{spec.scale}",
        origin=f"Trial {trial.number} of study `{study.name}`, network `{spec.digest}`.",
        rows=tuple(rows),
        data=str(study.environment.get("data", {}).get("description", "unknown images")),
        hw=study.hw,
    )


def card(study: StudyRecord, trial: TrialRecord, training: FullTraining, folder: Path) -> str:
    """The card of a trial that was not trained fully, without destinations."""
    return card_text(card_facts(study, trial), trial.spec, training, folder)


def card_text(
    facts: CardFacts,
    spec: Spec,
    training: FullTraining,
    folder: Path,
    *,
    trained: Trained | None = None,
    formats: Sequence[str] = (),
    left_out: Mapping[str, str] | None = None,
    licence: str | None = None,
    author: str | None = None,
    graph: Graph | None = None,
    start: str = "weights as exported",
) -> str:
    """Markdown text.

    Args:
        facts: from the study.
        spec: of the network.
        training: the full training.
        folder: the bundle, for the commands.
        trained: if its weights are of a full training.
        formats: destinations that it has files for.
        left_out: others that it could not be written for, with the reason.
        licence: of the weights.
        author: of the weights.
        graph: which of those that compute the same, if that was measured.
        start: what the full training begins with.
    """
    phases = "\n".join(
        f"{number}. {phase.loss}, {phase.steps:,} steps, batch {phase.batch}, crops of {phase.crop_lr * spec.scale} HR"
        f" pixels, learning rate {phase.learning_rate:g}"
        for number, phase in enumerate(training.training.phases, start=1)
    )
    graphs = [("graph of the files", _in_a_cell(str(graph)))] if graph else []
    rows = "\n".join(f"| {name} | {text} |" for name, text in (*facts.rows, *_training_rows(trained, start), *graphs))
    return f"""# {facts.title}

{facts.origin}

| | |
|---|---|
{rows}

The brief PSNR comes from: {facts.data}

PSNR is of 8-bit RGB against MATLAB's bicubic downscaling, without a border of {spec.scale} pixels, mean over images. A
latency is the median of the samples, corrected by a reference network that runs in between them. `sample.png` shows a
part of one image.

{_rights(licence, author)}

## Use

Train it fully (`train.yaml`, a plain file to edit; `--steps N` shortens it, `--resume` continues):

    {command("train", folder)}

`weights.safetensors` and everything made of it are replaced by the best trained ones when it ends. The phases:

{phases}

Evaluate it, upscale with it, measure it:

    {command("evaluate", folder, options={"--data": "DIR"})}
    {command("upscale", folder, "IN", "OUT")}
    {command("measure", folder / "spec.json", options={"--hw": facts.hw})}

Write it for a runtime or a tool (`onnxruntime`, `tensorrt`, `openvino`, `ncnn`, `chainner`, `vs-mlrt`), and check that
all of its files still compute the same:

    {command("export", folder, options={"--for": "all"})}
    {command("verify", folder)}

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
| `bundle.json` | where it comes from: study, trial, counts, latency, target |
| `openmodeldb.json` | an entry for OpenModelDB; its `urls` are for you to fill in |
| `sample.png` | a part of one image, bicubic and by this network |
| `SHA256SUMS` | checksums of everything but `train.yaml`, for `sha256sum -c` |
{_format_rows(formats, left_out or {})}"""


def _training_rows(trained: Trained | None, start: str) -> list[tuple[str, str]]:
    if trained is None:
        return [("weights", f"of the search; full training begins with {start}")]
    gain = "" if trained.start_psnr_db is None else f"from {trained.start_psnr_db:.3f} dB; "
    images = f"; {trained.data}" if trained.data else ""
    began = f"; begun with {trained.start}" if trained.start else ""
    text = f"{trained.psnr_db:.3f} dB ({gain}RGB, {trained.steps} steps{began}{images})"
    return [("**PSNR after full training**, which the weights are of", _in_a_cell(text))]


def _rights(licence: str | None, author: str | None) -> str:
    stated = f"Licence of the weights: {licence}." if licence else "Licence of the weights: not stated by their author."
    return f"By {author}. {stated}" if author else stated


def _format_rows(formats: Sequence[str], left_out: Mapping[str, str]) -> str:
    rows = [f"| `{name}/` | files for {destination(name).title} |" for name in formats]
    rows += [f"| no `{name}/` | {_in_a_cell(reason)} |" for name, reason in left_out.items()]
    return "".join(f"{row}\n" for row in rows)


def _further(study: StudyRecord, trial: TrialRecord) -> list[tuple[str, str]]:
    """A row for each objective of the study that the table does not have anyway, and for what the runtime reports."""
    shown = ("psnr_db", "latency_ms", "params", "macs_g")
    others = [each for each in study.traded if each.name not in shown]
    rows = [(each.title, f"{each.text(each.value(trial))} on {study.target}") for each in others]
    measured = trial.latency if trial.latency and trial.latency.kind == "measured" else None
    if measured is None or measured.runtime_memory_mb is None:
        return rows
    return [
        *rows,
        (f"memory that {measured.backend} reports", f"{measured.runtime_memory_mb:.4g} MB for activations"),
    ]


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
