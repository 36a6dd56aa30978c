"""Checkpoints on disk: written whole or not at all, and read only where they fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from nas_sr.config import Config, FullTraining, SupernetTraining, Training, differences, flat
from nas_sr.data.image_sets import ImageSets
from nas_sr.data.pack import Pack
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, parameter_differences
from nas_sr.families.registry import parse_spec
from nas_sr.families.torch_file import NotLoadable, read_torch_file
from nas_sr.families.weights import refusal
from nas_sr.files import replacing
from nas_sr.train.execution import Execution

_FORMAT = 2
_EXPECTED = "expected is the last.ckpt that a training has left in its bundle"
_VALIDATION_BYTES = 150_000  # sample crops as PNG
# They decide where and how fast a training runs, not what comes out; images are compared by content.
_FREE_TO_CHANGE = {
    "data",
    "val",
    "began_with",
    "config.tensorboard",
    *(f"config.training.{name}" for name in ("compile", "micro_batch", "pack_in")),
}


class Run(Config):
    """What a training was begun with."""

    config: FullTraining | SupernetTraining  # of a bundle, its train.yaml
    steps: int | None = None  # what --steps shortened it to
    start: Literal["weights", "scratch", "longest-rung", "supernet"] | None = None  # what --start said
    began_with: str = ""  # that in words, with what the weights were
    data: str | None = None  # where the images are: train.yaml's or --data and --val
    val: str | None = None
    training_images: str = ""  # as `described`
    validation_images: str = ""

    def on(self, images: ImageSets) -> Run:
        """The same run on these images."""
        update = {"training_images": described(images.train), "validation_images": described(images.val)}
        return self.model_copy(update=update)

    @property
    def training(self) -> Training:
        """The training that is carried out."""
        whole = self.config.training
        return whole if self.steps is None else whole.shortened(self.steps)


class Checkpoint(NamedTuple):
    """A run, the network it trains, how its steps run, and the values of its state."""

    run: Run
    spec: Spec
    execution: Execution
    values: dict[str, Any]


def described(pack: Pack) -> str:
    """The images of a pack, so that a change shows."""
    return f"{len(pack)} images, digest {pack.digest}"


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Puts a checkpoint in the place of the one before, once it is safely on disk.

    Raises:
        WorkError: it cannot be written; the one before is kept.
    """
    plain = {
        "format": _FORMAT,
        "run": checkpoint.run.model_dump_json(),
        "spec": checkpoint.spec.model_dump_json(),
        "execution": checkpoint.execution.model_dump_json(),
        "values": checkpoint.values,
    }
    with written_beside(path, path), replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(plain, file)


@contextmanager
def written_beside(path: Path, checkpoint: Path) -> Iterator[None]:
    """Turns a failure to write `path` into words that say what becomes of the last checkpoint.

    Raises:
        WorkError: it cannot be written.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch's writer turns the former into the latter
        kept = "the checkpoint before it is kept; make room and use --resume" if checkpoint.exists() else "make room"
        raise WorkError(f"{path}: cannot be written ({_reason(error)}); {kept}") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file, on the CPU.

    Raises:
        UsageError: none there, not a checkpoint, broken, or written by another version.
    """
    if not path.is_file():
        raise UsageError(f"{path}: nothing to resume; start without --resume")
    try:
        plain = read_torch_file(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or 'input error'}") from None
    except NotLoadable as found:
        raise refusal(path, found, _EXPECTED) from None
    if not isinstance(plain, dict) or "format" not in plain:
        raise UsageError(f"{path}: a file of torch.save that `nas-sr train` did not write; {_EXPECTED}")
    if plain["format"] != _FORMAT:
        raise UsageError(f"{path}: a checkpoint of format {plain['format']}, and this version reads {_FORMAT}")
    try:
        checkpoint = Checkpoint(
            run=Run.model_validate_json(plain["run"]),
            spec=parse_spec(json.loads(plain["spec"])),
            execution=Execution.model_validate_json(plain["execution"]),
            values=plain["values"],
        )
        if not {"network", "position"} <= checkpoint.values.keys():
            raise KeyError("values")
    except (KeyError, AttributeError, TypeError, ValueError, ValidationError, UsageError):
        raise UsageError(
            f"{path}: a checkpoint whose contents are not those of format {_FORMAT}; {_EXPECTED}"
        ) from None
    return checkpoint


def refuse_other(checkpoint: Checkpoint, run: Run, network: FamilyNetwork, path: Path) -> None:
    """Whether `run` of `network` may continue from a checkpoint.

    Raises:
        UsageError: it is of another network, config or set of images; the differences are listed.
    """
    refuse_other_network(checkpoint.spec, checkpoint.values["network"], network, path)
    changed = differences(_decisive(checkpoint.run), _decisive(run))
    if changed:
        raise UsageError(
            f"{path}: begun with another config or other images: {'; '.join(changed)}."
            " Undo that to resume, or begin anew with --overwrite instead of --resume"
        )


def refuse_other_network(spec: Spec, state: dict[str, Tensor], network: FamilyNetwork, path: Path) -> None:
    """Whether the file at `path`, which holds `state` of `spec`, is of this network.

    Raises:
        UsageError: it is not; the spec's and the parameters' differences are listed.
    """
    if spec.digest != network.spec.digest:
        fields = differences(spec.to_json(), network.spec.to_json())
        parameters = parameter_differences(state, network.state_dict())
        raise UsageError(f"{path}: of another network: {'; '.join(fields)}; {parameters}")


def refuse_unfinished(path: Path) -> None:
    """Whether a new training may replace the checkpoint at `path`.

    Raises:
        UsageError: it is of a training that has not come to its end, or cannot be read.
    """
    if path.is_file():
        try:
            checkpoint = read_checkpoint(path)
        except UsageError as error:
            raise UsageError(f"{error}; begin anew with --overwrite") from None
        done, steps = checkpoint.values["position"], checkpoint.run.training.steps
        if done < steps:
            raise UsageError(
                f"{path}: a training stopped at step {done} of {steps}; continue it with --resume,"
                " or begin anew with --overwrite"
            )


def refuse_full_disk(network: FamilyNetwork, validations: int, folder: Path) -> None:
    """Checks, before a training, that all it writes will have room.

    Raises:
        WorkError: it will not.
    """
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    checkpoint = 5 * weights  # network, averaged, best, and two for each weight in Adam
    needed = 2 * checkpoint + 4 * weights + validations * _VALIDATION_BYTES + 2**20
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WorkError(
            f"{folder}: not enough disk: {free / 1e6:.1f} MB free, {needed / 1e6:.1f} MB needed"
            f" (two checkpoints of {checkpoint / 1e6:.1f} MB, weights, TensorBoard's files)"
        )


def _decisive(run: Run) -> dict[str, Any]:
    values = flat(run.model_dump(mode="json"))
    return {key.removeprefix("config."): value for key, value in values.items() if key not in _FREE_TO_CHANGE}


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:120]
