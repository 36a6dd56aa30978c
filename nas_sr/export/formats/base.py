"""What a destination of a bundle is: files that a runtime or a tool loads, and how to tell that they still compute the
same.

Nothing here needs PyTorch: files are rechecked in a process that loads their runtime alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.settings import Precision, Settings
from nas_sr.errors import WorkError

if TYPE_CHECKING:
    from nas_sr.families.base import Spec
    from nas_sr.families.network import FamilyNetwork

Status = Literal["ok", "failed", "skipped"]


class CannotWrite(WorkError):
    """A destination cannot do this network, or its converter failed; the text names the layer where that is known."""


class Target(BaseModel):
    """What of a hardware profile, and of the measurement on it, the files of a bundle follow."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    lr_height: int
    lr_width: int
    precision: Precision = "fp32"
    tensorrt: tuple[str, ...] = ()  # beginnings of versions; the one that measured, where that is known
    workspace_mb: int = 1024
    optimization_level: int = 3
    compute_capability: str | None = None

    @property
    def lr_size(self) -> tuple[int, int]:
        """Height and width in LR pixels."""
        return self.lr_height, self.lr_width


class Source:
    """One trained network in the forms that destinations are made of; files that several need are made once.

    Attributes:
        name: of files that leave the bundle, such as `4x-imdeception-c8`.
        network: in its deployed form.
        spec: of that form.
        dynamic: its ONNX file for any height and width.
        target: what it was searched for.
        graph: of all files: a name in nas_sr.measure.graph_variants.
    """

    def __init__(
        self, name: str, network: FamilyNetwork, dynamic: Path, target: Target, folder: Path, graph: str
    ) -> None:
        self.name = name
        self.graph = graph
        self.network = network
        self.dynamic = dynamic
        self.target = target
        self._folder = folder

    @property
    def spec(self) -> Spec:
        """Of the deployed network."""
        return self.network.spec

    def static(self, precision: Literal["fp32", "fp16"] = "fp32", opset: int = 17) -> Path:
        """The ONNX file of the target's size; in fp16 all but its input and output are.

        Raises:
            ExportError: the network cannot be written so.
        """
        from nas_sr.evaluate.onnx_upscaler import name_architecture
        from nas_sr.measure.graph_variants import write_variant
        from nas_sr.measure.onnx_export import export_onnx
        from nas_sr.measure.onnx_fp16 import write_fp16

        height, width = self.target.lr_size
        path = self._folder / f"{opset}" / f"model-{height}x{width}-{precision}.onnx"
        if not path.is_file():
            if precision == "fp16":
                write_fp16(self.static("fp32", opset), path)
            else:
                export_onnx(self.network, path, self.target.lr_size, opset)
                write_variant(path, path, self.graph)
            name_architecture(path, self.spec)
        return path


class Run(NamedTuple):
    """One file of a destination as one runtime computes it."""

    file: str  # in the destination's folder
    runtime: str  # name of a backend of the device program
    precision: Precision = "fp32"
    size: tuple[int, int] | None = None  # height and width that the file fixes; None: any


class Check(NamedTuple):
    """One thing that was rechecked; what could not be is skipped, with the reason."""

    what: str
    status: Status
    text: str
    by: str = ""  # the runtime or package


class Destination(NamedTuple):
    """What the module of a destination holds as DESTINATION.

    Attributes:
        title: as its makers call it.
        write: puts its files into an empty folder. Raises CannotWrite.
        runs: which of its files are rechecked, by what.
        output: (1, 3, h, w) fp32 -> the same, larger: what a file makes of an image. Raises Failure (device_program).
        packages: Python modules that writing needs, and `install` is how to get them.
        checks: what else can be said of its files: a network's conventions, builds without a device, ...
    """

    title: str
    write: Callable[[Source, Path], None]
    runs: Callable[[Path], list[Run]]
    output: Callable[[Path, Run, np.ndarray], np.ndarray]
    packages: tuple[str, ...] = ()
    install: str = ""
    checks: Callable[[Path, Target], Iterator[Check]] = lambda folder, target: iter(())


def output_by_backend(folder: Path, run: Run, image: np.ndarray) -> np.ndarray:
    """Of a file that a backend runs as it is, as ONNX Runtime does an ONNX file."""
    return infer_by_backend(run.runtime, folder / run.file, image)


def infer_by_backend(name: str, engine: Path, image: np.ndarray) -> np.ndarray:
    """What a backend's engine makes of one image, in fp32."""
    from nas_sr.device_program.backends import backend

    module: Any = backend(name)
    output: np.ndarray = module.infer(engine, image, Settings(image.shape[2], image.shape[3]))
    return output


def static_files(folder: Path) -> list[tuple[str, Precision, tuple[int, int]]]:
    """The ONNX files of one size in a folder, fp32 first: name, precision, height and width."""
    found: list[tuple[str, Precision, tuple[int, int]]] = []
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    for precision in precisions:
        for path in sorted(folder.glob(f"model-*x*-{precision}.onnx")):
            height, width = path.name.split("-")[1].split("x")
            found.append((path.name, precision, (int(height), int(width))))
    return found


def title_of(runtime: str) -> str:
    """How the makers of a backend's runtime call it."""
    return RUNTIMES[runtime].title
