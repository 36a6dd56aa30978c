"""What TensorRT says while it works: its only account of why something failed."""

from __future__ import annotations

from typing import Any

from ..failure_kinds import Failure

# From TensorRT's own messages, 8.5 to 11.
_OUT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "out_of_memory",
    "memoryallocation",
    "memory could not be allocated",
    "could not be allocated",
    "device memory is insufficient",
)
_REMEDIES = {
    "insufficient memory on requested size": "kernels were left out for lack of workspace; raise workspace_mb",
    "within workspace limit": "raise workspace_mb",
    "increase the workspace": "raise workspace_mb",
    "fp32 gemm is not supported": "TensorRT for RTX has no fp32 matrix product before Ampere; use precision: fp16",
}
_DEVICE = (
    "cuda driver version is insufficient",
    "no cuda-capable device",
    "cuda initialization failure",
    "unable to initialize cuda",
    "unsupported sm",
    "target gpu sm",
    "no kernel image is available",
    "unable to load library",
    "unknown option",
)


def new_log(trt: Any) -> Any:
    """A logger for TensorRT's objects. It keeps `errors`, `warnings` and, of a finished build, `layers`."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []
            self.layers = ""

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(msg)
            elif severity == trt.ILogger.WARNING:
                self.warnings.append(msg)
            elif msg.startswith("Layers:"):
                self.layers = msg

    return Log()


def failure(what: str, log: Any, workspace_mb: int) -> Failure:
    """Why `what` failed, by what was said, and the remedy where one is known."""
    errors = " | ".join(dict.fromkeys(log.errors)) or "TensorRT gave no reason"
    return diagnosed("{}: {}".format(what, errors), "\n".join(log.warnings), workspace_mb)


def diagnosed(errors: str, besides: str, workspace_mb: int) -> Failure:
    """A failure of the kind that TensorRT's words mean; `besides` are those that only help to tell."""
    everything = (errors + "\n" + besides).lower()
    if any(words in everything for words in _DEVICE):
        return Failure("device", errors)
    if out_of_memory(everything):
        remedy = "the GPU's memory did not suffice; end other programs that use it, or lower workspace_mb"
        return Failure("transient", "{} ({} from {})".format(errors, remedy, workspace_mb))
    remedies = [remedy for words, remedy in _REMEDIES.items() if words in everything]
    return Failure("candidate", errors + "".join(" ({})".format(remedy) for remedy in remedies[:1]))


def out_of_memory(text: str) -> bool:
    """Whether TensorRT's words mean that the GPU's memory did not suffice."""
    return any(words in text.lower() for words in _OUT_OF_MEMORY)
