"""PyTorch network -> ONNX file that is known to compute the same: the only form that leaves for a device.

No operator of the families takes longer or shorter for other weights, so one file stands for every network of a digest.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxslim
import torch
from torch import nn

from nas_sr.errors import WorkError
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, build
from nas_sr.files import replacing
from nas_sr.stages import stage

LARGEST_DIFFERENCE = 1e-4
# Smaller and larger than an attention window, whole ones and odd ones.
CHECKED_SIZES = ((64, 64), (1, 1), (31, 17), (33, 65))
TRACED_SIZE = (48, 80)  # of a file with dynamic size


class ExportError(WorkError):
    """The network cannot be exported, or the exported file does not compute the same."""


def export_onnx(network: nn.Module, path: Path, lr_size: tuple[int, int] | None = None, opset: int = 17) -> None:
    """Writes a network, in its deployed form, as ONNX: "input" (1, 3, h, w) -> "output", fp32, one file.

    Args:
        network: takes RGB in [0, 1]; it is left as it is.
        path: the file, written whole or not at all.
        lr_size: height and width in LR pixels; None lets the user of the file choose.
        opset: 17 is the newest that TensorRT 8.5 reads.

    Raises:
        ExportError: no such opset, or the file differs from PyTorch by 1e-4 or more on a random image.
    """
    network = copy.deepcopy(network).cpu().float().eval()
    if isinstance(network, FamilyNetwork):
        network = network.deployed()
    with replacing(path) as temporary:
        _trace(network, temporary, lr_size, opset)
        model = onnxslim.slim(onnx.load(temporary))
        _check_same(network, model, (lr_size,) if lr_size else CHECKED_SIZES)
        onnx.save(model, temporary)


@stage("export")
def export_untrained(spec: Spec, path: Path, lr_size: tuple[int, int]) -> None:
    """The file that is timed for a spec: static size, weights as before any training (seed 0)."""
    export_onnx(build(spec, seed=0), path, lr_size)


def _trace(network: nn.Module, path: Path, lr_size: tuple[int, int] | None, opset: int) -> None:
    dynamic = {"input": {2: "height", 3: "width"}, "output": {2: "output_height", 3: "output_width"}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, *(lr_size or TRACED_SIZE)),),
                path,
                # The newer exporter is ten times slower and cannot write the opsets that older TensorRT reads.
                dynamo=False,
                opset_version=opset,
                input_names=["input"],
                output_names=["output"],
                dynamic_axes=None if lr_size else dynamic,
            )
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"the network cannot be written as ONNX opset {opset}: {error}") from error


def _check_same(network: nn.Module, model: onnx.ModelProto, sizes: Sequence[tuple[int, int]]) -> None:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for height, width in sizes:
        image = random.random((1, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        output = session.run(None, {"input": image})[0]
        if output.shape != expected.shape:
            raise ExportError(f"at {height}x{width} the ONNX file gives {output.shape}, PyTorch {expected.shape}")
        difference = float(np.abs(output - expected).max())
        if not difference < LARGEST_DIFFERENCE:
            raise ExportError(
                f"at {height}x{width} the ONNX file differs from PyTorch by {difference:.2g};"
                f" less than {LARGEST_DIFFERENCE:g} is allowed"
            )
