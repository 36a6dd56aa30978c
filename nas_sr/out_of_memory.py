"""Tells memory that ran out from every other fault of a computation in PyTorch."""

from __future__ import annotations

import torch

# Only the caching allocator raises an exception of its own. The CUDA runtime, cuDNN and cuBLAS where they take memory
# themselves, and the CPU's allocator, raise a RuntimeError that can be told by its words alone.
_WORDS = ("out of memory", "can't allocate memory", "cudnn_status_alloc_failed", "cublas_status_alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that the memory of the device, or of this machine, did not suffice."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
