from __future__ import annotations

import json

from nas_sr.device_program.nvinfer.layers import from_json, from_log


def _inspected(*layers) -> str:
    return json.dumps({"Layers": layers, "Bindings": ["input", "output"]})


def test_layer_of_version_8_names_what_was_fused():
    layer = {
        "Name": "/head/Conv + /Relu",
        "LayerType": "CaskConvolution",
        "Inputs": [{"Name": "input", "Dimensions": [1, 3, 8, 12], "Format/Datatype": "Row major linear FP32"}],
        "Outputs": [{"Name": "y", "Dimensions": [1, 64, 8, 12], "Format/Datatype": "Channel major FP16 format"}],
        "ParameterType": "Convolution",
        "TacticName": "turing_h1688cudnn_256x64_ldg8_relu_exp_medium_nhwc_tn_v1",
        "TacticValue": "0x1",
    }
    assert from_json(_inspected(layer)) == [
        {
            "name": "/head/Conv + /Relu",
            "type": "CaskConvolution",
            "tactic": "turing_h1688cudnn_256x64_ldg8_relu_exp_medium_nhwc_tn_v1",
            "onnx": ["/head/Conv", "/Relu"],
            "inputs": ["1x3x8x12 Row major linear FP32"],
            "outputs": ["1x64x8x12 Channel major FP16 format"],
        }
    ]


def test_layer_of_version_10_has_its_nodes_in_its_metadata():
    layer = {"Name": "__myl_ConvMul", "LayerType": "kgen", "Metadata": "[ONNX Layer: /a/Conv][ONNX Layer: /b/Mul]"}
    assert from_json(_inspected(layer))[0]["onnx"] == ["/a/Conv", "/b/Mul"]


def test_engine_built_to_keep_names_only():
    assert from_json(_inspected("/head/Conv"))[0]["name"] == "/head/Conv"


def test_what_cannot_be_read_is_no_layers():
    for text in ("", "null", "[]", '{"Layers": "', '{"Bindings": []}'):
        assert from_json(text) == []
    assert from_log("Layers:\nnothing of that form\n") == []
