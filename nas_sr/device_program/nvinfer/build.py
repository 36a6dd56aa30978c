"""ONNX file -> engine file, by TensorRT 8.5 to 11 or TensorRT for RTX; what differs is asked of the module itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable

from ..failure_kinds import Failure
from ..settings import OnnxFiles, Settings
from . import timing_cache
from .log import failure, new_log

DEFAULT_OPTIMIZATION_LEVEL = 3
# Above this share of the GPU's time, giving it the work may be what takes the time.
ENQUEUE_BOUND = 0.8


def network_flags(trt: Any) -> int:
    """Explicit batch, where networks could have an implicit one: version 11 has no other and lost the flag."""
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if explicit is None else 1 << int(explicit)


def weakly_typed(trt: Any) -> bool:
    """Whether a builder flag turns an fp32 network into an fp16 one; else the ONNX file itself must be fp16."""
    return hasattr(trt.BuilderFlag, "FP16")


def onnx_file(trt: Any, files: OnnxFiles, precision: str) -> Path:
    """Which of a network's files this version builds from.

    Raises:
        Failure: kind device, for the one it needs did not come with the job.
    """
    if precision == "fp32" or weakly_typed(trt):
        return files.fp32
    if files.fp16 is None:
        raise Failure("device", "{} {} builds fp16 from an fp16 ONNX file only, and none came".format(*named(trt)))
    return files.fp16


def named(trt: Any) -> tuple[str, str]:
    """What the library calls itself, and its version."""
    return ("TensorRT for RTX" if "rtx" in trt.__name__ else "TensorRT"), str(trt.__version__)


def described(settings: Settings) -> dict[str, Any]:
    """What every engine is built and run with, for the record."""
    return {
        "precision": settings.precision,
        "tf32": "allowed, as by default; no GPU before Ampere has it",
        "workspace_mb": settings.workspace_mb,
        "optimization_level": settings.optimization_level,
        "time": "CUDA events around each run; one run at a time, image on the GPU, no CUDA graph",
    }


def build(
    trt: Any,
    files: OnnxFiles,
    settings: Settings,
    cache: Path | None,
    target: Callable[[Any], None] = lambda config: None,
) -> tuple[Any, Any, dict[str, Any]]:
    """The serialized engine, the log of its build and facts about it.

    Args:
        trt: the module.
        files: the network.
        settings: precision, size, workspace, optimisation level.
        cache: the timing cache's file; None is none.
        target: what else to say to the builder's configuration.

    Raises:
        Failure: kind candidate, transient or device.
    """
    start = time.perf_counter()
    log = new_log(trt)
    builder = _created(lambda: trt.Builder(log), "the builder", log, settings)
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, log)
    model = onnx_file(trt, files, settings.precision)
    if not parser.parse(model.read_bytes()):
        raise Failure("candidate", "{} {} cannot read the network: {}".format(*named(trt), _parser_errors(parser)))
    config = builder.create_builder_config()
    _configure(trt, config, settings)
    _check_input(network, settings)
    target(config)
    in_use, used, ignored = _use_cache(config, cache, settings.fresh)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise failure("the network cannot be built", log, settings.workspace_mb)
    left = bytes(memoryview(config.get_timing_cache().serialize())) if in_use else b""
    if cache and left and not settings.fresh:
        timing_cache.write(cache, left)
    facts = {
        "build_s": round(time.perf_counter() - start, 3),
        "engine_bytes": int(serialized.nbytes),
        "onnx": "fp16" if model == files.fp16 else "fp32",
        "timing_cache": timing_cache.facts(used, left, ignored, settings.fresh) if cache else None,
        "warnings": list(dict.fromkeys(log.warnings))[:20],
    }
    return serialized, log, facts


def _created(create: Callable[[], Any], what: str, log: Any, settings: Settings) -> Any:
    """TensorRT's objects: some versions raise where they cannot be made, some give None."""
    try:
        made = create()
    except Exception as error:
        log.errors.append(str(error))
        made = None
    if made is None:
        found = failure("{} cannot be made".format(what), log, settings.workspace_mb)
        raise Failure("transient" if found.kind == "transient" else "device", found.text)
    return made


def _configure(trt: Any, config: Any, settings: Settings) -> None:
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mb << 20)
    if settings.precision == "fp16" and weakly_typed(trt):
        config.set_flag(trt.BuilderFlag.FP16)
    if hasattr(config, "builder_optimization_level"):
        config.builder_optimization_level = settings.optimization_level
    elif settings.optimization_level != DEFAULT_OPTIMIZATION_LEVEL:
        raise Failure(
            "device",
            "{} {} has no optimization levels, 8.6 or newer is needed; set optimization_level: {}".format(
                *named(trt), DEFAULT_OPTIMIZATION_LEVEL
            ),
        )


def _check_input(network: Any, settings: Settings) -> None:
    if network.num_inputs != 1:
        raise Failure("candidate", "the network must have one input, but has {}".format(network.num_inputs))
    settings.check_shape(tuple(network.get_input(0).shape))


def _parser_errors(parser: Any) -> str:
    """What the parser says, with the node it says it of; since version 10 that has a name and an operator."""
    errors = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        name = error.node_name() if hasattr(error, "node_name") else ""
        operator = error.node_operator() if hasattr(error, "node_operator") else ""
        node = " ".join(part for part in (str(error.node()), name and "'{}'".format(name), operator) if part)
        errors.append("node {}: {}".format(node, error.desc()))
    return "; ".join(errors) or "it is not an ONNX file"


def _use_cache(config: Any, cache: Path | None, fresh: bool) -> tuple[Any, bytes, str | None]:
    """Gives the builder what is cached: the object, which must live as long; its bytes; why there is none of them."""
    if cache is None:
        return None, b"", None
    content, ignored = (b"", None) if fresh else timing_cache.read(cache)
    made = config.create_timing_cache(content)
    if content and (made is None or not config.set_timing_cache(made, False)):
        content, ignored = b"", "not of this GPU and version"
    if not content:
        made = config.create_timing_cache(b"")
        config.set_timing_cache(made, False)
    return made, content, ignored
