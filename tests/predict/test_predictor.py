from __future__ import annotations

import math
import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import preset
from nas_sr.measure.device_facts import Facts
from nas_sr.predict.predictor import Predictor
from nas_sr.predict.roofline import Roofline
from nas_sr.space import read_space
from tests.measure.specs import specs

CPU = Roofline(96, 96, "fp32")
GPU = Roofline(256, 512, "fp16", Facts(fp16_tflops=80.5, bandwidth_gb_s=448))
PAPER = [spec for name, spec in IMDECEPTION.presets.items() if name != "imdeception-c16"]


def members(n: int, seed: int) -> list[ImdeceptionSpec]:
    """Networks of the shipped space."""
    space, random_ = read_space("imdeception_x4"), random.Random(seed)
    drawn = [{key: random_.choice(space.values(key)) for key in space.parameters} for _ in range(2 * n)]
    return list({space.spec(params).digest: space.spec(params) for params in drawn}.values())[:n]


def device(
    specs: list[ImdeceptionSpec], roofline: Roofline, tile: int, *, noise: float = 0.0, seed: int = 0
) -> list[float]:
    """Latencies of a made-up device that obeys the roofline, but for some noise."""
    slower = np.array([3.0, 0.0, 5.0, 4.0, 0.1, 0.3, 0.02, 0.5, 0.05])
    clean = [float(np.array(roofline.terms(spec, tile)) @ slower) for spec in specs]
    return [value * math.exp(noise * each) for value, each in zip(clean, _normal(len(specs), seed), strict=True)]


def _normal(n: int, seed: int) -> list[float]:
    return list(np.random.default_rng(seed).standard_normal(n))


def predictor(specs: list[ImdeceptionSpec], latencies_ms: list[float], roofline: Roofline = CPU) -> Predictor:
    return Predictor(
        target="made-up", source="made up", digest="0", specs=specs, latencies_ms=latencies_ms, roofline=roofline
    )


@pytest.mark.parametrize("tile", [1, 8, 16])
def test_device_that_obeys_the_roofline_is_found_out(tile: int) -> None:
    known, others = members(24, seed=1), members(60, seed=2)
    found = predictor(known, device(known, CPU, tile))
    assert found.tile == tile
    wrong = [
        abs(found.predict(spec).latency_ms / latency_ms - 1)
        for spec, latency_ms in zip(others, device(others, CPU, tile), strict=True)
    ]
    assert max(wrong) < 0.05
    assert np.mean(wrong) < 0.01


def test_interval_holds_what_it_promises() -> None:
    """Over many calibrations of a noisy device with 20 points, 80 % of other networks lie inside."""
    others = members(60, seed=99)
    inside = []
    for seed in range(8):
        known = members(20, seed=seed)
        found = predictor(known, device(known, CPU, 8, noise=0.06, seed=seed))
        truth = device(others, CPU, 8, noise=0.06, seed=100 + seed)
        for spec, latency_ms in zip(others, truth, strict=True):
            predicted = found.predict(spec)
            inside.append(predicted.low_ms <= latency_ms <= predicted.high_ms)
    assert 0.7 <= np.mean(inside) <= 0.9


def test_few_points_make_a_wide_interval_even_where_they_agree() -> None:
    few = predictor(PAPER, device(PAPER, GPU, 8), GPU).predict(PAPER[0])
    known = members(40, seed=5)
    many = predictor(known, device(known, GPU, 8), GPU).predict(known[0])
    assert few.high_ms / few.low_ms > 1.25
    assert many.high_ms / many.low_ms < math.sqrt(few.high_ms / few.low_ms)


def test_far_from_few_points_the_interval_is_much_wider_and_says_why() -> None:
    found = predictor(PAPER, [17.7, 19.0, 9.9, 9.8, 9.2], GPU)
    near, far = found.predict(preset("imdeception-c16")), found.predict(ImdeceptionSpec(core=16, groups=1, gidbs=3))
    assert math.log(far.high_ms / far.low_ms) > 2 * math.log(near.high_ms / near.low_ms)
    assert not any("outside" in label for label in near.labels)
    assert far.labels[-1] == (
        "outside the calibrated networks: groups 1 (calibrated with 4), gidbs 3 (calibrated with 6)"
    )


def test_few_points_leave_arithmetic_at_the_peak() -> None:
    found = predictor(PAPER, [17.7, 19.0, 9.9, 9.8, 9.2], GPU)
    assert found.coefficients["grouped"] == found.coefficients["spatial"] == 1
    assert found.coefficients["traffic"] == found.coefficients["copies"] > 1
    unknown = predictor(PAPER, [17.7, 19.0, 9.9, 9.8, 9.2], GPU._replace(facts=None))
    assert unknown.coefficients["grouped"] == 0


def test_points_may_lie_twice_in_one_place() -> None:
    # Attention after another GIDB is another network at the same coordinates.
    known = [*members(12, seed=3), *(ImdeceptionSpec(core=8, nla_after=(after,)) for after in (1, 2, 3, 4, 5))]
    predicted = predictor(known, device(known, CPU, 8, noise=0.03)).predict(known[-1])
    assert 0 < predicted.low_ms < predicted.latency_ms < predicted.high_ms < math.inf


KNOWN = members(20, seed=7)
CALIBRATED = {
    "twenty": predictor(KNOWN, device(KNOWN, CPU, 16, noise=0.05)),
    "five": predictor(PAPER, [88.9, 98.9, 51.1, 44.7, 41.9], GPU),
}


