"""A bundle: everything that one chosen network needs to be trained, evaluated and shipped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import onnx

from nas_sr.config import FullTraining, read_yaml, write_yaml
from nas_sr.errors import UsageError
from nas_sr.evaluate.onnx_upscaler import SPEC_KEY
from nas_sr.export.model_card import card
from nas_sr.export.starts import ORIGIN, Start, described, inherit, keep_longest_rung, save_inherited, update_origin
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.registry import read_spec
from nas_sr.families.weights import WEIGHTS, load_network, save_weights
from nas_sr.files import held_alone, replacing, writable_folder, write_json
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.train.recipes import CHOICES

SPEC, ONNX, TRAINING, CARD = "spec.json", "model.onnx", "train.yaml", "README.md"
FULL_TRAINING = "training"  # folder of the checkpoint, the best weights and the scalars


def write_bundle(
    study: StudyRecord,
    trial: TrialRecord,
    training: FullTraining,
    folder: Path,
    overwrite: bool = False,
    start: Start | None = None,
) -> list[Path]:
    """Writes the bundle of `trial` as `folder`, whole or not at all; returns its files.

    `start` is what its full training begins with, in the place of the config's.

    Raises:
        UsageError: the folder exists and `overwrite` is off, or it is none that may be replaced: not a bundle, or one
            with a full training or its weights inside; it cannot be written; the trial has no weights, or is outside of
            the supernet to start from.
    """
    if folder.exists():
        _refuse_to_replace(folder, overwrite)
    with _not_training(folder):
        return _written(study, trial, training, folder, start or Start(training.start))


def _written(study: StudyRecord, trial: TrialRecord, training: FullTraining, folder: Path, start: Start) -> list[Path]:
    weights = study.weights(trial)
    if not weights.is_file():
        raise UsageError(f"{weights}: the weights of trial {trial.number} are missing")
    training = training.model_copy(update={"start": start.kind})
    inherited = inherit(trial.spec, start.supernet) if start.supernet else None
    place = folder.resolve()
    writable_folder(place.parent)
    building = place.with_name(f".{place.name}.{os.getpid()}.part")
    replaced = place.with_name(f".{place.name}.{os.getpid()}.replaced")
    try:
        building.mkdir()
        network = load_network(weights)
        write_json(building / SPEC, trial.spec.to_json())
        write_yaml(building / TRAINING, training, CHOICES)
        write_json(building / ORIGIN, _origin(study, trial, place) | keep_longest_rung(study, trial, building))
        if inherited:
            save_inherited(inherited[0], building)
            update_origin(building, **inherited[1])
        (building / CARD).write_text(card(study, trial, training, folder, described(building, start.kind)))
        write_weights(building, network)
        if place.exists():
            place.rename(replaced)
        try:
            building.rename(place)
        except BaseException:
            if replaced.exists():
                replaced.rename(place)
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
    return sorted(path for path in folder.iterdir())


def _refuse_to_replace(folder: Path, overwrite: bool) -> None:
    if not overwrite:
        raise UsageError(f"{folder} exists already; choose another with --out, or say --overwrite")
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / ORIGIN).is_file()):
        raise UsageError(f"{folder}: --overwrite replaces bundles only, and this is none; choose another with --out")
    training = folder / FULL_TRAINING
    trained = (folder / ORIGIN).is_file() and "trained" in json.loads((folder / ORIGIN).read_text())
    if trained or (training.is_dir() and any(not path.name.startswith(".") for path in training.iterdir())):
        raise UsageError(
            f"{folder}: holds a full training or its weights, which --overwrite would delete; choose another with"
            " --out, or move it away"
        )


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """While a training, or what replaces the bundle, has it for itself.

    Raises:
        UsageError: a training is running in it, or its folder cannot be written to.
    """
    inside = writable_folder(folder / FULL_TRAINING)
    with held_alone(inside / ".training", f"{folder}: another training is running in it"):
        yield


def _not_training(folder: Path) -> AbstractContextManager[None]:
    return training_alone(folder) if (folder / FULL_TRAINING).is_dir() else nullcontext()


def write_weights(folder: Path, network: FamilyNetwork) -> None:
    """Puts a network's weights into a bundle, in their deployed form: as safetensors, and as ONNX with any height and
    width."""
    network = network.deployed()
    save_weights(network.state_dict(), network.spec, folder / WEIGHTS)
    export_onnx(network, folder / ONNX)
    _name_architecture(folder / ONNX, network.spec)


def read_bundle(folder: Path) -> tuple[Spec, FullTraining]:
    """The spec and the training config of a bundle.

    Raises:
        UsageError: not a bundle.
    """
    if not (folder / SPEC).is_file() or not (folder / TRAINING).is_file():
        raise UsageError(f"{folder}: not a bundle ({SPEC} and {TRAINING} expected); `nas-sr export STUDY` makes one")
    return read_spec(folder / SPEC), read_yaml(folder / TRAINING, FullTraining)


def record_training(folder: Path, steps: int, psnr_db: float, start: str = "") -> None:
    """Notes in the bundle which training its weights now come from, and what that began with."""
    update_origin(folder, trained={"steps": steps, "psnr_db": psnr_db, "start": start})
    path = folder / CARD
    if start and path.is_file():
        row = f"| weights | of {steps:,} steps of full training, {psnr_db:.3f} dB, begun with {start} |"
        text = "\n".join(row if line.startswith("| weights |") else line for line in path.read_text().splitlines())
        with replacing(path) as temporary:
            temporary.write_text(f"{text}\n")


def _name_architecture(path: Path, spec: Spec) -> None:
    """Puts the spec into an ONNX file: what cuts images into tiles must know how far a pixel reaches."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {SPEC_KEY: json.dumps(spec.to_json())})
    with replacing(path) as temporary:
        onnx.save(model, temporary)


def _origin(study: StudyRecord, trial: TrialRecord, place: Path) -> dict[str, object]:
    return {
        "study": study.name,
        "study_dir": os.path.relpath(Path(study.study_dir).resolve(), place),  # as both may be moved together
        "trial": trial.number,
        "digest": trial.spec.digest,
        "preset": trial.preset,
        "runtime_psnr": trial.runtime_psnr.model_dump() if trial.runtime_psnr else None,
        "brief_training": {
            "psnr_db": trial.pytorch_psnr_db,  # estimated, where there are longer trainings
            "steps": trial.estimate.steps if trial.estimate else trial.curve[-1].step if trial.curve else None,
        },
        "counts_at_256x256": trial.counts._asdict(),
        "objectives": {each.name: each.value(trial) for each in study.traded},
        "latency": trial.latency.summary() if trial.latency else None,
    }
