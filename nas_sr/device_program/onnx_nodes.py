"""The nodes of an ONNX file, read without the onnx package, which devices do not have.

The file is a protocol buffer: fields one after another, each with its number and, for what is read here, its length.
"""

from __future__ import annotations

from typing import Iterator

_GRAPH, _NODE, _NAME, _OPERATOR = 7, 1, 3, 4  # numbers of fields: of a model, a graph, and two of a node
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


def nodes(content: bytes) -> list[tuple[str, str]]:
    """Operator and name ("" without one) of each node, in the file's order; nothing of what is no ONNX file."""
    found = []
    try:
        for graph in _fields(memoryview(content), _GRAPH):
            for node in _fields(graph, _NODE):
                operator, name = (b"".join(_fields(node, number)).decode() for number in (_OPERATOR, _NAME))
                found.append((operator, name))
    except (ValueError, IndexError):
        return []
    return found


def _fields(content: memoryview, wanted: int) -> Iterator[memoryview]:
    """The content of each field of that number.

    Raises:
        ValueError, IndexError: these are not fields.
    """
    place = 0
    while place < len(content):
        key, place = _number(content, place)
        kind = key & 7
        if kind == _VARINT:
            _, place = _number(content, place)
        elif kind == _COUNTED:
            length, place = _number(content, place)
            if length > len(content) - place:
                raise ValueError("a field ends behind the end")
            if key >> 3 == wanted:
                yield content[place : place + length]
            place += length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError("no field")


def _number(content: memoryview, place: int) -> tuple[int, int]:
    """A number in seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
