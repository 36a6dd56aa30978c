from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.nvinfer import run
from nas_sr.device_program.protocol import Plan
from nas_sr.device_program.settings import Settings

from .stand_in import StandInCuda, stand_in_tensorrt

PLAN = Plan(warmup_s=0, warmup_iterations=2, seconds=0, iterations=40, reference_share=0.25, limit_s=1e9)
SETTINGS = Settings(lr_height=8, lr_width=12)
SLOW_MS = 1e6  # longer than giving it to the GPU may take; the window is over when its iterations are


def _measured(tmp_path: Path, candidate: dict, settings=SETTINGS, cuda=None, reference=None) -> dict:
    cuda = cuda or StandInCuda()
    for name, does in (("c", candidate), ("r", reference or {"ms": SLOW_MS})):
        (tmp_path / name).write_text(json.dumps(does))
    plan = PLAN._replace(limit_s=1e99)
    taken = run.measure(stand_in_tensorrt(cuda), cuda, [tmp_path / "c"], tmp_path / "r", settings, plan)
    (network,) = taken.pop("networks")
    return {**taken, **network}


def test_samples_are_the_gpus_own_time(tmp_path):
    found = _measured(tmp_path, {"ms": SLOW_MS}, reference={"ms": 2 * SLOW_MS})
    assert found["samples_ms"] == [SLOW_MS] * 40
    assert set(found["reference_ms"]) == {2 * SLOW_MS}
    assert len(found["reference_after"]) == len(found["reference_ms"])
    assert len(found["enqueue_ms"]) == 40
    assert 0 < max(found["enqueue_ms"]) < SLOW_MS
    assert found["output"] == "finite"
    assert found["runtime_memory_mb"] == 1.5
    assert found["gpu"]["readings"]
    assert not {"cuda_graph_ms", "cuda_graph_error", "per_layer_ms"} & found.keys()


def test_network_bound_by_its_launches_is_measured_with_a_cuda_graph_too(tmp_path):
    cuda = StandInCuda()
    found = _measured(tmp_path, {"ms": 1e-9}, cuda=cuda)
    assert cuda.captured == 1
    assert found["cuda_graph_ms"] == [0.125] * 40
    assert found["samples_ms"] == pytest.approx([1e-9] * 40, abs=1e-8)


def test_binding_without_graphs_costs_only_the_graphs(tmp_path):
    found = _measured(tmp_path, {"ms": 1e-9}, cuda=StandInCuda(graphs=False))
    assert found["cuda_graph_error"] == "no graphs here"
    assert len(found["samples_ms"]) == 40


def test_gpu_without_room_for_a_graph_costs_only_the_graphs(tmp_path):
    class NoRoom(StandInCuda):
        def capture(self, work):
            raise MemoryError("cudaGraphInstantiateWithFlags: out of memory")

    found = _measured(tmp_path, {"ms": 1e-9}, cuda=NoRoom())
    assert "out of memory" in found["cuda_graph_error"]
    assert len(found["samples_ms"]) == 40


def test_times_by_layer_on_request(tmp_path):
    found = _measured(tmp_path, {"ms": SLOW_MS}, SETTINGS._replace(per_layer=True))
    assert found["per_layer_ms"] == [{"name": "conv", "ms": 0.75 * SLOW_MS}, {"name": "shuffle", "ms": 0.25 * SLOW_MS}]
    # The profiler slows runs down: none of those is a sample.
    assert len(found["enqueue_ms"]) == len(found["samples_ms"]) == 40


def test_output_for_an_image_is_downloaded(tmp_path):
    cuda = StandInCuda()
    (tmp_path / "e").write_text(json.dumps({"ms": 1.0}))
    image = numpy.random.RandomState(1).rand(1, 3, 8, 12).astype("float32")
    output = run.infer(stand_in_tensorrt(cuda), cuda, tmp_path / "e", image, SETTINGS)
    assert output.shape == (1, 3, 32, 48)
    assert any((kept.view("float32") == image.ravel()).all() for kept in cuda.memory.values() if kept.size == 1152)


def test_network_that_overflows_is_noticed(tmp_path):
    assert _measured(tmp_path, {"ms": SLOW_MS, "output": "nan"})["output"] == "not finite"


@pytest.mark.parametrize(
    ("fails", "kind", "text"),
    [
        ("load", "candidate", "the engine plan file is not compatible"),
        ("run", "candidate", "Cask convolution execution"),
        ("memory", "transient", "does not fit into the memory that is free"),
    ],
)
def test_engine_that_does_not_run(tmp_path, fails, kind, text):
    with pytest.raises(Failure, match=text) as caught:
        _measured(tmp_path, {"ms": 1, "fails": fails})
    assert caught.value.kind == kind


def test_reference_that_does_not_run_is_the_devices_fault(tmp_path):
    with pytest.raises(Failure, match=r"the reference network does not run.*not compatible") as caught:
        _measured(tmp_path, {"ms": 1}, reference={"fails": "load"})
    assert caught.value.kind == "device"
