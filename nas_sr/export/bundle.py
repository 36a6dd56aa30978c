"""A bundle: everything that one chosen network needs to be trained, evaluated and shipped."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from nas_sr.config import FullTraining, read_yaml, write_yaml
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.onnx_upscaler import name_architecture
from nas_sr.export.checksums import SUMS, differences, write_sums
from nas_sr.export.formats import NAMES, Wanted, destination, wanted, without_missing
from nas_sr.export.formats.base import CannotWrite, Source
from nas_sr.export.model_card import CardFacts, Trained, card_text
from nas_sr.export.model_database import ENTRY, entry
from nas_sr.export.optimise import Graph, fastest_graph
from nas_sr.export.origin import ORIGIN, origin_of, read_origin, target_of, today
from nas_sr.export.sample import SAMPLE, write_sample
from nas_sr.export.starts import FILES as START_FILES
from nas_sr.export.starts import Start, described, inherit, keep_longest_rung, save_inherited
from nas_sr.export.whole_folder import building_beside, take_place
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.presets import preset_name
from nas_sr.families.registry import read_spec
from nas_sr.families.weights import WEIGHTS, load_network, save_weights
from nas_sr.files import held_alone, writable_folder, write_json
from nas_sr.measure.graph_variants import AS_EXPORTED, write_variant
from nas_sr.measure.onnx_export import ExportError, export_onnx
from nas_sr.measure.profile import HardwareProfile, profile
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.train.recipes import CHOICES

SPEC, ONNX, TRAINING, CARD = "spec.json", "model.onnx", "train.yaml", "README.md"
FULL_TRAINING = "training"  # folder of the checkpoint, the best weights and the scalars
UNSUMMED = (TRAINING, FULL_TRAINING)  # to edit, and to change: no checksums are of them


class Written(NamedTuple):
    """The files of a bundle, and which of the destinations that were asked for it is not written for."""

    files: list[Path]
    left_out: dict[str, str]  # with the reason


def write_bundle(
    study: StudyRecord,
    trial: TrialRecord,
    training: FullTraining,
    folder: Path,
    overwrite: bool = False,
    asked: Wanted = Wanted(),  # noqa: B008 (a tuple)
    licence: str | None = None,
    author: str | None = None,
    optimise_for: HardwareProfile | None = None,
    start: Start | None = None,
) -> Written:
    """Writes the bundle of `trial` as `folder`, whole or not at all.

    Args:
        study: the study on one of its targets.
        trial: one with trained weights.
        training: goes into train.yaml.
        folder: the bundle.
        overwrite: replaces another bundle.
        asked: destinations to write it for.
        licence: of the weights: SPDX's name.
        author: of the weights.
        optimise_for: a target that is there: its fastest graph of those that compute the same.
        start: what its full training begins with, in the place of the config's.

    Raises:
        UsageError: the folder exists and `overwrite` is off, or it is none that may be replaced: not a bundle, or one
            with a full training or its weights inside; it cannot be written; the trial has no weights, or is outside of
            the supernet to start from.
        WorkError: a destination that was named cannot do the network, or the target cannot measure.
    """
    if folder.exists():
        _refuse_to_replace(folder, overwrite)
    weights = study.weights(trial)
    if not weights.is_file():
        raise UsageError(f"{weights}: the weights of trial {trial.number} are missing")
    start = start or Start(training.start)
    training = training.model_copy(update={"start": start.kind})
    inherited = inherit(trial.spec, start.supernet) if start.supernet else None
    place = folder.resolve()
    writable_folder(place.parent)
    with not_training(folder), building_beside(place) as building:
        network = load_network(weights)
        origin = origin_of(study, trial, place) | {"licence": licence, "author": author}
        origin |= keep_longest_rung(study, trial, building)
        if inherited:
            save_inherited(inherited[0], building)
            origin |= inherited[1]
        if optimise_for:
            origin["graph"] = fastest_graph(network, optimise_for).model_dump()
        write_json(building / SPEC, trial.spec.to_json())
        write_yaml(building / TRAINING, training, CHOICES)
        left_out = _write_contents(building, folder, network, training, origin, asked)
        take_place(building, place)
    return Written(_files(folder), left_out)


def write_again(
    folder: Path,
    asked: Sequence[str],
    hw: str | None = None,
    licence: str | None = None,
    author: str | None = None,
    optimise: bool = False,
) -> Written:
    """Writes the files of a bundle anew from its weights, for the destinations that it has and further ones.

    Args:
        folder: a bundle, trained fully or not.
        asked: destinations, as typed.
        hw: the target whose input size and versions they are for; None: the bundle's own.
        licence: of the weights, if that is stated now.
        author: likewise.
        optimise: finds the fastest graph on that target, which must be there.

    Raises:
        UsageError: not a bundle; one is unknown or lacks a package; the bundle's weights are not those that were
            written into it, or a training is running in it.
        WorkError: a destination that was named cannot do the network.
    """
    _, training = read_bundle(folder)
    names = wanted(asked, besides=formats_of(folder))
    stated = {"licence": licence, "author": author}
    with not_training(folder):
        _refuse_other_weights(folder)
        origin = read_origin(folder) | {key: value for key, value in stated.items() if value}
        if hw is not None:
            origin["target"] = profile(hw).frozen()
        network = load_network(folder / WEIGHTS)
        if optimise:
            on = hw or str((origin.get("card") or {}).get("hw") or target_of(origin, folder, needed=True).name)
            origin["graph"] = fastest_graph(network, profile(on)).model_dump()
        return Written(*_replaced(folder, network, training, origin, names))


def take_trained(folder: Path, network: FamilyNetwork, training: FullTraining, trained: Trained) -> Written:
    """Puts the weights of a full training into a bundle, and writes anew everything that is made of them.

    A destination that cannot be written here goes, with the reason: its files would be of other weights.
    """
    result = trained.model_dump(include={"steps", "psnr_db", "start"})
    beside = trained.model_dump(exclude=set(result))
    origin = read_origin(folder) | {"trained": result, "trained_on": beside, "written_at": today()}
    return Written(*_replaced(folder, network, training, origin, without_missing(formats_of(folder))))


def _replaced(
    folder: Path, network: FamilyNetwork, training: FullTraining, origin: dict[str, Any], asked: Wanted
) -> tuple[list[Path], dict[str, str]]:
    """Writes everything beside the old files, then moves each into its place; the checksums come last."""
    building = folder / f".{os.getpid()}.part"
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir()
        write_json(building / SPEC, read_spec(folder / SPEC).to_json())
        for name in START_FILES.values():
            if (folder / name).is_file():
                shutil.copyfile(folder / name, building / name)
        left_out = _write_contents(building, folder, network, training, origin, asked)
        for name in NAMES:
            if (folder / name).is_dir():
                (folder / name).rename(building / f"old-{name}")
            if (building / name).is_dir():
                (building / name).rename(folder / name)
        for path in sorted(building.iterdir(), key=lambda path: path.name == SUMS):
            if path.is_file():
                os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _files(folder), left_out


def _write_contents(
    building: Path,
    folder: Path,
    network: FamilyNetwork,
    training: FullTraining,
    origin: dict[str, Any],
    asked: Wanted,
) -> dict[str, str]:
    """Everything of a bundle that follows from its weights, into `building`; what is left out of what was asked."""
    network = network.deployed()
    spec = network.spec
    graph = Graph.model_validate(origin.get("graph") or {})
    write_weights(building, network, graph.known)
    name = file_name(spec)
    left_out = dict(asked.left_out)
    work = building / ".work"
    work.mkdir()
    source = Source(name, network, building / ONNX, target_of(origin, folder, bool(asked.names)), work, graph.known)
    formats = []
    for each in asked.names:
        (building / each).mkdir()
        try:
            destination(each).write(source, building / each)
            formats.append(each)
        except (CannotWrite, ExportError) as error:
            if not asked.lenient:
                raise WorkError(f"{each}: {error}; nothing was written") from None
            shutil.rmtree(building / each)
            left_out[each] = str(error)
    shutil.rmtree(work)
    write_sample(network, training, name, building / SAMPLE)
    trained = Trained.model_validate(origin["trained"] | origin.get("trained_on", {})) if "trained" in origin else None
    facts = CardFacts.model_validate(origin["card"]) if "card" in origin else None
    origin = {**origin, "formats": formats, "left_out": left_out}
    write_json(building / ORIGIN, origin)
    licence, author = origin.get("licence"), origin.get("author")
    if facts:
        text = card_text(
            facts, spec, training, folder, trained=trained, formats=formats, left_out=left_out,
            licence=licence, author=author, graph=graph if graph.ratios else None,
            start=described(origin, training.start),
        )  # fmt: skip
        (building / CARD).write_text(text)
    elif (folder / CARD).is_file():  # of an earlier version, which kept the card's text only
        shutil.copyfile(folder / CARD, building / CARD)
    published = building / "chainner" / f"{name}.safetensors" if "chainner" in formats else building / WEIGHTS
    description = facts.origin if facts else ""
    date = origin.get("written_at") or today()
    steps = trained.steps if trained else None
    files = [published, building / ONNX]
    write_json(building / ENTRY, entry(spec, description, files, training, steps, date, licence, author))
    write_sums(building, UNSUMMED)
    return left_out


def write_weights(folder: Path, network: FamilyNetwork, graph: str = AS_EXPORTED) -> None:
    """Puts a network's weights into a folder, in their deployed form: as safetensors, and as ONNX with any height and
    width, in one of the graphs that compute the same."""
    network = network.deployed()
    save_weights(network.state_dict(), network.spec, folder / WEIGHTS)
    export_onnx(network, folder / ONNX)
    if graph != AS_EXPORTED:
        write_variant(folder / ONNX, folder / ONNX, graph)
    name_architecture(folder / ONNX, network.spec)


def file_name(spec: Spec) -> str:
    """Of files that leave the bundle: the scale, as others write it, and what the network is."""
    words = preset_name(spec) or f"{spec.family}-{spec.label()}"
    return f"{spec.scale}x-{re.sub(r'[^A-Za-z0-9]+', '-', words).strip('-')}"


def read_bundle(folder: Path) -> tuple[Spec, FullTraining]:
    """The spec and the training config of a bundle.

    Raises:
        UsageError: not a bundle.
    """
    if not (folder / SPEC).is_file() or not (folder / TRAINING).is_file():
        raise UsageError(f"{folder}: not a bundle ({SPEC} and {TRAINING} expected); `nas-sr export STUDY` makes one")
    return read_spec(folder / SPEC), read_yaml(folder / TRAINING, FullTraining)


def is_bundle(folder: Path) -> bool:
    """Whether a folder is one, whole or not."""
    return any((folder / name).is_file() for name in (ORIGIN, SUMS))


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """While a training, or what replaces the bundle, has it for itself.

    Raises:
        UsageError: a training is running in it, or its folder cannot be written to.
    """
    inside = writable_folder(folder / FULL_TRAINING)
    with held_alone(inside / ".training", f"{folder}: another training is running in it"):
        yield


def not_training(folder: Path) -> AbstractContextManager[None]:
    """The same for a bundle in which there may be no training at all."""
    return training_alone(folder) if (folder / FULL_TRAINING).is_dir() else nullcontext()


def _refuse_to_replace(folder: Path, overwrite: bool) -> None:
    if not overwrite:
        raise UsageError(f"{folder} exists already; choose another with --out, or say --overwrite")
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / ORIGIN).is_file()):
        raise UsageError(f"{folder}: --overwrite replaces bundles only, and this is none; choose another with --out")
    training = folder / FULL_TRAINING
    if "trained" in read_origin(folder) or (
        training.is_dir() and any(not path.name.startswith(".") for path in training.iterdir())
    ):
        raise UsageError(
            f"{folder}: holds a full training or its weights, which --overwrite would delete; choose another with"
            " --out, or move it away"
        )


def keep_inherited(folder: Path, supernet: Path) -> None:
    """Puts what a bundle's network inherits of a supernet into it, with its checksum.

    Raises:
        UsageError: no supernet there, or one that the network is not of.
    """
    network, what = inherit(read_spec(folder / SPEC), supernet)
    save_inherited(network, folder)
    write_json(folder / ORIGIN, read_origin(folder) | what)
    if (folder / SUMS).is_file():
        write_sums(folder, UNSUMMED)


def _refuse_other_weights(folder: Path) -> None:
    """New checksums must not vouch for weights that somebody else put there."""
    changed = differences(folder, UNSUMMED) if (folder / SUMS).is_file() else ()
    for difference in changed:
        if difference.file == WEIGHTS:
            raise UsageError(
                f"{folder / WEIGHTS}: {difference.text}; the card's figures are of other weights. Put the file back, or"
                f" export the trial again (`nas-sr verify` says what else differs)"
            )


def formats_of(folder: Path) -> list[str]:
    """The destinations that a bundle has files for."""
    return [name for name in NAMES if (folder / name).is_dir()]


def _files(folder: Path) -> list[Path]:
    """All of a bundle's but those of its training, and hidden ones."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    firsts = [path.relative_to(folder).parts[0] for path in paths]
    return sorted(
        path for path, first in zip(paths, firsts, strict=True) if first != FULL_TRAINING and not first.startswith(".")
    )
