"""What a checkpoint refuses, in words a user can act on, and that a failed write loses nothing."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

from nas_sr.config import FullTraining
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.train.checkpoint import (
    Checkpoint,
    Run,
    read_checkpoint,
    refuse_full_disk,
    refuse_other,
    refuse_unfinished,
    write_checkpoint,
)
from nas_sr.train.events import Saved, TrainingEvent
from nas_sr.train.execution import Execution
from nas_sr.train.session import carry_out
from nas_sr.train.state import TrainingState
from tests.train.quick import SPEC, TWO_PHASES, Told, job

RUN = Run(
    config=FullTraining(training=TWO_PHASES),
    data="photos",
    training_images="9 images, digest ab",
    validation_images="v",
)


def _checkpoint(position: int = 0) -> Checkpoint:
    state = TrainingState(build(SPEC, 0), TWO_PHASES, Execution())
    state.position = position
    return Checkpoint(RUN, SPEC, Execution(), state.values())


def _with(**phase: object) -> Run:
    first = TWO_PHASES.phases[0].model_copy(update=phase)
    training = TWO_PHASES.model_copy(update={"phases": (first, *TWO_PHASES.phases[1:])})
    return RUN.model_copy(update={"config": FullTraining(training=training)})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = _checkpoint(3)
    write_checkpoint(written, tmp_path / "c")
    found = read_checkpoint(tmp_path / "c")
    assert found[:3] == written[:3]
    assert found.values["position"] == 3
    assert all(torch.equal(value, written.values["network"][name]) for name, value in found.values["network"].items())


def test_same_run_may_go_on() -> None:
    refuse_other(_checkpoint(), RUN, build(SPEC), Path("c"))
    elsewhere = RUN.model_copy(update={"data": "moved"})
    free = FullTraining(training=TWO_PHASES.model_copy(update={"micro_batch": 1}), tensorboard=False)
    refuse_other(_checkpoint(), elsewhere.model_copy(update={"config": free}), build(SPEC), Path("c"))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (_with(learning_rate=0.5), ["training.phases.0.learning_rate was 0.001 and is now 0.5"]),
        (_with(loss="l1", ema=0.0), ["phases.0.ema was 0.9 and is now 0.0", "phases.0.loss was charbonnier"]),
        (RUN.model_copy(update={"steps": 5}), ["steps was None and is now 5"]),
        (
            RUN.model_copy(update={"training_images": "8 images, digest cd"}),
            ["training_images was 9 images, digest ab and is now 8 images, digest cd"],
        ),
        (
            RUN.model_copy(update={"config": FullTraining(data="x", training=TWO_PHASES)}),
            ["data was None and is now x"],
        ),
    ],
)
def test_another_config_is_refused_with_every_difference(run: Run, words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        refuse_other(_checkpoint(), run, build(SPEC), Path("last.ckpt"))
    for part in ["last.ckpt: begun with another", "Undo that to resume, or begin anew with --overwrite", *words]:
        assert part in str(raised.value)


def test_another_network_is_refused_with_the_parameters_that_differ() -> None:
    with pytest.raises(UsageError) as raised:
        refuse_other(_checkpoint(), RUN, build(ImdeceptionSpec(core=4, gidbs=1, depth=2, head=12)), Path("last.ckpt"))
    text = str(raised.value)
    assert "gidbs was 2 and is now 1" in text
    assert "head was 16 and is now 12" in text
    assert "parameters differ: head.weight (16x3x3x3, here 12x3x3x3), head.bias (16, here 12)" in text
    assert "gidbs.1" not in text  # three are named, and how many there are
    assert text.endswith(", ...")


def test_broken_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with pytest.raises(UsageError, match="nothing to resume"):
        read_checkpoint(path)
    write_checkpoint(_checkpoint(), path)
    whole = path.read_bytes()
    for broken in (whole[:-1000], b"", b"text"):
        path.write_bytes(broken)
        with pytest.raises(UsageError, match=r"expected is the last\.ckpt that a training has left"):
            read_checkpoint(path)
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(UsageError, match=r"expected is the last\.ckpt that a training has left"):
        read_checkpoint(path)
    torch.save({"position": 3, "training": "{}"}, path)
    with pytest.raises(UsageError, match=r"a file of torch\.save that `nas-sr train` did not write"):
        read_checkpoint(path)
    torch.save({"format": 99}, path)
    with pytest.raises(UsageError, match="of format 99, and this version reads"):
        read_checkpoint(path)


def test_unfinished_training_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c"
    refuse_unfinished(path)
    write_checkpoint(_checkpoint(position=TWO_PHASES.steps), path)
    refuse_unfinished(path)
    write_checkpoint(_checkpoint(position=7), path)
    with pytest.raises(UsageError, match=r"stopped at step 7 of 11; continue it with --resume, or .* --overwrite"):
        refuse_unfinished(path)
    path.write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"expected is the last.ckpt.*begin anew with --overwrite"):
        refuse_unfinished(path)


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, a write that goes beyond fails in the middle of the file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_write_that_fails_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(_checkpoint(3), path)
    with (
        _files_of_at_most(path.stat().st_size // 2),
        pytest.raises(WorkError, match=r"last\.ckpt: cannot be written \(.*\); the checkpoint before it is kept"),
    ):
        write_checkpoint(_checkpoint(4), path)
    assert read_checkpoint(path).values["position"] == 3
    assert list(tmp_path.iterdir()) == [path]


def test_training_goes_on_after_its_disk_was_full(tmp_path: Path) -> None:
    whole = Told(tmp_path / "whole")
    carry_out(job(), whole)

    class Filling(Told):
        def on_event(self, event: TrainingEvent) -> None:
            late = isinstance(event, Saved) and event.checkpoint.values["position"] >= 6
            with _files_of_at_most(1000 if late else resource.RLIM_INFINITY):
                super().on_event(event)

    filling = Filling(tmp_path / "part")
    with pytest.raises(WorkError, match="the checkpoint before it is kept; make room and use --resume"):
        carry_out(job(), filling)
    resumed = Told(tmp_path / "part")
    carry_out(job(checkpoint=read_checkpoint(tmp_path / "part")), resumed)
    assert resumed.began_at == 4
    assert resumed.losses == whole.losses[4:]
    assert read_checkpoint(tmp_path / "part").values["best_psnr_db"] == pytest.approx(
        read_checkpoint(tmp_path / "whole").values["best_psnr_db"], abs=0
    )


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_room_is_checked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(SPEC)
    refuse_full_disk(network, 100, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**9, 10**9, 2_000_000))
    refuse_full_disk(network, 0, tmp_path)
    with pytest.raises(WorkError, match=r"not enough disk: 2\.0 MB free, \d\d\.\d MB needed"):
        refuse_full_disk(network, 100, tmp_path)


def test_checkpoint_is_no_larger_than_what_is_checked_for(tmp_path: Path) -> None:
    told = Told(tmp_path / "c", stop_after=4)  # with Adam's state and an average
    try:
        carry_out(job(), told)
    except Exception:
        weights = sum(tensor.nbytes for tensor in build(SPEC).state_dict().values())
        assert weights < (tmp_path / "c").stat().st_size < 5 * weights + 100_000
    else:
        pytest.fail("it was not stopped")


def test_images_that_changed_in_a_worker_are_refused(tmp_path: Path) -> None:
    changed = job()
    changed = changed._replace(run=changed.run.model_copy(update={"training_images": "2 images, digest ef"}))
    with pytest.raises(UsageError, match="but the training is on 2 images, digest ef"):
        carry_out(changed, Told(tmp_path / "c"))
