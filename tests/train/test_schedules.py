"""Learning rates at the places that matter, for every schedule."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.config import Cosine, Knee, OneCycle, Phase, Schedule, WarmupConstantDecay
from nas_sr.train.recipes import paper_training
from nas_sr.train.schedules import learning_rate, share_of_maximum


def test_papers_knee_epoch_by_epoch() -> None:
    phase = paper_training(4, None, None, 128).training.phases[0]
    epoch = 800

    def at(epochs: float) -> float:
        return learning_rate(phase, round(epochs * epoch) - 1)

    assert at(5) == pytest.approx(0.25e-3)  # half-way through the warm-up
    assert at(10) == pytest.approx(0.5e-3)
    assert at(410) == pytest.approx(0.5e-3)
    assert at(610) == pytest.approx(0.5e-3 * (1 + 0.01) / 2, rel=1e-3)  # half-way through the cooldown
    assert at(810) == pytest.approx(0.5e-5, rel=1e-2)
    assert at(2000) == pytest.approx(0.5e-5)


def test_what_follows_the_knee_is_a_choice() -> None:
    phase = Phase(steps=1000, learning_rate=1.0)

    def rates(after: str) -> list[float]:
        knee = Knee.model_validate({"warmup": 0.1, "hold": 0.2, "cooldown": 0.2, "final": 0.0, "after": after})
        return [learning_rate(phase.model_copy(update={"schedule": knee}), step) for step in range(1000)]

    assert rates("floor")[600] == 0
    assert rates("restart")[699] == pytest.approx(1.0)
    stretched = rates("stretch")
    assert stretched[199] == pytest.approx(1.0)
    assert stretched[599] == pytest.approx(1.0)
    assert stretched[799] == pytest.approx(0.5)
    assert stretched[-1] == pytest.approx(0.0)


def test_cosine_warms_up_and_ends_at_its_final_rate() -> None:
    phase = Phase(steps=300, learning_rate=1e-3, schedule=Cosine(warmup=1 / 6, final=0.1))
    assert learning_rate(phase, 0) == pytest.approx(1e-3 / 50)
    assert learning_rate(phase, 49) == pytest.approx(1e-3)
    assert learning_rate(phase, 299) == pytest.approx(1e-4)


def test_one_cycle_rises_and_falls() -> None:
    phase = Phase(steps=100, learning_rate=1e-3, schedule=OneCycle(warmup=0.3, initial=0.04, final=1e-4))
    assert learning_rate(phase, 14) == pytest.approx(1e-3 * (1 + 0.04) / 2)
    assert learning_rate(phase, 29) == pytest.approx(1e-3)
    assert learning_rate(phase, 99) == pytest.approx(1e-7)
    torchs = torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.SGD([torch.zeros(1)], 1.0),
        max_lr=1e-3, total_steps=101, pct_start=31 / 101, div_factor=25, final_div_factor=1e4 / 25,
    )  # fmt: skip
    for step in range(100):
        torchs.optimizer.step()
        torchs.step()
        assert learning_rate(phase, step) == pytest.approx(torchs.get_last_lr()[0], rel=1e-6)


def test_warmup_constant_decay_has_three_parts() -> None:
    phase = Phase(steps=100, learning_rate=1.0, schedule=WarmupConstantDecay(warmup=0.1, decay=0.2, final=0.1))
    rates = [learning_rate(phase, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[9:80] == pytest.approx([1.0] * 71)
    assert rates[89] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.1)


def test_parts_that_do_not_fit_are_refused() -> None:
    for parts, words in [
        ({"warmup": 0.5, "hold": 0.5, "cooldown": 0.1}, "at most 1 .the phase., but got 1.1"),
        ({"warmup": 0, "hold": 0, "cooldown": 0, "after": "restart"}, "more than 0"),
    ]:
        with pytest.raises(ValueError, match=words):
            Knee.model_validate(parts)
    assert Knee.model_validate({"warmup": 0.5, "hold": 0.5, "cooldown": 0.1, "after": "stretch"})
    with pytest.raises(ValueError, match=r"at most 1, but got 1\.2"):
        WarmupConstantDecay(warmup=0.6, decay=0.6)


PART = st.floats(0.01, 0.3)
SHARE = st.floats(0, 1)
KNEES = st.builds(Knee, warmup=PART, hold=PART, cooldown=PART, final=SHARE, after=st.sampled_from(["floor", "stretch"]))
RESTARTING = st.builds(Knee, warmup=PART, hold=PART, cooldown=PART, final=SHARE, after=st.just("restart"))
SCHEDULES = st.one_of(
    st.builds(Cosine, warmup=st.floats(0.01, 0.9), final=SHARE),
    KNEES,
    st.builds(OneCycle, warmup=st.floats(0.01, 0.9), initial=SHARE, final=SHARE),
    st.builds(WarmupConstantDecay, warmup=st.floats(0.01, 0.5), decay=st.floats(0.01, 0.5), final=SHARE),
)


@given(schedule=SCHEDULES | RESTARTING, steps=st.integers(1, 500), maximum=st.floats(1e-6, 1))
def test_rate_stays_between_zero_and_the_maximum(schedule: Schedule, steps: int, maximum: float) -> None:
    phase = Phase(steps=steps, learning_rate=maximum, schedule=schedule)
    for step in range(steps):
        assert 0 <= learning_rate(phase, step) <= maximum * (1 + 1e-9)


@given(schedule=SCHEDULES, done=SHARE, further=st.floats(0, 1e-3))
def test_rate_has_no_jumps(schedule: Schedule, done: float, further: float) -> None:
    """Nothing is steeper than half a cosine over the shortest part, a hundredth of the phase."""
    steepest = 100 * math.pi / 2
    later = min(1.0, done + further)
    change = share_of_maximum(schedule, later) - share_of_maximum(schedule, done)
    assert abs(change) <= steepest * (later - done) + 1e-9


@given(schedule=SCHEDULES)
def test_maximum_and_end_are_reached(schedule: Schedule) -> None:
    top = schedule.warmup
    if isinstance(schedule, Knee) and schedule.after == "stretch":
        top /= schedule.warmup + schedule.hold + schedule.cooldown
    assert share_of_maximum(schedule, top) == pytest.approx(1)
    assert share_of_maximum(schedule, 1.0) == pytest.approx(schedule.final)
    begin = schedule.initial if isinstance(schedule, OneCycle) else 0
    assert share_of_maximum(schedule, 0.0) == pytest.approx(begin)


@given(schedule=RESTARTING, cycle=st.integers(1, 3), place=st.floats(0.01, 0.99))
def test_restarted_knee_repeats(schedule: Knee, cycle: int, place: float) -> None:
    length = schedule.warmup + schedule.hold + schedule.cooldown
    again = (cycle + place) * length
    if again <= 1:
        assert share_of_maximum(schedule, again) == pytest.approx(share_of_maximum(schedule, place * length), abs=1e-6)
