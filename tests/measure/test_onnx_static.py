"""The file that is timed: of one size, with all its weights, and computing the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.settings import Settings
from nas_sr.errors import UsageError
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.onnx_export import export_onnx, export_untrained
from nas_sr.measure.onnx_fp16 import write_fp16
from nas_sr.measure.onnx_static import write_static
from tests.onnx_files import BYTES, FLOAT, HALF, OPEN, OPEN_LAST, enlarger, saved

SIZE = (33, 47)


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def test_file_of_fixed_size_computes_the_same(tmp_path: Path) -> None:
    export_onnx(Network(ImdeceptionSpec(core=4, gidbs=2, depth=2, head=8, nla_after=(1,))), tmp_path / "open.onnx")
    write_static(tmp_path / "open.onnx", tmp_path / "static.onnx", SIZE)
    image = np.random.default_rng(0).random((1, 3, *SIZE), dtype=np.float32)
    results = [_session(tmp_path / f"{name}.onnx").run(None, {"input": image})[0] for name in ("open", "static")]
    assert np.array_equal(*results)
    assert _session(tmp_path / "static.onnx").get_inputs()[0].shape == [1, 3, *SIZE]


def test_candidates_are_timed_as_they_were_exported(tmp_path: Path) -> None:
    export_untrained(ImdeceptionSpec(core=4, gidbs=2, depth=1, head=8), tmp_path / "a.onnx", SIZE)
    write_static(tmp_path / "a.onnx", tmp_path / "b.onnx", SIZE)
    assert onnx.load(tmp_path / "a.onnx") == onnx.load(tmp_path / "b.onnx")


@pytest.mark.parametrize(
    ("made", "taken", "kind"),
    [
        ({"shape": OPEN_LAST, "last": True}, [1, *SIZE, 3], "float"),
        ({"shape": (-1, -1, 0, 3), "last": True}, [1, *SIZE, 3], "float"),
        ({"shape": (0, 3, -1, 47)}, [1, 3, *SIZE], "float"),
        ({"kind": HALF}, [1, 3, *SIZE], "float16"),
        ({"kind": BYTES, "output": FLOAT}, [1, 3, *SIZE], "uint8"),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_any_file_becomes_one_of_fixed_size_that_is_whole(
    tmp_path: Path, made: dict[str, Any], taken: list[int], kind: str, beside: bool
) -> None:
    source = saved(enlarger(**made), tmp_path / "n.onnx", beside=beside)
    (tmp_path / "elsewhere").mkdir()
    static = tmp_path / "elsewhere" / "static.onnx"
    image = write_static(source, static, SIZE)
    session = _session(static)
    (found,) = session.get_inputs()
    assert (found.shape, found.type) == (taken, f"tensor({kind})")
    assert list(image.shape(*SIZE)) == taken
    feed = {found.name: np.ones(taken, {"float": "f4", "float16": "f2", "uint8": "u1"}[kind])}
    (output,) = session.run(None, feed)
    assert list(output.shape) == [side * 4 if side in SIZE else side for side in taken]


@pytest.mark.parametrize("kind", [FLOAT, HALF, BYTES])
def test_any_type_has_an_fp16_version(tmp_path: Path, kind: int) -> None:
    write_static(saved(enlarger(OPEN, kind), tmp_path / "n.onnx"), tmp_path / "static.onnx", SIZE)
    write_fp16(tmp_path / "static.onnx", tmp_path / "fp16.onnx")
    (taken,) = _session(tmp_path / "fp16.onnx").get_inputs()
    assert taken.type == {FLOAT: "tensor(float)", HALF: "tensor(float16)", BYTES: "tensor(uint8)"}[kind]


def test_another_size_is_refused(tmp_path: Path) -> None:
    source = saved(enlarger((1, 3, 8, "w")), tmp_path / "n.onnx")
    with pytest.raises(UsageError, match=r"takes images of anyx8 pixels, but 12x9 is measured"):
        write_static(source, tmp_path / "static.onnx", (9, 12))


@pytest.mark.parametrize("shape", [[1, 3, 8, 12], [1, 8, 12, 3]])
def test_device_times_one_size_only_channels_first_or_last(shape: list[int]) -> None:
    Settings(lr_height=8, lr_width=12).check_shape(shape)
    for other in ([1, 3, 12, 8], [1, 3, 8, 3], [1, 8, 12, 1], [2, 3, 8, 12], ["b", 3, 8, 12], [3, 8, 12], []):
        with pytest.raises(Failure, match="is measured") as caught:
            Settings(lr_height=8, lr_width=12).check_shape(other)
        assert caught.value.kind == "candidate"
