"""A training that is made longer equals one that was that long from the start, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas_sr.config import Cosine, Phase, Training, WarmupConstantDecay
from nas_sr.data.image_sets import ImageSets
from nas_sr.errors import UsageError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.records import CurvePoint
from nas_sr.train import rungs
from nas_sr.train.execution import Execution
from nas_sr.train.rungs import at_rung, begin_rung, branch_step, train_rung
from nas_sr.train.schedules import learning_rate
from nas_sr.train.state import TrainingState
from tests.train.quick import SPEC, demonstration

EXECUTION = Execution()
FIRST = Training(
    phases=(Phase(steps=8, batch=2, crop_lr=16, validate_every=3, schedule=WarmupConstantDecay(warmup=0.25)),), seed=5
)


@pytest.fixture(scope="module")
def sets() -> ImageSets:
    return demonstration()


def _trained(
    sets: ImageSets, kept: Path, steps: int, stop_at: int | None = None
) -> tuple[TrainingState, str, list[CurvePoint]]:
    """To the end of a rung, or killed before that step."""

    class Killed(Exception):
        pass

    def between_steps() -> None:
        if state.position == stop_at:
            raise Killed

    state, why = begin_rung(build(SPEC, 5), FIRST, steps, EXECUTION, sets.train, kept)
    points = []
    try:
        # What is kept before a step is kept after `between_steps`: one killed at the branch has not kept it yet.
        for point in train_rung(state, sets.train, _brightness, kept, between_steps):
            points.append(point)
    except Killed:
        pass
    return state, why, points


def _brightness(network: torch.nn.Module) -> float:
    """A validation that costs nothing and differs at every step."""
    return float(sum(parameter.detach().sum() for parameter in network.parameters()))


def _values(state: TrainingState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state.network.state_dict().items()}


def _assert_equal(state: TrainingState, other: TrainingState) -> None:
    for mine, theirs in ((_values(state), _values(other)), (state.best, other.best)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert state.best_psnr_db == other.best_psnr_db
    assert (state.position, state.losses) == (other.position, other.losses)


def test_each_rung_equals_an_uninterrupted_training_of_its_length(sets: ImageSets, tmp_path: Path) -> None:
    steps_done = []
    for steps in (8, 12, 24):
        climbed, why, points = _trained(sets, tmp_path / "kept.ckpt", steps)
        assert not why
        alone, _, all_points = _trained(sets, tmp_path / f"{steps}.ckpt", steps)
        _assert_equal(climbed, alone)
        # The mean losses of the points too: those of the shared part were shown by an earlier rung.
        assert [point[:3] for point in points] == [point[:3] for point in all_points][-len(points) :]
        steps_done.append(points[-1].step)
    assert steps_done == [8, 12, 24]


@pytest.mark.parametrize("stop_at", [2, 6, 7, 12, 13, 20])
def test_rung_killed_anywhere_ends_the_same(
    sets: ImageSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    monkeypatch.setattr(rungs, "_KEEP_EVERY", 5)
    kept = tmp_path / "kept.ckpt"
    _trained(sets, kept, 8)
    _trained(sets, kept, 24, stop_at)
    state, why, _ = _trained(sets, kept, 24)
    assert not why
    _assert_equal(state, _trained(sets, tmp_path / "alone.ckpt", 24)[0])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "cut short or broken"),
        (lambda path: path.write_bytes(b""), "kept.ckpt: "),
        (lambda path: torch.save({"format": 1}, path), "not a state of a rung"),
    ],
)
def test_damaged_state_begins_anew_and_says_so(sets: ImageSets, tmp_path: Path, damage, said: str) -> None:  # type: ignore[no-untyped-def]
    kept = tmp_path / "kept.ckpt"
    _trained(sets, kept, 8)
    damage(kept)
    state, why, points = _trained(sets, kept, 12)
    assert said in why
    _assert_equal(state, _trained(sets, tmp_path / "alone.ckpt", 12)[0])
    assert points[0].step == 3


def test_state_of_something_else_is_not_continued(sets: ImageSets, tmp_path: Path) -> None:
    kept = tmp_path / "kept.ckpt"
    _trained(sets, kept, 8)
    other = ImdeceptionSpec(core=4, gidbs=2, depth=2, head=16)
    state, why = begin_rung(build(other, 5), FIRST, 12, EXECUTION, sets.train, kept)
    assert (state.position, "of another network" in why) == (0, True)
    seed = FIRST.model_copy(update={"seed": 6})
    state, why = begin_rung(build(SPEC, 5), seed, 12, EXECUTION, sets.train, kept)
    assert (state.position, "of another training" in why) == (0, True)
    channels_last = Execution(memory_format="channels_last")
    assert "of another execution" in begin_rung(build(SPEC, 5), FIRST, 12, channels_last, sets.train, kept)[1]
    assert "of another images" in begin_rung(build(SPEC, 5), FIRST, 12, EXECUTION, sets.val, kept)[1]
    _, why = begin_rung(build(SPEC, 5), FIRST, 4, EXECUTION, sets.train, kept)
    assert "it is at step 4, where 4 steps already decay" in why


@pytest.mark.parametrize("decay", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("first", [7, 800])
def test_rates_before_the_branch_are_those_of_every_longer_rung(decay: float, first: int) -> None:
    training = Training(phases=(Phase(steps=first, schedule=WarmupConstantDecay(warmup=0.05, decay=decay)),))
    branch, before = 0, []
    for steps in (first, 3 * first, 10 * first):
        rung = at_rung(training, steps)
        rates = [learning_rate(rung.phases[0], step) for step in range(steps)]
        assert rates[:branch] == before
        branch = branch_step(rung)
        before = rates[:branch]
        assert branch == pytest.approx(steps * (1 - decay), abs=1)
        assert rates[branch] < rung.phases[0].learning_rate == rates[branch - 1]


def test_first_rung_is_the_studys_training() -> None:
    training = Training(phases=(Phase(steps=800),))
    plain = [learning_rate(training.phases[0], step) for step in range(800)]
    assert [learning_rate(at_rung(training, 800).phases[0], step) for step in range(800)] == pytest.approx(plain)


def test_schedules_without_a_constant_part_have_no_rungs() -> None:
    with pytest.raises(UsageError, match="warmup_constant_decay, but got cosine"):
        at_rung(Training(phases=(Phase(steps=8, schedule=Cosine()),)), 16)
    with pytest.raises(UsageError, match="one phase"):
        at_rung(Training(phases=(Phase(steps=8), Phase(steps=8))), 16)
