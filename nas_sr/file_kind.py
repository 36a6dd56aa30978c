"""Says what a file is, by its content: its first bytes, and in an archive the names inside; never by its suffix."""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

Kind = Literal["safetensors", "torch", "old torch", "onnx", "other"]

OLD_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"  # a pickle of torch.save's magic number
_HEAD = 4096  # bytes looked at
_LONGEST_HEADER = 100_000_000  # of a safetensors file, as its format says
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = re.compile(rb"(\.\./)*\.?(git)?/?annex/objects/")

_MAGIC = (  # offset, bytes there, what the file is
    (0, b"\x89PNG\r\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (4, b"ftyp", "a video or HEIC image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF\r\n", "an HDF5 file, as Keras writes"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"GGUF", "a GGUF file"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"ftrt", "a TensorRT engine"),
    (0, b"7767517", "an ncnn model"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x7fELF", "a program or library"),
    (0, b"SQLite format 3", "an SQLite database"),
)


class FileKind(NamedTuple):
    """What a file is: `kind` for programs, `text` for people ("a PNG image"), and what to do where that is known."""

    kind: Kind
    text: str
    remedy: str = ""


def file_kind(path: Path) -> FileKind:
    """What the file at `path` is; of a large one only the beginning and an archive's list are read.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
    if not head:
        return FileKind("other", "an empty file")
    if head.startswith(_LFS):
        return FileKind("other", "a Git LFS pointer, not the file that it stands for", "fetch that with `git lfs pull`")
    if _ANNEX.match(head):
        return FileKind(
            "other", "a git-annex pointer, not the file that it stands for", "fetch that with `git annex get`"
        )
    if head.startswith(b"PK"):
        return _zip(path)
    if head.startswith(OLD_TORCH):
        return FileKind("old torch", "a file of torch.save, in the format before PyTorch 1.6")
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return FileKind("other", "a Python pickle that torch.save did not write, or one that is cut short")
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= header <= _LONGEST_HEADER:
        return FileKind("safetensors", "a safetensors file")
    for offset, magic, text in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return FileKind("other", text)
    if head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == size:
        return FileKind("other", "a BMP image")
    if _is_onnx(path, size):
        return FileKind("onnx", "an ONNX file")
    return FileKind("other", *_text(head, size))


def _zip(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # the last two: fields that are nonsense
        text = "a zip archive that is cut short or broken, as an unfinished download of a .pth file is"
        return FileKind("other", text, "copy or download it again")
    inside = {name.partition("/")[2] for name in names}
    if any(name == "constants.pkl" or name.startswith("code/") for name in inside):
        remedy = "save the weights of the module that it was made from: torch.save(module.state_dict(), FILE)"
        return FileKind("other", "a TorchScript program (of torch.jit.save)", remedy)
    if "data.pkl" in inside:
        return FileKind("torch", "a file of torch.save")
    if any(name.startswith(("models/", "data/weights/")) or name == "archive_format" for name in inside):
        return FileKind("other", "a program of torch.export")
    if "model.weights.h5" in names:
        return FileKind("other", "a Keras model")
    if names and all(name.endswith(".npy") for name in names):
        return FileKind("other", "a NumPy archive (.npz)")
    if "[Content_Types].xml" in names:
        return FileKind("other", "an office document")
    weights = [name for name in names if name.endswith((".pth", ".pt", ".ckpt", ".safetensors"))]
    if weights:
        return FileKind("other", "a zip archive with weights inside", f"unpack it and give {plain(weights[0])}")
    return FileKind("other", f"a zip archive of {len(names)} files that torch.save did not write")


def _is_onnx(path: Path, size: int) -> bool:
    """Whether the whole file is fields of ONNX's ModelProto, with a graph among them."""
    found = set()
    with path.open("rb") as file:
        while file.tell() < size:
            key = _varint(file)
            field, wire = (key or 0) >> 3, (key or 0) & 7
            if field not in (1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26) or wire not in (0, 2):
                return False
            value = _varint(file)
            if value is None or (wire == 2 and file.seek(value, 1) > size):
                return False
            found.add(field)
    return 7 in found and bool(found & {1, 8})


def _varint(file: BinaryIO) -> int | None:
    """The protobuf number that begins here; None where it does not end."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _text(head: bytes, size: int) -> tuple[str, str]:
    """Of a file without a magic number: which text, or that it is none."""
    if not head.strip(b"\0"):
        return f"{size} bytes, zeros at least at the beginning", "copy or download it again"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start[:1024]:
        return "a web page (HTML)", "download the file itself: the page's raw or download link"
    if start.startswith(b"<"):
        return "XML text", ""
    if start.startswith((b"{", b"[")):
        return "JSON text", ""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return f"{size} bytes of no format known here", ""
    if any(not char.isprintable() and not char.isspace() for char in text):
        return f"{size} bytes of no format known here", ""
    return "plain text", ""


def plain(name: str) -> str:
    """A name from inside a file, which may be anything, as words for one line."""
    return "".join(char for char in name[:80] if char.isprintable())
