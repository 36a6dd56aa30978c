from __future__ import annotations

import pytest

from nas_sr.device_program import protocol
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.messages import parse_message
from nas_sr.device_program.protocol import IN_A_ROW, Plan, measure

PLAN = Plan(warmup_s=0, warmup_iterations=2, seconds=0, iterations=40, reference_share=0.25, limit_s=1e9)


def _networks(candidate_ms: float, reference_ms: float):
    """Two networks that take no time but say they do, and the order in which they ran."""
    order: list[str] = []

    def named(name: str, milliseconds: float):
        def run() -> float:
            order.append(name)
            return milliseconds

        return lambda: run

    return named("c", candidate_ms), named("r", reference_ms), order


@pytest.mark.parametrize(("candidate_ms", "reference_ms"), [(10, 10), (10, 3), (3, 10), (1, 40), (40, 1)])
def test_reference_is_spread_over_the_whole_window(candidate_ms, reference_ms):
    candidate, reference, order = _networks(candidate_ms, reference_ms)
    (found,) = measure([candidate], reference, PLAN)["networks"]
    window = "".join(order)[-len(found["samples_ms"]) - len(found["reference_ms"]) :]
    assert window[0] == window[-1] == "r"
    assert found["reference_after"] == [window[:at].count("c") for at, who in enumerate(window) if who == "r"]
    halves = window[: len(window) // 2].count("r"), window[len(window) // 2 :].count("r")
    assert abs(halves[0] - halves[1]) <= 2
    # It takes no more than its share of the time, but for the runs at both ends.
    assert sum(found["reference_ms"]) <= 0.25 * sum(found["samples_ms"]) + 2 * reference_ms


def test_several_networks_are_run_in_turn_each_beside_the_reference():
    order: list[str] = []

    def load(name: str, milliseconds: float):
        def run() -> float:
            order.append(name)
            return milliseconds

        return lambda: run

    taken = measure([load("a", 10), load("b", 30), load("c", 2)], load("r", 8), PLAN)["networks"]
    assert {len(each["samples_ms"]) for each in taken} == {42}  # whole rounds, at least the iterations asked for
    assert [set(each["samples_ms"]) for each in taken] == [{10}, {30}, {2}]
    window = "".join(order)
    window = window[window.rindex("r" * PLAN.warmup_iterations) + PLAN.warmup_iterations - 1 :]
    for name, each in zip("abc", taken, strict=True):
        assert set(each["reference_ms"]) == {8}
        runs = [at for at, who in enumerate(window) if who == name]
        # Each runs so often in a row before another one, and the reference before and after is that next to it.
        assert all(runs[at + IN_A_ROW - 1] - runs[at] == IN_A_ROW - 1 for at in range(0, len(runs), IN_A_ROW))
        places = [at for at, who in enumerate(window) if who == "r"]
        counted = [window[:place].count(name) for place in places]
        beside = {
            each
            for at in runs
            for each in (max(place for place in places if place < at), min(place for place in places if place > at))
        }
        kept = [count for place, count in zip(places, counted, strict=True) if place in beside]
        assert each["reference_after"] == kept


def test_warm_up_is_not_among_the_samples():
    candidate, reference, order = _networks(10, 10)
    (found,) = measure([candidate], reference, PLAN)["networks"]
    assert len(found["samples_ms"]) == 40
    assert order.count("c") - 40 >= PLAN.warmup_iterations
    assert order.count("r") - len(found["reference_ms"]) >= PLAN.warmup_iterations


def test_window_begins_and_ends_with_a_look_at_the_machine():
    candidate, reference, _ = _networks(10, 10)
    first, *_, last = measure([candidate], reference, PLAN)["snapshots"]
    assert last["at_s"] >= first["at_s"]
    assert first.keys() == last.keys()


def test_network_too_slow_for_the_limit_is_refused_before_the_window():
    candidate, reference, order = _networks(1e6, 1)
    with pytest.raises(Failure, match="too slow to measure: one run takes 1000000 ms") as caught:
        measure([candidate], reference, PLAN._replace(limit_s=100))
    assert caught.value.kind == "candidate"
    assert order.count("c") < PLAN.iterations


def _broken(error: Exception):
    def load():
        raise error

    return load


def test_fault_is_the_failing_networks():
    candidate, reference, _ = _networks(1, 1)
    for arguments, kind in [
        ((_broken(ValueError("x")), reference), "candidate"),
        ((candidate, _broken(ValueError("x"))), "device"),
        ((_broken(MemoryError()), reference), "transient"),
        ((candidate, _broken(RuntimeError("Failed to allocate memory for requested buffer of size 8"))), "transient"),
    ]:
        with pytest.raises(Failure) as caught:
            measure([arguments[0]], arguments[1], PLAN)
        assert caught.value.kind == kind


def test_stage_is_said_before_what_may_hang(capsys):
    candidate, reference, _ = _networks(1, 1)
    protocol.measure([candidate], reference, PLAN)
    said = [parse_message(line) for line in capsys.readouterr().out.splitlines(keepends=True)]
    stages = [each["stage"] for each in said if each]
    assert stages == ["reference", "candidate", "warm-up", "window"]
