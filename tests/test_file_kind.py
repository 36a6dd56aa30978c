"""What files are, by their content alone."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save

from nas_sr.file_kind import OLD_TORCH, file_kind


def _image(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, kind)
    return file.getvalue()


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def _torch(value: object, **options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def _onnx(**more: str) -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value])
    return helper.make_model(graph, **more).SerializeToString()


def _script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(2))
    return file.getvalue()


KINDS = [
    (b"", "an empty file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"),
    (
        b"/annex/objects/SHA256E-s31390--f50d7ac4c6b9031379986bc362fcefb65f1e52621ce1708d537e740fefc59cc0.pth\n",
        "git-annex",
    ),
    (b"<!DOCTYPE html>\n<html><head>", "a web page"),
    (b"\n\n  <HTML><body>404", "a web page"),
    (b"\xef\xbb\xbf<!doctype HTML>", "a web page"),
    (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "a web page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML text"),
    (b'{"message": "Not Found"}', "JSON text"),
    ("nicht gefunden: ü".encode(), "plain text"),
    (b"\0" * 5000, "zeros"),
    (_image("PNG"), "a PNG image"),
    (_image("JPEG"), "a JPEG image"),
    (_image("BMP"), "a BMP image"),
    (_image("TIFF"), "a TIFF image"),
    (_image("WEBP"), "a WebP image"),
    (_image("GIF"), "a GIF image"),
    (_onnx(), "an ONNX file"),
    (_onnx(producer_name="somebody"), "an ONNX file"),
    (_onnx()[:-3], "no format known"),
    (_script(), "a TorchScript program"),
    (_npz(), "a NumPy archive"),
    (_zip("[Content_Types].xml", "word/document.xml"), "an office document"),
    (_zip("net/archive_format", "net/models/model.json", "net/byteorder"), "torch.export"),
    (_zip("net/EDSR.pth", "net/README"), "a zip archive with weights inside"),
    (_zip("a", "b"), "a zip archive of 2 files"),
    (_torch({"a": torch.zeros(2)})[:-30], "cut short or broken"),
    (b"\x80\x04\x95\x05\x00\x00\x00", "a Python pickle that torch.save did not write"),
    (
        _torch({}, _use_new_zipfile_serialization=False)[:9],
        "a Python pickle that torch.save did not write, or one that",
    ),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 20, "HDF5"),
    (b"\x1f\x8b\x08\x00", "gzip"),
    (b"\xfe\xed" * 40, "no format known"),
]


@pytest.mark.parametrize(("content", "words"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
def test_kind_is_said_whatever_the_file_is_called(content: bytes, words: str, tmp_path: Path) -> None:
    for suffix in (".pth", ".safetensors", ""):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(content)
        assert words in file_kind(path).text


def test_files_of_weights_are_told_from_one_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    tensors = {"a": torch.zeros(2)}
    for content, kind in [
        (_torch(tensors), "torch"),
        (_torch(tensors, _use_new_zipfile_serialization=False), "old torch"),
        (save(tensors), "safetensors"),
        (save(tensors)[:-4], "safetensors"),
        (_onnx(), "onnx"),
    ]:
        path.write_bytes(content)
        assert file_kind(path).kind == kind


def test_remedies_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content, words in [(KINDS[1][0], "git lfs pull"), (_zip("net/EDSR.pth"), "unpack it and give net/EDSR.pth")]:
        path.write_bytes(content)
        assert words in file_kind(path).remedy


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    head=st.sampled_from(
        [b"", b"PK\x03\x04", b"PK\x05\x06", OLD_TORCH, b"\x80\x02", b"\x08\x07", b"\x80\0\0\0\0\0\0\0{", b"<"]
    ),
    rest=st.binary(max_size=400),
)
def test_any_bytes_have_a_kind_in_one_printable_line(head: bytes, rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(head + rest)
    found = file_kind(path)
    assert found.text
    assert f"{found.text}{found.remedy}".isprintable()


def test_onnx_file_of_ours_is_one(tmp_path: Path) -> None:
    onnx.save(onnx.load_from_string(_onnx()), tmp_path / "a.pb")
    assert file_kind(tmp_path / "a.pb").kind == "onnx"
    (tmp_path / "b").write_text(json.dumps({"ir_version": 7}))
    assert file_kind(tmp_path / "b").kind == "other"
