"""pnnx, the converter of networks for ncnn: where it is, and what it makes of an ONNX file."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, Sequence

from .failure_kinds import Failure
from .onnx_nodes import nodes

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Converted(NamedTuple):
    """A network for ncnn. Layers that ncnn does not have are in it as they are: see `unknown_layers`."""

    param: Path  # its layers, as text
    weights: Path
    input_shape: tuple[int, ...]
    input_type: str  # "f32", ...


class Layer(NamedTuple):
    """A line of a file of layers."""

    kind: str
    name: str
    parameters: str


def find() -> Path:
    """The program: that of the Python package, which need not be importable, else the one on the PATH.

    Raises:
        Failure: kind device; there is none.
    """
    spec = importlib.util.find_spec("pnnx")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "pnnx").is_file():
            return Path(folder) / "pnnx"
    command = shutil.which("pnnx")
    if command is None:
        raise Failure("device", "ncnn is there, but not pnnx, which converts networks for it: pip install pnnx")
    return Path(command)


def version() -> str:
    """Of the Python package; the program itself does not tell.

    Raises:
        Failure: see find.
    """
    find()
    try:
        return metadata.version("pnnx")
    except metadata.PackageNotFoundError:
        return "of unknown version"


def convert(onnx: Path, folder: Path) -> Converted:
    """Converts a network of one static size, with its weights in fp32, whatever it is run in.

    Args:
        onnx: the file.
        folder: an empty one; it is left with other files besides.

    Raises:
        Failure: kind candidate, with what pnnx said last; transient where the system ended it; device without a pnnx.
    """
    program = find()
    shutil.copyfile(str(onnx), str(folder / "network.onnx"))
    done = subprocess.run(
        [str(program), "network.onnx", "fp16=0"],
        cwd=str(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    param, weights = folder / "network.ncnn.param", folder / "network.ncnn.bin"
    if done.returncode != 0 or not (param.is_file() and weights.is_file()):
        lines = _COLOURS.sub("", done.stdout.decode(errors="replace")).strip().splitlines()
        how = "ended by signal {}" if done.returncode < 0 else "ended with status {}"
        raise Failure(
            "transient" if done.returncode == -signal.SIGKILL else "candidate",
            "pnnx cannot convert the network for ncnn ({}): {}".format(
                how.format(abs(done.returncode)), lines[-1] if lines else "nothing was said"
            ),
        )
    return Converted(param, weights, *_input(folder / "network.pnnx.param"))


def layers(param: Path) -> list[Layer]:
    """The layers in a file of pnnx's or ncnn's."""
    found = []
    for line in param.read_text(encoding="utf-8", errors="replace").splitlines()[2:]:
        kind, name, inputs, outputs, *rest = line.split()
        own = rest[int(inputs) + int(outputs) :]
        found.append(Layer(kind, name, " ".join(word for word in own if word[0] not in "$@#")))
    return found


def unknown_layers(converted: Converted, unknown: Sequence[Layer]) -> str:
    """Names of the layers that ncnn cannot do: the node of the ONNX file, where it can be told, and what pnnx calls it.

    pnnx keeps no names. Where it has as many layers of a kind as the file has nodes, they are the same in order.
    """
    folder = converted.param.parent
    of_file = nodes((folder / "network.onnx").read_bytes())
    of_pnnx = layers(folder / "network.pnnx.param")
    names = []
    for layer in unknown:
        alike = [other for other in of_pnnx if other.kind == layer.kind]
        operator = layer.kind.rpartition(".")[2].lower()
        named = [name for kind, name in of_file if kind.lower() == operator]
        place = next((index for index, other in enumerate(alike) if other.name == layer.name), None)
        parameters = layer.parameters if place is None else alike[place].parameters
        what = " ".join(part for part in (layer.kind, parameters) if part)
        same = place is not None and len(named) == len(alike) and named[place]
        names.append("{} ({})".format(named[place], what) if same and place is not None else what)
    return ", ".join(names)


def _input(param: Path) -> tuple[tuple[int, ...], str]:
    """Shape and type of the image that a network takes, from the line of the layer that takes it.

    Raises:
        Failure: kind candidate; it has several inputs.
    """
    lines = param.read_text(encoding="utf-8", errors="replace").splitlines()
    inputs = [line for line in lines if line.startswith("pnnx.Input ")]
    shapes = [re.search(r"#\S+=\(([\d,]+)\)(\w+)", line) for line in inputs]
    if len(shapes) != 1 or shapes[0] is None:
        raise Failure("candidate", "the network must have one input of one size, but has {}".format(len(inputs)))
    return tuple(int(side) for side in shapes[0].group(1).split(",")), shapes[0].group(2)
