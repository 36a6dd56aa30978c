"""Reads what torch.save wrote, tensors and plain values only: its pickle is looked through before torch reads it."""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch

from nas_sr.file_kind import FileKind, file_kind, plain

_LARGEST_PICKLE = 64 << 20  # bytes; tensors lie outside of it
_HARMLESS = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(set|complex)"
    r"|torch\.(Size|device|nn\.parameter\.Parameter|serialization\._get_layout)"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|torch\.(storage\.)?\w*Storage|torch\.(bfloat|float|u?int|complex)\d+(_\w+)?|torch\.(bool|half|double)"
)
_CONTAINERS = ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE")  # a pickle's first instruction, where it is of plain values
_BROKEN = "a file of torch.save that is cut short or broken"
_COPY = "copy or download it again"


class NotLoadable(Exception):
    """A file holds nothing that can be loaded: what it is, and what to do where that is known."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class _Pickle(NamedTuple):
    """What a pickle would make, found without making it."""

    objects: tuple[str, ...]  # classes and functions that are neither tensors nor plain values
    is_object: bool  # the whole of it is one of those
    storage_sizes: tuple[int, ...]  # values of each, as it says
    lightning: bool


def read_torch_file(path: Path, kind: FileKind | None = None) -> Any:
    """The value in a file of torch.save, on the CPU; tensors of a large file are read when they are used.

    Args:
        path: of the file.
        kind: what it is, where that is known already.

    Raises:
        NotLoadable: it is another kind of file, broken, or holds Python objects.
        OSError: it cannot be read.
    """
    kind = kind or file_kind(path)
    if kind.kind not in ("torch", "old torch"):
        raise NotLoadable(kind.text, kind.remedy)
    is_zip = kind.kind == "torch"
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        try:
            found = _look_through(_zipped(file, size) if is_zip else _leading(file))
        # A length that no file has is asked of the memory, which refuses it.
        except (
            ValueError,
            IndexError,
            KeyError,
            zipfile.BadZipFile,
            RuntimeError,
            EOFError,
            MemoryError,
            OverflowError,
        ):
            raise NotLoadable(_BROKEN, _COPY) from None
        if found.objects:
            raise _objects(found)
        if max(found.storage_sizes, default=0) > size:
            raise NotLoadable(_BROKEN, _COPY)
        file.seek(0)
        try:
            with warnings.catch_warnings(action="ignore"):
                if is_zip:
                    return torch.load(_name(path, file), map_location="cpu", weights_only=True, mmap=True)
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # a broken file fails in many ways inside torch, all with texts of its own
            raise NotLoadable(_BROKEN, _COPY) from None


def _zipped(file: IO[bytes], size: int) -> Iterator[IO[bytes]]:
    """The pickle in an archive, of which nothing is larger than it says: torch writes without compression."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise NotLoadable("a file of torch.save that was unpacked and packed again, with compression")
        if sum(member.file_size for member in members) > size:
            raise NotLoadable(_BROKEN, _COPY)
        name = next(member.filename for member in members if member.filename.partition("/")[2] == "data.pkl")
        if archive.getinfo(name).file_size > _LARGEST_PICKLE:
            raise NotLoadable("a file of torch.save whose list of contents is too long to be one of weights")
        with archive.open(name) as member:
            yield member


def _leading(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The four pickles that the old format begins with: magic number, protocol, system, and the value."""
    for _ in range(4):
        yield file


def _look_through(pickles: Iterator[IO[bytes]]) -> _Pickle:
    objects: dict[str, None] = {}
    storages: list[int] = []
    is_object = lightning = False
    for pickle in pickles:
        texts: list[str] = []
        number, first = 0, ""
        for opcode, argument, position in pickletools.genops(pickle):
            if (position or 0) > _LARGEST_PICKLE:
                raise NotLoadable("a file of torch.save whose list of contents is too long to be one of weights")
            name = None
            if isinstance(argument, int) and opcode.name.startswith(("BININT", "LONG", "INT")):
                number = argument
            elif opcode.name in ("GLOBAL", "INST"):
                name = str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                name = ".".join(texts[-2:])
            elif isinstance(argument, str):
                texts = [*texts[-1:], argument]
                lightning = lightning or argument == "pytorch-lightning_version"
            elif opcode.name == "BINPERSID":
                storages.append(number)  # the last number of a storage's description
            strange = name is not None and not _HARMLESS.fullmatch(name)
            if strange:
                objects[str(name)] = None
            if not first and opcode.name not in ("PROTO", "FRAME"):
                first = opcode.name
                is_object = strange or first not in (*_CONTAINERS, "GLOBAL")
    return _Pickle(tuple(objects), is_object, tuple(storages), lightning)


def _objects(found: _Pickle) -> NotLoadable:
    names = ", ".join(plain(name) for name in found.objects[:3]) + (", ..." if len(found.objects) > 3 else "")
    if found.is_object:
        what = f"a pickled module or other Python object ({names}), which is never loaded: that could run any code"
        return NotLoadable(what, "save its weights alone: torch.save(module.state_dict(), FILE)")
    holder = "Lightning checkpoint" if found.lightning else "checkpoint"
    what = f"a {holder} with Python objects in it ({names}), which are never loaded: that could run any code"
    weights = "checkpoint['state_dict']" if found.lightning else "module.state_dict()"
    return NotLoadable(what, f"save its weights alone: torch.save({weights}, FILE)")


def _name(path: Path, file: IO[bytes]) -> str:
    """A name of an open file that is valid UTF-8, as torch needs it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"/dev/fd/{file.fileno()}"
    return str(path)
