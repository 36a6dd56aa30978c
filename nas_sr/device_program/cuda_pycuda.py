"""CUDA by PyCUDA, in the primary context of the first GPU."""

from __future__ import annotations

from typing import Any, Callable

import pycuda
import pycuda.driver as driver

from .cuda import Cuda, Device


class PyCuda(Cuda):
    """See Cuda. PyCUDA has no graphs."""

    def __init__(self) -> None:
        # Not autoinit: that makes a context of its own, where TensorRT and PyTorch use the primary one.
        import pycuda.autoprimaryctx

        gpu = pycuda.autoprimaryctx.device
        major, minor = gpu.compute_capability()
        self.device = Device(gpu.name(), "{}.{}".format(major, minor), gpu.pci_bus_id())
        self._stream = driver.Stream()
        self.stream = int(self._stream.handle)
        self._allocations: list[Any] = []  # PyCUDA frees what nobody holds

    def versions(self) -> dict[str, str]:
        """See Cuda."""
        number = driver.get_driver_version()
        return {
            "pycuda": str(pycuda.VERSION_TEXT),
            "cuda of driver": "{}.{}".format(number // 1000, number % 1000 // 10),
        }

    def memory_free_mb(self) -> float:
        """See Cuda."""
        free, _total = driver.mem_get_info()
        return float(free) / 2**20

    def allocate(self, size: int) -> int:
        """See Cuda."""
        try:
            self._allocations.append(driver.mem_alloc(size))
        except driver.MemoryError as error:
            raise MemoryError(str(error)) from error
        return int(self._allocations[-1])

    def upload(self, address: int, array: Any) -> None:
        """See Cuda."""
        driver.memcpy_htod(address, array)

    def download(self, address: int, array: Any) -> None:
        """See Cuda."""
        driver.memcpy_dtoh(array, address)

    def event(self) -> Any:
        """See Cuda."""
        return driver.Event()

    def record(self, event: Any) -> None:
        """See Cuda."""
        event.record(self._stream)

    def elapsed_ms(self, start: Any, stop: Any) -> float:
        """See Cuda."""
        stop.synchronize()
        return float(start.time_till(stop))

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """See Cuda."""
        raise RuntimeError("PyCUDA has no CUDA graphs; install cuda-python for them")


def open_device() -> Cuda:
    """The first GPU.

    Raises:
        RuntimeError: there is none, or CUDA cannot use it.
    """
    try:
        return PyCuda()
    except driver.Error as error:
        raise RuntimeError(str(error)) from error
