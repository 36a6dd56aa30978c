from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from nas_sr.errors import UsageError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure import latency_cache
from nas_sr.measure.latency_cache import (
    cached,
    cached_or_measured,
    cached_or_measured_file,
    measured_together,
    usual_reference_ms,
)
from tests.onnx_files import BYTES, HALF, OPEN_LAST, enlarger, saved
from tests.own_cache import use_own_cache

CASES = Path(__file__).parents[3] / "shared" / "cases" / "onnx"
SMALL = ImdeceptionSpec(core=4, gidbs=2, depth=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    use_own_cache(tmp_path / "cache", monkeypatch, (16, 24), (8, 12))


@pytest.fixture
def measured(monkeypatch):
    """Digests that were really measured, in order."""
    digests = []
    original = latency_cache.measure

    def counted(networks, *args, **kwargs):
        digests.extend(network.digest for network in networks)
        return original(networks, *args, **kwargs)

    monkeypatch.setattr(latency_cache, "measure", counted)
    return digests


def test_same_network_on_same_target_is_measured_once(quick, measured):
    first = cached_or_measured(SMALL, quick())
    renamed = SMALL.model_copy(update={"groups": 4})
    assert cached_or_measured(renamed, quick()) == first
    assert measured == [SMALL.digest]
    assert cached(SMALL.digest, quick()) == first


def test_what_changes_the_figure_makes_a_new_measurement(quick, measured, monkeypatch):
    cached_or_measured(SMALL, quick())
    assert cached(SMALL.digest, quick(iterations=9)) is None
    assert cached(SMALL.digest, quick().model_copy(update={"threads": 2})) is None
    assert cached(SMALL.digest, quick().model_copy(update={"title": "only words"})) is not None
    with monkeypatch.context() as patch:
        patch.setattr(latency_cache, "machine", lambda: {"cpu": "another", "cores": 2, "architecture": "x86_64"})
        assert cached(SMALL.digest, quick()) is None
    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "__version__", "0.0.1")
        assert cached(SMALL.digest, quick()) is None


def test_another_reference_network_makes_a_new_measurement(quick, measured, relu_onnx, monkeypatch):
    cached_or_measured(SMALL, quick())
    monkeypatch.setattr(latency_cache, "reference_onnx", lambda height, width: relu_onnx)
    assert cached(SMALL.digest, quick()) is None


def test_usual_reference_is_that_of_the_latest_measurements(quick, relu_onnx, monkeypatch):
    profile = quick()
    taken = cached_or_measured_file(relu_onnx, profile)
    monkeypatch.setattr(latency_cache, "MOST_FOR_USUAL", 3)
    for number in range(6):  # slower and slower
        later = {"reference_ms": (float(10 + number),) * 3, "measured_at": f"2999-01-0{number + 1}T00:00:00+00:00"}
        path = latency_cache._target_folder(profile) / f"{number}.json"
        latency_cache.write_json(path, taken.model_copy(update=later).model_dump(mode="json"))
    assert usual_reference_ms(profile) == 14


def test_doubtful_measurement_does_not_replace_a_stable_one(quick, measured):
    stable = cached_or_measured(SMALL, quick())
    latency_cache._keep(stable.model_copy(update={"stable": False}), quick())
    assert cached(SMALL.digest, quick()) == stable


def test_networks_measured_together_are_known_to_other_studies(quick, measured):
    specs = [SMALL, SMALL.model_copy(update={"core": 8})]
    first, second = measured_together(specs, quick(final_runs=2))
    assert cached(specs[1].digest, quick(final_runs=2)) == second
    assert first.window == second.window
    assert len(first.repeats) == 2
    assert measured_together(specs, quick(final_runs=2))[0].window != first.window  # always taken now


def test_unstable_measurement_is_not_used_again(quick, measured):
    never = quick(max_iqr=1e-12)
    assert not cached_or_measured(SMALL, never).stable
    cached_or_measured(SMALL, never)
    assert len(measured) == 2


def test_damaged_file_is_measured_again(quick, measured, tmp_path):
    cached_or_measured(SMALL, quick())
    (path,) = (tmp_path / "cache" / "latency").glob("*/*.json")
    path.write_text("{}")
    cached_or_measured(SMALL, quick())
    assert len(measured) == 2


