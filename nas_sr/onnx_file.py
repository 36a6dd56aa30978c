"""An ONNX file as one model in memory: weights that lie in files beside it become part of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError

from nas_sr.errors import UsageError

# A protocol buffer holds no more, and an ONNX file without others beside it is one.
LARGEST_BYTES = (1 << 31) - 1


class OnnxFile(NamedTuple):
    """A model and the digest (12 hex digits) of its file and of the weights beside it."""

    model: onnx.ModelProto
    digest: str


def read_onnx(path: Path) -> OnnxFile:
    """A file's model with all its weights.

    Raises:
        UsageError: no ONNX file, or a file of its weights is missing, too short or somewhere else than beside it.
    """
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content, format="protobuf")
    except OSError as error:
        raise UsageError(f"{path}: not a readable ONNX file: {error.strerror}") from None
    except DecodeError:
        raise UsageError(f"{path}: not an ONNX file, or not all of one") from None
    if not model.graph.output:  # what is no ONNX file may still be an empty protocol buffer
        raise UsageError(f"{path}: not an ONNX file: there is no network in it")
    digest = hashlib.sha256(content)
    total = len(content)
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _take_in(tensor, path)
            digest.update(tensor.raw_data)
            total += len(tensor.raw_data)
            if total > LARGEST_BYTES:
                raise UsageError(f"{path}: more than {LARGEST_BYTES:,} bytes with its weights; no ONNX file holds more")
    return OnnxFile(model, digest.hexdigest()[:12])


def _take_in(tensor: onnx.TensorProto, path: Path) -> None:
    """Replaces a tensor's reference to a file beside `path` by what lies there."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = PurePosixPath(entries.get("location", ""))
    beside = path.parent / location
    if location.is_absolute() or ".." in location.parts or not location.parts:
        raise UsageError(f"{path}: weights of '{tensor.name}' are in '{location}'; they must lie beside the file")
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or -1)
        with beside.open("rb") as file:
            file.seek(offset)
            content = file.read(min(length, LARGEST_BYTES) if length >= 0 else LARGEST_BYTES)
    except ValueError:
        raise UsageError(f"{path}: where the weights of '{tensor.name}' lie in {beside} cannot be read") from None
    except OSError as error:
        raise UsageError(
            f"{path}: weights of '{tensor.name}' are in another file, {beside}: {error.strerror}"
        ) from None
    if len(content) < length or (length < 0 and not content):
        there = f"{beside.stat().st_size:,} bytes"
        raise UsageError(f"{beside}: {there}; weights of '{tensor.name}' in {path} go on to byte {offset + length:,}")
    tensor.raw_data = content
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that is stored in a model."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _of_graph(graph)