@pytest.mark.parametrize("name", CALIBRATED)
@settings(deadline=None)
@given(spec=specs())
def test_any_network_has_a_positive_latency_inside_its_interval(name: str, spec: ImdeceptionSpec) -> None:
    predicted = CALIBRATED[name].predict(spec)
    assert 0 < predicted.low_ms < predicted.latency_ms < predicted.high_ms < math.inf
    assert predicted == CALIBRATED[name].predict(spec)
    assert predicted.network == spec.digest
    assert predicted.kind == "predicted"


def _width(found: Predictor, spec: ImdeceptionSpec) -> float:
    predicted = found.predict(spec)
    return predicted.high_ms / predicted.low_ms


AT_POINTS = {
    name: max(_width(found, spec) for spec in (KNOWN if name == "twenty" else PAPER))
    for name, found in CALIBRATED.items()
}


@pytest.mark.parametrize("name", CALIBRATED)
@settings(deadline=None)
@given(spec=specs())
def test_interval_is_never_narrower_outside_the_points_than_at_them(name: str, spec: ImdeceptionSpec) -> None:
    if any("outside" in label for label in CALIBRATED[name].predict(spec).labels):
        assert _width(CALIBRATED[name], spec) >= AT_POINTS[name]


@pytest.mark.parametrize("name", CALIBRATED)
@settings(deadline=None, max_examples=10)
@given(gidbs=st.integers(8, 15))
def test_interval_widens_with_the_distance(name: str, gidbs: int) -> None:
    widths = [_width(CALIBRATED[name], ImdeceptionSpec(core=16, gidbs=each)) for each in (gidbs, 2 * gidbs)]
    assert widths[0] <= widths[1]


@pytest.mark.parametrize("factor", [1e-3, 7.7, 1e3])
def test_a_device_that_is_slower_throughout_is_predicted_slower(factor: float) -> None:
    latencies_ms = device(KNOWN, CPU, 16, noise=0.05)
    slower = predictor(KNOWN, [factor * each for each in latencies_ms]).predict(preset("imdeception-c8"))
    usual = CALIBRATED["twenty"].predict(preset("imdeception-c8"))
    assert slower.latency_ms == pytest.approx(factor * usual.latency_ms)
    assert slower.high_ms == pytest.approx(factor * usual.high_ms)


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(20)))
def test_the_order_of_the_points_does_not_matter(order: list[int]) -> None:
    latencies_ms = device(KNOWN, CPU, 16, noise=0.05)
    mixed = predictor([KNOWN[i] for i in order], [latencies_ms[i] for i in order])
    spec = preset("imdeception-c12")
    assert mixed.predict(spec).latency_ms == pytest.approx(CALIBRATED["twenty"].predict(spec).latency_ms)
    assert mixed.predict(spec).low_ms == pytest.approx(CALIBRATED["twenty"].predict(spec).low_ms)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.01, 1e4), min_size=5, max_size=12), st.randoms(use_true_random=False))
def test_points_that_make_no_sense_still_give_positive_latencies(
    latencies_ms: list[float], random_: random.Random
) -> None:
    known = random_.sample(KNOWN, len(latencies_ms))
    predicted = predictor(known, latencies_ms).predict(preset("imdeception-c8"))
    assert 0 < predicted.low_ms <= predicted.latency_ms <= predicted.high_ms < math.inf


def test_summary_has_the_keys_that_a_reader_expects() -> None:
    summary = CALIBRATED["five"].predict(preset("imdeception-c8")).summary()
    assert summary["kind"] == "predicted"
    assert summary["stable"] is None
    assert summary["level"] == 0.8
    assert summary["calibration"]["points"] == 5
    assert summary["low_ms"] < summary["latency_ms"] < summary["high_ms"]
    assert "calibrated with 5 networks (made up)" in summary["labels"][0]


@pytest.mark.parametrize(("points", "noise"), [(5, 0.05), (8, 0.08), (20, 0.1)])
def test_hardly_any_network_is_faster_than_its_bound(points: int, noise: float) -> None:
    """95 % of networks that the calibration has not seen take at least `bound_ms`: it may rule a network out."""
    held = total = 0
    for seed in range(4):
        known, others = members(points, seed=seed), members(40, seed=100 + seed)
        found = predictor(known, device(known, CPU, 8, noise=noise, seed=seed))
        predicted = [found.predict(spec) for spec in others]
        measured = device(others, CPU, 8, noise=noise, seed=1000 + seed)
        assert all(each.bound_ms < each.low_ms < each.latency_ms for each in predicted)
        held += sum(ms >= each.bound_ms for ms, each in zip(measured, predicted, strict=True))
        total += len(others)
    assert held / total >= 0.95


def test_prediction_compares_with_what_is_measured_when_the_reference_is_known() -> None:
    known = members(12, seed=1)
    make = partial(
        Predictor, target="made-up", source="made up", digest="0", specs=known, roofline=CPU,
        latencies_ms=device(known, CPU, 8),
    )  # fmt: skip
    here = make(reference_ms=10.0).predict(known[0])
    twice = here.relative_to(20.0)
    for name in ("latency_ms", "low_ms", "high_ms", "bound_ms"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(here, name))
    assert twice.relative_to(20.0) == twice
    unknown = make().predict(known[0])
    assert unknown.relative_to(20.0) == unknown
