"""What is in doubt is measured again, and the front in turn: with a target that says what it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nas_sr.config import StudyConfig
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.latency import Impossible, Latency
from nas_sr.measure.measurement import Measurement, Repeat
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile, profile
from nas_sr.search.finalists import finalise
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import read_latency, write_latency
from nas_sr.space import parse_space
from tests.report.study_records import measurement, prediction

SPACE = parse_space({"parameters": {"core": [2, 4, 6, 8], "gidbs": [2, 3]}}, Path("tiny.yaml"))


class Device:
    """In place of a Target: its latencies are those of a list, by trial, then of the next measurement."""

    def __init__(self, store: StudyStore, alone: dict[int, list[Any]], together: dict[int, float]) -> None:
        cpu = profile("cpu")
        self.profile: HardwareProfile = cpu.model_copy(
            update={"protocol": cpu.protocol.model_copy(update={"final_runs": 2})}
        )
        self._numbers = {trial.spec.digest: trial.number for trial in store.trials() if trial.repeats is None}
        self._alone, self._together, self._windows = alone, together, count()
        self.asked: list[tuple[int, ...]] = []

    def measured(self, spec: ImdeceptionSpec) -> Measurement:
        number = self._numbers[spec.digest]
        self.asked.append((number,))
        found = self._alone[number].pop(0)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    def measured_together(self, specs: Sequence[ImdeceptionSpec]) -> list[Measurement]:
        numbers = tuple(self._numbers[spec.digest] for spec in specs)
        self.asked.append(numbers)
        window = f"window {next(self._windows)}"
        failing = [number for number in numbers if number not in self._together]
        if failing:
            raise MeasurementFailed("candidate", f"no engine for {failing[0]}")
        return [_final(self._together[number], window) for number in numbers]


def _final(latency_ms: float, window: str) -> Measurement:
    repeats = tuple(
        Repeat(build=0, run=run, latency_ms=latency_ms, reference_latency_ms=10, relative_latency=latency_ms / 10)
        for run in range(2)
    )
    return measurement(latency_ms, spread=0.0, repeats=repeats, window=window)


def _store(folder: Path, *trials: tuple[float | None, Latency], **config: object) -> StudyStore:
    """A study of trials with this PSNR (None: ruled out) and latency."""
    store = StudyStore.create(folder / "study", StudyConfig.model_validate(config), {})
    for params in list(SPACE.architectures.values())[: len(trials)]:
        store.study.enqueue_trial(params)
    proposals = Proposals(store, SPACE)
    for psnr_db, latency in trials:
        proposal = proposals.ask()
        assert proposal is not None
        write_latency(store.latency_path(proposal.number, "cpu"), latency)
        state = "infeasible" if psnr_db is None else "complete"
        proposals.tell(proposal.number, Outcome(state, psnr_db, (latency.latency_ms,), "told"))
    return store


def _settled(store: StudyStore, device: Device, measure: str = "all") -> list[str]:
    told: list[str] = []
    finalise(store, device, measure, told.append)  # type: ignore[arg-type]
    return told


def _stable(latency_ms: float, **fields: object) -> Measurement:
    return measurement(latency_ms, spread=0.0, **fields)


def test_front_is_timed_in_turn_and_so_is_what_comes_onto_it(tmp_path: Path) -> None:
    store = _store(tmp_path, (26.0, _stable(10)), (26.5, _stable(20)), (26.4, _stable(20.3)), (26.1, _stable(30)))
    # Beside each other trial 1 turns out to be slower than trial 2, which was near the front.
    device = Device(store, {}, {0: 10.1, 1: 22.0, 2: 19.0, 3: 30.0})
    _settled(store, device)
    assert device.asked == [(0, 1, 2)]
    record = store.record()
    assert record.front == (0, 2, 1)
    assert {record.trial(number).latency.window for number in record.front} == {"window 0"}  # type: ignore[union-attr]
    # Nothing is left to do, by the same command or another.
    _settled(store, device)
    assert device.asked == [(0, 1, 2)]


def test_network_that_was_far_from_the_front_and_comes_onto_it_joins_the_others(tmp_path: Path) -> None:
    store = _store(tmp_path, (26.0, _stable(10)), (26.5, _stable(20)), (26.4, _stable(24)))
    device = Device(store, {}, {0: 10.0, 1: 30.0, 2: 24.0})
    _settled(store, device)
    assert device.asked == [(0, 1), (0, 1, 2)]
    assert store.record().front == (0, 2, 1)


def test_finalists_of_different_windows_are_timed_again_together(tmp_path: Path) -> None:
    """Each with its repeats, and yet their order is that of two moments."""
    store = _store(tmp_path, (26.0, _final(10, "one")), (26.5, _final(20, "another")))
    device = Device(store, {}, {0: 21.0, 1: 20.0})
    _settled(store, device)
    assert device.asked == [(0, 1)]
    assert store.record().front == (1,)


def test_unstable_latencies_are_taken_again_and_the_better_one_is_kept(tmp_path: Path) -> None:
    doubtful = {"stable": False, "labels": ("others computed", "samples spread")}
    store = _store(tmp_path, (26.0, _stable(10)), (25.9, _stable(11, **doubtful)), (25.8, _stable(12, **doubtful)))
    worse = _stable(99, stable=False, labels=("a", "b", "c"))
    device = Device(store, {1: [_stable(11.5)], 2: [worse]}, {0: 10, 1: 11.5, 2: 12})
    _settled(store, device)
    assert device.asked == [(1,), (2,), (0,)]
    kept = [read_latency(store.latency_path(number, "cpu")) for number in (1, 2)]
    assert [latency.latency_ms for latency in kept] == [11.5, 12]  # type: ignore[union-attr]
    # What is still in doubt is taken again by the same command.
    device = Device(store, {2: [_stable(12.5)]}, {})
    _settled(store, device)
    assert device.asked == [(2,)]


def test_network_that_an_unstable_latency_ruled_out_is_evaluated_once_it_is_not_too_slow(tmp_path: Path) -> None:
    doubtful = _stable(23, stable=False, labels=("others computed",))
    store = _store(tmp_path, (26.0, _stable(10)), (None, doubtful), (None, doubtful), max_latency_ms=20)
    assert Proposals(store, SPACE).again == []
    device = Device(store, {1: [_stable(19)], 2: [_stable(24)]}, {0: 10})
    _settled(store, device)
    proposals = Proposals(store, SPACE)
    assert (proposals.again, proposals.evaluated) == ([1], 2)
    one, two = store.record().trial(1), store.record().trial(2)
    assert (one.state, two.state) == ("interrupted", "infeasible")
    assert one.reason == "told; taken again it is 19.00 ms, so it is evaluated as another trial"
    assert two.reason == "told; taken again it is 24.00 ms"
    found = proposals.ask()
    assert found is not None
    assert found.spec == one.spec
    write_latency(store.latency_path(found.number, "cpu"), _stable(19))
    proposals.tell(found.number, Outcome("complete", 26.3, (19.0,)))
    assert Proposals(store, SPACE).again == []
    assert store.record().front == (0, found.number)


def test_reason_that_quotes_an_unstable_latency_says_so(tmp_path: Path) -> None:
    doubtful = _stable(23, stable=False, labels=("others computed",))
    store = _store(tmp_path, (26.0, doubtful), max_latency_ms=20)
    assert (
        store.record()
        .trial(0)
        .reason.startswith(
            "23.00 ms (not stable) on cpu is over the limit of 20 ms; it is measured again when the search ends"
        )
    )


def test_predicted_ones_are_measured_on_the_front_only_or_everywhere(tmp_path: Path) -> None:
    guess = prediction(30.0, error=0.001)
    store = _store(tmp_path, (26.0, prediction(10.0)), (25.0, guess))
    device = Device(store, {0: [_stable(9)], 1: [_stable(31)]}, {0: 9})
    _settled(store, device, "uncertain")
    assert device.asked == [(0,), (0,)]
    _settled(store, device, "all")
    assert device.asked == [(0,), (0,), (1,)]


def test_network_that_cannot_be_built_any_more_leaves_the_front_alone(tmp_path: Path) -> None:
    store = _store(tmp_path, (26.0, _stable(10)), (26.5, _stable(20)))
    device = Device(store, {}, {0: 10})
    told = _settled(store, device)
    assert device.asked == [(0, 1), (0,), (1,), (0,)]
    assert isinstance(read_latency(store.latency_path(1, "cpu")), Impossible)
    assert any("no engine for 1" in text for text in told)
    assert store.record().front == (0,)


@pytest.mark.parametrize("kind", ["device", "transient"])
def test_device_that_falls_silent_leaves_everything_as_it_was(tmp_path: Path, kind: Any) -> None:
    doubtful = _stable(11, stable=False, labels=("others computed",))
    store = _store(tmp_path, (26.0, _stable(10)), (25.9, doubtful))
    device = Device(store, {1: [MeasurementFailed(kind, "gone")]}, {0: 10})
    told = _settled(store, device)
    assert any("gone" in text for text in told)
    assert read_latency(store.latency_path(1, "cpu")) == doubtful
