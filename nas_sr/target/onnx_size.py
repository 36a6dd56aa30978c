"""Gives an ONNX file of open size the size that is measured, without any library.

An ONNX file is a protocol buffer (protobuf.dev/programming-guides/encoding). Numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

from typing import Callable, Iterator

from .failure import Failure

_GRAPH = 7  # of a model
_INITIALIZER, _INPUT = 5, 11  # of a graph
_TENSOR_NAME, _INPUT_NAME = 8, 1
_TO_SHAPE = (2, 1, 2)  # from an input: its type, the tensor's type, its shape
_DIMENSION, _SIZE = 1, 1  # of a shape, of a dimension
_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5  # wire types


def fixed_size(model: bytes, sizes: tuple[int, int, int, int]) -> bytes:
    """The file with an input of these sizes.

    Raises:
        Failure: kind candidate; it is no ONNX file, has not one input of four dimensions, or fixes another size.
    """
    try:
        if not _each(model, _GRAPH):
            raise ValueError("no graph")
        return _changed(model, _GRAPH, lambda graph: _of_size(graph, sizes))
    except (IndexError, ValueError) as error:
        raise Failure("candidate", "the network cannot be read: it is not an ONNX file") from error


def _of_size(graph: bytes, sizes: tuple[int, ...]) -> bytes:
    # Older files list their weights among the inputs.
    weights = {_first(tensor, _TENSOR_NAME) for tensor in _each(graph, _INITIALIZER)}
    inputs = [value for value in _each(graph, _INPUT) if _first(value, _INPUT_NAME) not in weights]
    shapes = [_shape(value) for value in inputs]
    if len(inputs) != 1 or len(shapes[0]) != len(sizes):
        raise Failure("candidate", "the network must have one input of four dimensions, but has {}".format(shapes))
    if any(size not in (-1, wanted) for size, wanted in zip(shapes[0], sizes)):
        raise Failure("candidate", "the network takes {}, but {} is measured".format(shapes[0], list(sizes)))
    shape = b"".join(_field(_DIMENSION, _field_number(_SIZE, size)) for size in sizes)
    return _changed(graph, _INPUT, lambda value: _with_shape(value, shape) if value == inputs[0] else value)


def _shape(value: bytes) -> list[int]:
    """The sizes of an input; -1 for an open one."""
    for number in _TO_SHAPE:
        value = _first(value, number)
    sizes = ([size for number, size in _fields(each) if number == _SIZE] for each in _each(value, _DIMENSION))
    return [int(size[0]) if size and isinstance(size[0], int) else -1 for size in sizes]


def _with_shape(value: bytes, shape: bytes) -> bytes:
    to_type, to_tensor, to_shape = _TO_SHAPE
    return _changed(
        value,
        to_type,
        lambda kind: _changed(kind, to_tensor, lambda tensor: _changed(tensor, to_shape, lambda _: shape)),
    )


def _changed(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """The message with each of its fields of that number replaced; all others as they were."""
    parts = []
    position = 0
    for found, value, end in _positions(message):
        same = found != number or not isinstance(value, bytes)
        parts.append(message[position:end] if same else _field(number, change(value)))  # type: ignore[arg-type]
        position = end
    return b"".join(parts)


def _each(message: bytes, number: int) -> list[bytes]:
    return [value for found, value in _fields(message) if found == number and isinstance(value, bytes)]


def _first(message: bytes, number: int) -> bytes:
    return next(iter(_each(message, number)), b"")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    return ((number, value) for number, value, _end in _positions(message))


def _positions(message: bytes) -> Iterator[tuple[int, int | bytes, int]]:
    """Number and value of each field, and where it ends."""
    position = 0
    while position < len(message):
        key, position = _read_number(message, position)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == _NUMBER:
            value, position = _read_number(message, position)
        else:
            size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind, 0)
            if kind == _BYTES:
                size, position = _read_number(message, position)
            if (size == 0 and kind != _BYTES) or position + size > len(message):
                raise ValueError("not a protocol buffer")
            value = message[position : position + size]
            position += size
        yield number, value, position


def _read_number(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _written(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _field(number: int, value: bytes) -> bytes:
    return _written(number << 3 | _BYTES) + _written(len(value)) + value


def _field_number(number: int, value: int) -> bytes:
    return _written(number << 3 | _NUMBER) + _written(value)
