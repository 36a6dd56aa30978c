"""Networks timed by both products as the product does it: a job, fresh processes, the GPU watched."""

from __future__ import annotations

import pytest

from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import preset, preset_name
from nas_sr.measure.latency_cache import repeats_of_finalist
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.stability import disturbances
from tests.gpu.figures import Figures
from tests.gpu.profiles import networks, this_gpu, timed
from tests.gpu.readings import Sampled, implausible

pytestmark = pytest.mark.gpu


def _checked(taken: Measurement, product: str) -> Sampled:
    """What must be true of any measurement on a GPU; what the GPU said meanwhile."""
    assert taken.backend == product
    assert taken.extra["output"] == "finite"
    assert taken.engine["engine_bytes"] > 10_000
    assert taken.engine["layers"]
    assert min(taken.samples_ms) > 0
    assert taken.iqr_ms < taken.latency_ms
    seen = Sampled(taken.conditions["gpu"]["facts"], taken.conditions["gpu"]["readings"])
    assert seen.readings, "no reading of the window: the GPU was read idle each time, or not at all"
    assert implausible(seen) == []
    return seen


def test_builds_and_runs_of_one_network(product: str, figures: Figures) -> None:
    """Two fresh builds, each run in two fresh processes: the protocol of a finalist, shortened."""
    hardware = this_gpu(product)
    taken = timed(preset("imdeception-c16"), hardware, final=True)
    seen = _checked(taken, product)
    name = f"imdeception-c16 512x256 fp16, {product}"
    assert len(taken.repeats) == repeats_of_finalist(hardware) == 4
    assert taken.run_spread is not None
    assert taken.build_spread is not None
    figures.record(f"{name}: latency of 2 builds x 2 runs", taken.latency_ms, "ms", "; ".join(taken.labels))
    figures.record(f"{name}: run spread", 100 * taken.run_spread, "%", "largest between runs of one build")
    figures.record(f"{name}: build spread", 100 * taken.build_spread, "%", "between the medians of builds")
    figures.record(f"{name}: clock", seen.clocks)
    # Clocks may float here; far apart means that something else was timed.
    assert taken.run_spread < 0.5
    assert taken.build_spread < 0.5


def test_energy_of_a_frame(product: str, figures: Figures) -> None:
    taken = timed(preset("imdeception-c8"), this_gpu(product, seconds=4.0))
    seen = _checked(taken, product)
    if not seen.all_of("power_w") and not seen.all_of("energy_j"):
        pytest.skip("this GPU tells neither power nor energy")
    assert taken.energy_mj is not None
    assert taken.energy_mj > 0
    note = f"{taken.conditions['gpu_power_w']:.4g} W while it ran in turn with the reference"
    figures.record(f"imdeception-c8 512x256 fp16, {product}: energy of a frame", taken.energy_mj, "mJ", note)


def test_time_of_each_layer(product: str, figures: Figures) -> None:
    taken = timed(preset("imdeception-c4"), this_gpu(product, (64, 96)), per_layer=True)
    layers = taken.extra["per_layer_ms"]
    assert layers
    assert all(layer["ms"] >= 0 for layer in layers)
    figures.record(f"imdeception-c4 96x64 fp16, {product}: layers", len(layers), "kernels")
    figures.record(f"imdeception-c4 96x64 fp16, {product}: sum of layers", sum(each["ms"] for each in layers), "ms")


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("spec", networks(), ids=lambda spec: preset_name(spec) or spec.label())
def test_engines_of_all(product: str, spec: ImdeceptionSpec, figures: Figures) -> None:
    taken = timed(spec, this_gpu(product))
    seen = _checked(taken, product)
    name = f"{preset_name(spec) or spec.label()} 512x256 fp16, {product}"
    instability_reasons = [*taken.labels, *([] if taken.stable else disturbances(taken, this_gpu(product)))]
    figures.record(f"{name}: latency", taken.latency_ms, "ms", "; ".join(dict.fromkeys(instability_reasons)))
    figures.record(f"{name}: relative to the reference", taken.relative_latency, "", "imdeception-c8 is 1")
    figures.record(f"{name}: coefficient of variation", 100 * taken.cov, "%")
    figures.record(f"{name}: build", taken.engine["build_s"], "s")
    figures.record(f"{name}: clock", seen.clocks, "", ", ".join(seen.throttled))
    if "cuda_graph_ms" in taken.extra:
        graph = sorted(taken.extra["cuda_graph_ms"])
        figures.record(f"{name}: from a CUDA graph", graph[len(graph) // 2], "ms", "bound by its launches")
