"""What TensorRT's words mean. They are its own, from 8.2 to 11 and from TensorRT for RTX."""

from __future__ import annotations

import pytest

from nas_sr.device_program.nvinfer.log import diagnosed, out_of_memory

OUT_OF_MEMORY = [
    "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)",
    "Requested amount of GPU memory (8589934592 bytes) could not be allocated. There may not be enough free memory for"
    " allocation to succeed.",
    "[virtualMemoryBuffer.cpp::resizePhysical::154] Error Code 2: OutOfMemory (Requested size was 1073741824 bytes.)",
    "Tactic Device request: 4420MB Available: 1800MB. Device memory is insufficient to use tactic.",
    "cudaErrorMemoryAllocation",
]
DEVICE = [
    "Error Code 1: Cuda Runtime (In ScopedCudaStream at /_src/common/cudaResources.cpp:25 (cudaError 35: CUDA driver"
    " version is insufficient for CUDA runtime version))",
    "CUDA initialization failure with error: 35",
    "Unable to initialize CUDA: no CUDA-capable device is detected",
    "Target GPU SM 72 is not supported by this TensorRT release.",
]
CANDIDATE = [
    "Error Code 10: Internal Error (Could not find any implementation for node /head/Conv.)",
    "Error Code 4: Internal Error (Network must have at least one output)",
    "Error Code 1: Cuda Runtime (an illegal memory access was encountered)",
]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (text, kind)
        for kind, texts in [("transient", OUT_OF_MEMORY), ("device", DEVICE), ("candidate", CANDIDATE)]
        for text in texts
    ],
)
def test_kind_by_what_was_said(said, kind):
    failure = diagnosed("the network cannot be built: " + said, "", 1024)
    assert failure.kind == kind
    assert said in failure.text
    assert out_of_memory(said) == (kind == "transient")


def test_out_of_memory_names_the_remedy_and_the_setting():
    assert "lower workspace_mb from 2048" in diagnosed(OUT_OF_MEMORY[0], "", 2048).text


def test_warnings_help_to_tell_why_a_kernel_was_not_found():
    failure = diagnosed(CANDIDATE[0], OUT_OF_MEMORY[3], 1024)
    assert failure.kind == "transient"
    workspace = (
        "Skipping tactic 0x0000000000000001 due to insufficient memory on requested size of 9 detected for tactic."
    )
    failure = diagnosed(CANDIDATE[0], workspace, 1024)
    assert failure.kind == "candidate"
    assert "raise workspace_mb" in failure.text
