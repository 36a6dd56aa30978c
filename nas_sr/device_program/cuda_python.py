"""CUDA by NVIDIA's own binding: cuda-python, in its newer and its older naming."""

from __future__ import annotations

from typing import Any, Callable

import numpy

from .cuda import Cuda, Device

try:
    from cuda.bindings import runtime
except ImportError:
    from cuda import cudart as runtime  # before 12.6

_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapabilityMajor and Minor


class CudaPython(Cuda):
    """See Cuda."""

    def __init__(self) -> None:
        driver = _called("cudaDriverGetVersion")
        built_for = _called("cudaRuntimeGetVersion")
        if driver == 0:
            raise RuntimeError("no NVIDIA driver on this machine")
        if driver // 1000 < built_for // 1000:
            raise RuntimeError(
                "the driver supports CUDA {0} at most, cuda-python is of CUDA {1}; update the driver or"
                " `pip install 'cuda-python=={2}.*'`".format(_version(driver), _version(built_for), driver // 1000)
            )
        _called("cudaGetDeviceCount")
        _called("cudaSetDevice", 0)
        self._driver = driver
        self._free = _called("cudaMemGetInfo")
        self._stream = _called("cudaStreamCreate")
        self.stream = int(self._stream)
        properties = _called("cudaGetDeviceProperties", 0)
        attribute = runtime.cudaDeviceAttr
        major, minor = (_called("cudaDeviceGetAttribute", attribute(number), 0) for number in (_MAJOR, _MINOR))
        self.device = Device(
            _text(properties.name), "{}.{}".format(major, minor), _text(_called("cudaDeviceGetPCIBusId", 64, 0))
        )

    def versions(self) -> dict[str, str]:
        """See Cuda."""
        return {"cuda-python": _version(_called("cudaRuntimeGetVersion")), "cuda of driver": _version(self._driver)}

    def memory_free_mb(self) -> float:
        """See Cuda."""
        free, _total = _called("cudaMemGetInfo")
        return free / 2**20

    def allocate(self, size: int) -> int:
        """See Cuda."""
        return int(_called("cudaMalloc", size))

    def upload(self, address: int, array: Any) -> None:
        """See Cuda."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        _called("cudaMemcpy", address, _pointer(array), array.nbytes, kind)

    def download(self, address: int, array: Any) -> None:
        """See Cuda."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _called("cudaMemcpy", _pointer(array), address, array.nbytes, kind)

    def event(self) -> Any:
        """See Cuda."""
        return _called("cudaEventCreate")

    def record(self, event: Any) -> None:
        """See Cuda."""
        _called("cudaEventRecord", event, self._stream)

    def elapsed_ms(self, start: Any, stop: Any) -> float:
        """See Cuda."""
        _called("cudaEventSynchronize", stop)
        return float(_called("cudaEventElapsedTime", start, stop))

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """See Cuda."""
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _called("cudaStreamBeginCapture", self._stream, mode)
        try:
            work()
        finally:  # a stream that is left capturing takes no other work
            graph = _called("cudaStreamEndCapture", self._stream)
        launchable = _called("cudaGraphInstantiateWithFlags", graph, 0)
        return lambda: _called("cudaGraphLaunch", launchable, self._stream)


def open_device() -> Cuda:
    """The first GPU.

    Raises:
        RuntimeError: there is none, or its driver does not suit.
    """
    return CudaPython()


def _called(name: str, *arguments: Any) -> Any:
    """What a function of the runtime returns, without its status: nothing, one value or a tuple."""
    status, *values = getattr(runtime, name)(*arguments)
    if int(status) != 0:
        text = "{}: {}".format(name, _text(runtime.cudaGetErrorString(status)[1]))
        raise MemoryError(text) if status == runtime.cudaError_t.cudaErrorMemoryAllocation else RuntimeError(text)
    return values[0] if len(values) == 1 else tuple(values)


def _pointer(array: Any) -> int:
    assert array.flags["C_CONTIGUOUS"]
    return int(numpy.asarray(array).ctypes.data)


def _text(value: Any) -> str:
    return value.split(b"\0")[0].decode(errors="replace") if isinstance(value, bytes) else str(value)


def _version(number: int) -> str:
    return "{}.{}".format(number // 1000, number % 1000 // 10)
