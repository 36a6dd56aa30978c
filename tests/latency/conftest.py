"""ONNX files and a quick profile for the latency tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.latency.profile import HardwareProfile, Protocol

# Believes everything: no test of the mechanics may depend on how quiet the machine is.
CREDULOUS = Protocol(
    warmup_s=0.01,
    warmup_iterations=1,
    seconds=0.05,
    iterations=8,
    reference_share=0.25,
    max_foreign_cpu=1e9,
    max_iqr=1e9,
    max_halves=1e9,
    max_reference_drift=1e9,
    retries=0,
    limit_s=60,
)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_SR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def quick() -> Callable[..., HardwareProfile]:
    """A profile of a small size that believes everything, with some protocol values changed."""

    def made(**changes) -> HardwareProfile:
        protocol = CREDULOUS.model_copy(update=changes)
        return HardwareProfile(
            name="test",
            title="test",
            backends=("onnxruntime",),
            lr_height=16,
            lr_width=24,
            threads=1,
            protocol=protocol,
        )

    return made


def _image(name: str, *shape: int | str):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(nodes, outputs, path: Path, size=("h", "w"), initializers=()) -> Path:
    graph = helper.make_graph(nodes, "test", [_image("input", 1, 3, *size)], outputs, list(initializers))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def relu_onnx(tmp_path: Path) -> Path:
    """A network of dynamic size that takes next to no time."""
    return _save([helper.make_node("Relu", ["input"], ["output"])], [_image("output", 1, 3, "h", "w")], tmp_path / "r")


@pytest.fixture
def static_onnx(tmp_path: Path) -> Path:
    """A network that takes 8x12 images only."""
    node = helper.make_node("Relu", ["input"], ["output"])
    return _save([node], [_image("output", 1, 3, 8, 12)], tmp_path / "s", size=(8, 12))


@pytest.fixture
def endless_onnx(tmp_path: Path) -> Path:
    """A network whose first run does not end."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Sin", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            _image("x", 1, 3, "h", "w"),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), _image("y", 1, 3, "h", "w")],
    )
    constants = [
        helper.make_tensor("count", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("always", TensorProto.BOOL, [], [True]),
    ]
    loop = helper.make_node("Loop", ["count", "always", "input"], ["output"], body=body)
    return _save([loop], [_image("output", 1, 3, "h", "w")], tmp_path / "endless", initializers=constants)
