"""Graphs that compute the same as an exported one, and which of them is the fastest on a target.

Runtimes differ most in what they make of grouped convolutions, so these are what varies: grouped, as exported; dense,
one convolution with blocks of zeros; split, a convolution for each group; padded, with the channels of each group
filled up to whole tiles where only a 1x1 convolution reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from nas_sr.callbacks import Tell
from nas_sr.errors import WorkError
from nas_sr.files import replacing
from nas_sr.measure.attempts import Network, file_digest, measure
from nas_sr.measure.profile import HardwareProfile

AS_EXPORTED = "grouped"
LARGEST_DIFFERENCE = 1e-5  # of any output value, where white is 1
TILE = 8  # channels; of a group of a padded graph
_ACTIVATIONS = ("Relu", "LeakyRelu")


class Fastest(NamedTuple):
    """The fastest of the graphs that were timed in turn.

    Attributes:
        variant: its name in VARIANTS.
        ratios: latency of each by that of the graph as exported.
        stable: whether the measurement was.
    """

    variant: str
    ratios: dict[str, float]
    stable: bool


def fastest(path: Path, folder: Path, profile: HardwareProfile, progress: Tell | None = None) -> Fastest:
    """Times all graphs that compute the same as an ONNX file on a target, in turn.

    Args:
        path: of one size or of any.
        folder: an empty one, for the files.
        profile: the target.
        progress: is told what happens.

    Raises:
        MeasurementFailed: they cannot be timed.
        WorkError: a graph computes something else.
    """
    files = {AS_EXPORTED: path}
    for name in VARIANTS:
        if name != AS_EXPORTED and _grouped(onnx.load(path)):
            files[name] = folder / f"{name}.onnx"
            write_variant(path, files[name], name)
    if len(files) == 1:
        return Fastest(AS_EXPORTED, {AS_EXPORTED: 1.0}, True)
    taken = measure([Network(file_digest(each), each) for each in files.values()], profile, progress=progress)
    own = taken[0].relative_latency
    ratios = {name: each.relative_latency / own for name, each in zip(files, taken, strict=True)}
    return Fastest(min(ratios, key=lambda name: ratios[name]), ratios, all(each.stable for each in taken))


def write_variant(source: Path, path: Path, name: str) -> None:
    """Writes the graph of that name, whole or not at all.

    Raises:
        WorkError: it does not compute the same.
    """
    model = onnx.load(source)
    VARIANTS[name](model)
    _drop_unused(model)
    onnx.checker.check_model(model, full_check=True)
    _check_same(onnx.load(source), model, name)
    with replacing(path) as temporary:
        onnx.save(model, temporary)


def _check_same(first: onnx.ModelProto, second: onnx.ModelProto, name: str) -> None:
    shape = [dim.dim_value or 24 for dim in first.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    outputs = []
    for model in (first, second):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {model.graph.input[0].name: image})[0])
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    if not difference < LARGEST_DIFFERENCE * max(1.0, float(np.abs(outputs[0]).max())):
        raise WorkError(f"the {name} graph differs by {difference:.2g}; less than {LARGEST_DIFFERENCE:g} is allowed")


class _Conv(NamedTuple):
    """A grouped convolution of a graph."""

    node: onnx.NodeProto
    groups: int
    weight: np.ndarray  # (outputs, inputs of a group, height, width)
    bias: np.ndarray


def _grouped(model: onnx.ModelProto) -> list[_Conv]:
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        groups = next((each.i for each in node.attribute if each.name == "group"), 1)
        if node.op_type == "Conv" and groups > 1 and all(name in values for name in node.input[1:]):
            weight = numpy_helper.to_array(values[node.input[1]])
            bias = numpy_helper.to_array(values[node.input[2]]) if len(node.input) > 2 else np.zeros(len(weight), "f4")
            found.append(_Conv(node, groups, weight, bias))
    return found


def _dense(model: onnx.ModelProto) -> None:
    for conv in _grouped(model):
        outputs, inputs = len(conv.weight), conv.weight.shape[1]
        whole = np.zeros((outputs, inputs * conv.groups, *conv.weight.shape[2:]), np.float32)
        for group, rows in enumerate(np.split(np.arange(outputs), conv.groups)):
            whole[rows, group * inputs : (group + 1) * inputs] = conv.weight[rows]
        _set(model, conv.node, whole, conv.bias, groups=1)


def _split(model: onnx.ModelProto) -> None:
    for conv in _grouped(model):
        node, name = conv.node, conv.node.output[0]
        parts = [f"{name} in {group}" for group in range(conv.groups)]
        results = [f"{name} out {group}" for group in range(conv.groups)]
        sizes = numpy_helper.from_array(np.full(conv.groups, conv.weight.shape[1], np.int64), f"{name} sizes")
        model.graph.initializer.append(sizes)
        nodes = [helper.make_node("Split", [node.input[0], sizes.name], parts, f"{node.name} split", axis=1)]
        weights, biases = np.split(conv.weight, conv.groups), np.split(conv.bias, conv.groups)
        for group, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            single = onnx.NodeProto()
            single.CopyFrom(node)
            single.name = f"{node.name} {group}"
            single.input[0], single.output[0] = parts[group], results[group]
            _set(model, single, weight, bias, groups=1)
            nodes.append(single)
        nodes.append(helper.make_node("Concat", results, [name], f"{node.name} concat", axis=1))
        _replace(model, node, nodes)


def _padded(model: onnx.ModelProto) -> None:
    for conv in _grouped(model):
        outputs = len(conv.weight) // conv.groups
        padded = -(-outputs // TILE) * TILE
        reader = _reader(model, conv.node)
        if reader is None or padded == outputs:
            continue
        places = np.concatenate([group * padded + np.arange(outputs) for group in range(conv.groups)])
        weight = np.zeros((padded * conv.groups, *conv.weight.shape[1:]), np.float32)
        bias = np.zeros(len(weight), np.float32)
        weight[places], bias[places] = conv.weight, conv.bias
        _set(model, conv.node, weight, bias, groups=conv.groups)
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        read = values[reader.input[1]]
        columns = np.zeros((len(read), len(weight), 1, 1), np.float32)
        columns[:, places] = read
        _set(model, reader, columns, values[reader.input[2]], groups=1)


def _reader(model: onnx.ModelProto, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The 1x1 convolution that alone reads a convolution's output, by way of an activation that keeps zeros."""
    readers = list(_consumers(model, node.output[0]))
    if len(readers) != 1 or readers[0].op_type not in _ACTIVATIONS:
        return None
    after = list(_consumers(model, readers[0].output[0]))
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    if len(after) != 1 or after[0].op_type != "Conv" or len(after[0].input) < 3:
        return None
    shape = shapes.get(after[0].input[1], ())
    whole = len(shape) == 4 and shape[1] == shapes[node.input[1]][0]
    return after[0] if whole and shape[2:] == (1, 1) else None


