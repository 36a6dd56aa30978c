"""The hypervolume's reference point does not move, and its history is in the order of telling."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from nas_sr.search.hypervolume import Growth

BEGAN = datetime(2026, 1, 1)


def _trials(minutes: list[int]) -> list[FrozenTrial]:
    """Trials by number, all begun one after the other and told after these times."""
    trials = []
    for number, minute in enumerate(minutes):
        trial = optuna.trial.create_trial(values=[0.0, 0.0])
        trial.number = number
        trial.datetime_start = BEGAN + timedelta(seconds=number)
        trial.datetime_complete = BEGAN + timedelta(minutes=minute)
        trial.state = TrialState.COMPLETE
        trials.append(trial)
    return trials


def test_history_is_in_the_order_of_telling() -> None:
    """Trial 0 begins first and takes longest."""
    points = {0: (27.0, 10.0), 1: (26.0, 10.0), 2: (26.5, 10.0)}
    growth = Growth(_trials([30, 10, 20]), points, 25.0, {"latency_ms": 20.0}, None)
    assert growth.history == ((1, 10.0), (2, 15.0), (0, 20.0))


@given(
    points=st.lists(st.tuples(st.floats(20, 30), st.floats(1, 100)), min_size=2, max_size=12),
    limit_ms=st.none() | st.floats(5, 50),
    reference_ms=st.none() | st.floats(5, 50),
    bicubic_db=st.none() | st.floats(20, 25),
    data=st.data(),
)
def test_reference_and_history_so_far_stay_as_a_study_grows(
    points: list[tuple[float, float]],
    limit_ms: float | None,
    reference_ms: float | None,
    bicubic_db: float | None,
    data: st.DataObject,
) -> None:
    trials = _trials(data.draw(st.permutations(range(len(points)))))
    in_order = sorted(trials, key=lambda trial: trial.datetime_complete or BEGAN)
    limits = {} if limit_ms is None else {"latency_ms": limit_ms}
    seen: tuple[tuple[int, float], ...] = ()
    references = set()
    for count in range(1, len(points) + 1):
        known = sorted(in_order[:count], key=lambda trial: trial.number)
        growth = Growth(
            known, {trial.number: points[trial.number] for trial in known}, bicubic_db, limits, reference_ms
        )
        references.add(growth.reference)
        assert growth.history[: len(seen)] == seen
        seen = growth.history
    assert len(references) == 1
    assert [number for number, _ in seen] == [trial.number for trial in in_order]


def test_latency_of_the_reference_point() -> None:
    trials, points = _trials([1, 2]), {0: (26.0, 30.0), 1: (27.0, 50.0)}
    assert Growth(trials, points, 25.0, {"latency_ms": 40.0}, 12.0).reference == (25.0, 40.0)
    assert Growth(trials, points, 25.0, {}, 12.0).reference == (25.0, 48.0)
    assert Growth(trials, points, 25.0, {}, None).reference == (25.0, 60.0)
    assert Growth([], {}, None, {}, None).reference == (0.0, 0.0)
