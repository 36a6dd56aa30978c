"""fp32 ONNX file -> fp16 one: for TensorRT 11 and TensorRT for RTX, which take every type from the file.

All of it is fp16 but input and output, as in the engines that older versions make of the fp32 file with a flag. The
attention needs no exception, though its softmax is not scaled: with the published weights its logits stay below 15 and
no activation exceeds 160 (fp16 holds 65504), and keeping it fp32 changed no digit of the largest difference from fp32.
TensorRT for RTX makes the two casts part of its first and last kernel.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from nas_sr.files import replacing
from nas_sr.measure.onnx_export import ExportError

LARGEST_FP16 = float(np.finfo(np.float16).max)


def write_fp16(source: Path, target: Path) -> None:
    """Writes the fp16 version of a network's ONNX file, whole or not at all; input and output stay fp32.

    Raises:
        ExportError: a weight is larger than fp16 holds.
    """
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
            if not largest <= LARGEST_FP16:
                raise ExportError(
                    f"{source}: '{tensor.name}' has a weight of {largest:g}; fp16 holds {LARGEST_FP16:g} at most"
                )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that are nearly 0: they stay nearly 0
        half = OnnxModel(convert_float_to_float16(model, keep_io_types=True, op_block_list=[]))
    half.topological_sort()  # its casts come last, but a graph must be in the order of execution
    onnx.checker.check_model(half.model, full_check=True)
    with replacing(target) as temporary:
        onnx.save(half.model, temporary)