def _consumers(model: onnx.ModelProto, name: str) -> Iterator[onnx.NodeProto]:
    return (node for node in model.graph.node if name in node.input)


def _set(model: onnx.ModelProto, node: onnx.NodeProto, weight: np.ndarray, bias: np.ndarray, groups: int) -> None:
    """Gives a convolution weights of its own."""
    del node.input[1:]
    for kind, value in (("weight", weight), ("bias", bias)):
        tensor = numpy_helper.from_array(np.ascontiguousarray(value, np.float32), f"{node.name} {kind} variant")
        model.graph.initializer.append(tensor)
        node.input.append(tensor.name)
    for attribute in node.attribute:
        if attribute.name == "group":
            attribute.i = groups


def _drop_unused(model: onnx.ModelProto) -> None:
    """Weights that no node reads any longer, and shapes that may be others now."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    del model.graph.value_info[:]


def _replace(model: onnx.ModelProto, node: onnx.NodeProto, nodes: list[onnx.NodeProto]) -> None:
    """Puts nodes in the place of one."""
    place = next(index for index, each in enumerate(model.graph.node) if each.output[0] == node.output[0])
    others = [*model.graph.node[:place], *nodes, *model.graph.node[place + 1 :]]
    copies = [onnx.NodeProto() for _ in others]
    for copy, each in zip(copies, others, strict=True):
        copy.CopyFrom(each)
    del model.graph.node[:]
    model.graph.node.extend(copies)


VARIANTS: Mapping[str, Callable[[onnx.ModelProto], None]] = {
    AS_EXPORTED: lambda model: None,
    "dense": _dense,
    "split": _split,
    "padded": _padded,
}
