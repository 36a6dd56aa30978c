"""Which image a network takes, of all the ways in which files say it, and what is refused rather than guessed."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nas_sr.errors import UsageError
from nas_sr.image_format import Layout
from nas_sr.onnx_file import read_onnx
from nas_sr.onnx_input import give_size, image_input
from tests.onnx_files import BYTES, FLOAT, HALF, OPEN, OPEN_LAST, Shape, enlarger, saved

CASES = Path(__file__).parents[2] / "shared" / "cases" / "onnx"


def _taking(*shapes: Shape | None, kind: int = FLOAT) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(f"x{index}", kind, shape) for index, shape in enumerate(shapes)]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    return helper.make_model(helper.make_graph([helper.make_node("Identity", ["x0"], ["y"])], "g", inputs, outputs))


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [
        ((1, 3, 8, 12), "nchw", (8, 12)),
        (OPEN, "nchw", (None, None)),
        (("b", 3, "h", "w"), "nchw", (None, None)),
        ((-1, 3, -1, -1), "nchw", (None, None)),
        ((0, 3, 0, 0), "nchw", (None, None)),
        ((-7, 3, -100, 12), "nchw", (None, 12)),
        ((None, 3, None, None), "nchw", (None, None)),
        ((1, 3, 64, "w"), "nchw", (64, None)),
        ((1, 8, 12, 3), "nhwc", (8, 12)),
        (OPEN_LAST, "nhwc", (None, None)),
        (("unk__1", "unk__2", "unk__3", 3), "nhwc", (None, None)),
        ((-1, -1, -1, 3), "nhwc", (None, None)),
        ((1, 1, 12, 3), "nhwc", (1, 12)),  # an image one pixel high, not a grey one
    ],
)
def test_layout_is_where_the_three_channels_are(
    shape: Shape, layout: Layout, size: tuple[int | None, int | None]
) -> None:
    for stated in (None, layout):
        found = image_input(_taking(shape), "f.onnx", stated)
        assert (found.layout, (found.height, found.width)) == (layout, size)


@pytest.mark.parametrize(
    "shape",
    [
        ("b", "c", "h", "w"),
        ("batch", "height", "width", "channels"),  # names are no proof
        (-1, -1, -1, -1),
        (1, 0, 0, 0),
        (None, None, None, None),
        (1, 3, "h", 3),
        (1, 3, 8, 3),
        (1, "c", 64, 64),
        (1, 64, 64, -1),
    ],
)
def test_layout_that_the_file_does_not_say_is_asked_for(shape: Shape) -> None:
    with pytest.raises(UsageError, match=r"f\.onnx: takes fp32 \[.*--layout nchw.*--layout nhwc") as raised:
        image_input(_taking(shape), "f.onnx")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [
        (("b", "c", "h", "w"), "nchw", (None, None)),
        (("b", "c", "h", "w"), "nhwc", (None, None)),
        ((1, 3, 8, 3), "nchw", (8, 3)),
        ((1, 3, 8, 3), "nhwc", (3, 8)),
        ((1, "c", 64, 48), "nchw", (64, 48)),
        (None, "nhwc", (None, None)),  # a tensor of unknown rank
    ],
)
def test_layout_that_the_user_says_is_taken(shape: Shape | None, layout: Layout, size: tuple[int, int]) -> None:
    found = image_input(_taking(shape), "f.onnx", layout)
    assert (found.layout, (found.height, found.width)) == (layout, size)


@pytest.mark.parametrize(
    ("model", "layout", "words"),
    [
        (_taking(OPEN), "nhwc", "not nhwc"),
        (_taking(OPEN_LAST), "nchw", "not nchw"),
        (_taking((1, 3, 8, 12)), "nhwc", "not nhwc"),
        (_taking((1, 64, 64, "c")), "nchw", "not nchw"),
        (_taking((1, 1, "h", "w")), None, "grey"),
        (_taking(("b", "h", "w", 1)), None, "grey"),
        (_taking((1, 4, 8, 12)), None, "an image has three channels"),
        (_taking((4, 3, "h", "w")), None, "4 images at once"),
        (_taking((3, "h", "w")), None, "four dimensions"),
        (_taking((1, 5, 3, "h", "w")), None, "four dimensions"),
        (_taking(()), None, "four dimensions"),
        (_taking(None), None, "of any shape; four dimensions"),
        (_taking(OPEN, OPEN), None, "one image as its only input"),
        (_taking(OPEN, (1,)), "nchw", "'x1'; a network with one image"),
        (_taking(), None, "takes nothing"),
        (_taking(OPEN, kind=TensorProto.DOUBLE), None, "double .*allowed are fp32, fp16, uint8"),
        (_taking(OPEN, kind=TensorProto.INT8), None, "int8 "),
        (_taking(OPEN, kind=TensorProto.BFLOAT16), None, "bfloat16 "),
    ],
)
def test_what_is_not_one_rgb_image_is_refused(model: onnx.ModelProto, layout: Layout | None, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        image_input(model, "f.onnx", layout)
    assert str(raised.value).startswith("f.onnx: ")
    assert "\n" not in str(raised.value)


def test_input_that_is_no_tensor_is_refused() -> None:
    inside = helper.make_tensor_type_proto(FLOAT, OPEN)
    sequence = helper.make_value_info("images", helper.make_sequence_type_proto(inside))
    graph = helper.make_graph([], "g", [sequence], [helper.make_tensor_value_info("y", FLOAT, OPEN)])
    with pytest.raises(UsageError, match="'images', which is no tensor"):
        image_input(helper.make_model(graph), "f.onnx")


@pytest.mark.parametrize(("kind", "dtype"), [(FLOAT, "fp32"), (HALF, "fp16"), (BYTES, "uint8")])
def test_type_is_the_inputs(kind: int, dtype: str) -> None:
    assert image_input(_taking(OPEN, kind=kind), "f.onnx").dtype == dtype


def test_inputs_with_defaults_are_no_images() -> None:
    model = _taking(OPEN, (1,), (3, 3))
    for index, value in ((1, numpy_helper.from_array(onnx.numpy_helper.np.ones(1, "f4"), "x1")), (2, None)):
        tensor = value or helper.make_tensor("x2", FLOAT, (3, 3), [0.0] * 9)
        assert tensor.name == f"x{index}"
        model.graph.initializer.append(tensor)
    assert image_input(model, "f.onnx").name == "x0"


SIDES = st.integers(-3, 20) | st.sampled_from(["h", "w", "b", "channels", None])


@given(st.lists(SIDES, min_size=3, max_size=5), st.sampled_from([None, "nchw", "nhwc"]))
def test_no_shape_at_all_gives_an_image_with_another_number_of_channels(shape: Shape, layout: Layout | None) -> None:
    """Whatever is accepted is given its size, and then has three channels where its layout says."""
    model = _taking(shape)
    try:
        image = image_input(model, "f.onnx", layout)
    except UsageError:
        return
    size = image.height or 16, image.width or 24
    give_size(model, image, size)
    dims = [each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == list(image.shape(*size))
    fixed = [(had, has) for had, has in zip(shape, dims, strict=True) if isinstance(had, int) and had > 0]
    assert all(had == has for had, has in fixed)
    assert image_input(model, "f.onnx", image.layout) == image._replace(height=size[0], width=size[1])


@pytest.mark.parametrize(
    ("name", "layout"), [("nhwc-open", "nhwc"), ("nchw-open", "nchw"), ("espcn", "nchw"), ("inline", "nchw")]
)
def test_case_files(name: str, layout: Layout) -> None:
    path = CASES / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("../shared/cases is not beside this checkout")
    found = image_input(read_onnx(path).model, str(path))
    assert (found.layout, found.dtype, found.height, found.width) == (layout, "fp32", None, None)


def test_weights_beside_the_file_become_part_of_it(tmp_path: Path) -> None:
    model = enlarger()
    beside = read_onnx(saved(enlarger(), tmp_path / "a.onnx", beside=True))
    assert (tmp_path / "a.onnx.data").stat().st_size > 40
    assert [each.SerializeToString() for each in beside.model.graph.node] == [
        each.SerializeToString() for each in model.graph.node
    ]
    for had, has in zip(model.graph.initializer, beside.model.graph.initializer, strict=True):
        assert (numpy_helper.to_array(had) == numpy_helper.to_array(has)).all()
    assert read_onnx(saved(model, tmp_path / "b.onnx")).model.graph.input == beside.model.graph.input


def test_digest_covers_the_weights_beside_the_file(tmp_path: Path) -> None:
    path = saved(enlarger(), tmp_path / "a.onnx", beside=True)
    before, data = read_onnx(path).digest, tmp_path / "a.onnx.data"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    assert read_onnx(path).digest != before


def test_weights_in_subgraphs_are_found(tmp_path: Path) -> None:
    inner = numpy_helper.from_array(onnx.numpy_helper.np.ones((2, 2), "f4"), "inner")
    body = helper.make_graph([helper.make_node("Identity", ["inner"], ["o"])], "body", [], [], [inner])
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    outputs = [helper.make_tensor_value_info("y", FLOAT, None)]
    model = helper.make_model(helper.make_graph([node], "g", [], outputs))
    tensor = model.graph.node[0].attribute[0].g.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="lost.data")
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=r"'inner' are in another file, .*lost\.data: No such file"):
        read_onnx(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("location", "offset", "length", "words"),
    [
        ("gone.data", "0", "36", r"gone\.data: No such file"),
        ("short.data", "0", "36", r"short\.data: 10 bytes; weights of 'weights' in .*a\.onnx go on to byte 36"),
        ("short.data", "400", "36", "10 bytes"),
        ("../short.data", "0", "36", "must lie beside the file"),
        ("/etc/hostname", "0", "4", "must lie beside the file"),
        ("", "0", "4", "must lie beside the file"),
        ("short.data", "x", "36", "cannot be read"),
        ("short.data", "-5", "36", "are in another file"),
    ],
)
def test_weights_that_are_not_there_are_named(
    tmp_path: Path, location: str, offset: str, length: str, words: str
) -> None:
    (tmp_path / "short.data").write_bytes(b"version ht")
    model = enlarger()
    (tensor,) = (each for each in model.graph.initializer if each.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match=words) as raised:
        read_onnx(tmp_path / "a.onnx")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04", b"<html></html>", b"\x08\x08"])
def test_what_is_no_onnx_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.onnx: not an ONNX file"):
        read_onnx(path)
    with pytest.raises(UsageError, match=r"missing\.onnx: not a readable ONNX file: No such file"):
        read_onnx(tmp_path / "missing.onnx")


@given(cut=st.floats(0, 0.9))
def test_file_cut_short_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.onnx"
    content = enlarger().SerializeToString()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(UsageError):
        read_onnx(path)
