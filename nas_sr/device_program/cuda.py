"""The little that a measurement asks of CUDA, by whichever Python binding the device has."""

from __future__ import annotations

import functools
import importlib
from abc import ABC, abstractmethod
from typing import Any, Callable, NamedTuple

from .failure_kinds import Failure

# Module here -> what a user installs for it. PyCUDA first: it is what Jetsons have.
BINDINGS = {"cuda_pycuda": "pycuda", "cuda_python": "cuda-python"}


class Device(NamedTuple):
    """The GPU that is used: the first that CUDA sees."""

    name: str
    compute_capability: str  # as "7.5"
    pci_bus_id: str


class Cuda(ABC):
    """One GPU and one stream on it, in the primary context: the one that TensorRT and other libraries use too.

    Every method raises MemoryError where the GPU's memory does not suffice, RuntimeError for any other fault.
    """

    device: Device
    stream: int  # its handle

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Of the binding, and of CUDA as the driver supports it."""

    @abstractmethod
    def memory_free_mb(self) -> float:
        """Memory of the GPU that nobody uses."""

    @abstractmethod
    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the GPU, ours until this process ends."""

    @abstractmethod
    def upload(self, address: int, array: Any) -> None:
        """Copies a contiguous numpy array to the GPU."""

    @abstractmethod
    def download(self, address: int, array: Any) -> None:
        """Copies from the GPU into a contiguous numpy array."""

    @abstractmethod
    def event(self) -> Any:
        """A mark to record in the stream."""

    @abstractmethod
    def record(self, event: Any) -> None:
        """The event happens when all work given to the stream before is done."""

    @abstractmethod
    def elapsed_ms(self, start: Any, stop: Any) -> float:
        """Waits for `stop`; the GPU's own time between the two."""

    @abstractmethod
    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """What `work` gives to the stream, as a CUDA graph: a function that gives all of it at once."""


@functools.lru_cache(maxsize=None)
def open_cuda() -> Cuda:
    """The GPU by the first binding that is installed.

    Raises:
        Failure: kind device, for there is no binding, no driver or no GPU; the text says what to install.
    """
    lacks = []
    for module, package in BINDINGS.items():
        try:
            binding = importlib.import_module("." + module, __package__)
        except ImportError as error:
            lacks.append("{} ({})".format(package, error))
            continue
        try:
            opened: Cuda = binding.open_device()
        except RuntimeError as error:
            raise Failure("device", "{} finds no GPU to use: {}".format(package, error)) from error
        return opened
    raise Failure("device", "no Python binding of CUDA; install one of them: " + ", ".join(lacks))