def test_usual_reference_needs_some_measurements_of_a_quiet_device(quick, relu_onnx):
    profile = quick(max_foreign_cpu=0.5)
    taken = cached_or_measured_file(relu_onnx, profile)
    folder = latency_cache._target_folder(profile)

    def kept(name, slowness, foreign_cpu):
        slower = taken.model_copy(
            update={
                "reference_ms": tuple(slowness * each for each in taken.reference_ms),
                "conditions": {**taken.conditions, "foreign_cpu": foreign_cpu},
            }
        )
        latency_cache.write_json(folder / f"{name}.json", slower.model_dump(mode="json"))

    kept(taken.network, 1, foreign_cpu=0)
    for name in "abc":
        kept(name, 20, foreign_cpu=1.9)
    assert usual_reference_ms(profile) is None
    kept("d", 2, foreign_cpu=0)
    kept("e", 3, foreign_cpu=None)
    assert usual_reference_ms(profile) == pytest.approx(2 * taken.reference_latency_ms)


def test_file_is_measured_at_its_own_size_or_the_profiles(quick, relu_onnx, static_onnx):
    dynamic = cached_or_measured_file(relu_onnx, quick())
    static = cached_or_measured_file(static_onnx, quick())
    assert (dynamic.lr_height, dynamic.lr_width) == (16, 24)
    assert (static.lr_height, static.lr_width) == (8, 12)
    assert dynamic.network != static.network


@pytest.mark.parametrize(
    ("made", "layout", "size", "dtype"),
    [
        ({"shape": OPEN_LAST, "last": True}, "nhwc", (16, 24), "fp32"),
        ({"shape": (-1, 3, 0, -1)}, "nchw", (16, 24), "fp32"),
        ({"shape": (1, 8, 12, 3), "last": True, "kind": BYTES}, "nhwc", (8, 12), "uint8"),
        ({"shape": ("b", 3, 8, "w"), "kind": HALF}, "nchw", (8, 24), "fp16"),
    ],
)
def test_file_is_timed_as_what_it_is_and_says_so(quick, measured, tmp_path, made, layout, size, dtype):
    path = saved(enlarger(**made), tmp_path / "n.onnx", beside=True)
    found = cached_or_measured_file(path, quick())
    assert (found.layout, (found.lr_height, found.lr_width), found.dtype) == (layout, size, dtype)
    summary = found.summary()
    assert [summary[key] for key in ("layout", "lr_height", "lr_width", "dtype")] == [layout, *size, dtype]
    assert cached_or_measured_file(path, quick(), layout=layout) == found
    assert len(measured) == 1


def test_figure_is_never_that_of_another_reading_of_the_file(quick, measured, tmp_path):
    """A file that can be read either way has a figure for each; other weights beside it are another network."""
    square = enlarger((1, 3, "w", 3))
    path = saved(square, tmp_path / "n.onnx", beside=True)
    with pytest.raises(UsageError, match="--layout nchw"):
        cached_or_measured_file(path, quick())
    found = {layout: cached_or_measured_file(path, quick(), layout=layout) for layout in ("nchw", "nhwc")}
    assert {layout: (each.layout, each.lr_height, each.lr_width) for layout, each in found.items()} == {
        "nchw": ("nchw", 16, 3),
        "nhwc": ("nhwc", 3, 24),
    }
    data = tmp_path / "n.onnx.data"
    data.write_bytes(np.float32(2).tobytes() + data.read_bytes()[4:])
    before = len(measured)
    cached_or_measured_file(path, quick(), layout="nchw")
    assert len(measured) == before + 1


@pytest.mark.parametrize("name", ["nhwc-open", "nchw-open", "espcn", "inline"])
def test_case_files_are_measured_as_what_they_are(quick, name):
    path = CASES / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("../shared/cases is not beside this checkout")
    found = cached_or_measured_file(path, quick())
    assert (found.lr_height, found.lr_width) == (16, 24)
    assert found.layout == ("nhwc" if name == "nhwc-open" else "nchw")


def test_what_is_no_network_is_refused(quick, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(UsageError, match=r"bad\.onnx: "):
        cached_or_measured_file(path, quick())
    with pytest.raises(UsageError, match="missing"):
        cached_or_measured_file(tmp_path / "missing.onnx", quick())
