"""TensorRT by its own command trtexec: for devices without its Python module, among them JetPack 4 with TensorRT 8.2.

Standard library only.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Sequence

from ..conditions import snapshot
from ..failure_kinds import Failure
from ..gpu import Watch, gpu
from ..messages import send_stage
from ..nvinfer import timing_cache
from ..nvinfer.build import DEFAULT_OPTIMIZATION_LEVEL, ENQUEUE_BOUND
from ..nvinfer.layers import from_json
from ..protocol import Plan
from ..settings import OnnxFiles, Settings
from ..trtexec_command import Trtexec, find


def versions() -> dict[str, str]:
    """Of everything that may change the figure.

    Raises:
        Failure: kind device; there is no trtexec.
    """
    return {"python": platform.python_version(), "trtexec": _command().version, "driver": str(gpu().facts()["driver"])}


def described(settings: Settings) -> dict[str, Any]:
    """What every engine is built and run with."""
    return {
        "precision": settings.precision,
        "tf32": "allowed, as by default; no GPU before Ampere has it",
        "workspace_mb": settings.workspace_mb,
        "optimization_level": settings.optimization_level,
        "time": "trtexec's GPU compute time; spin-wait, no data transfers, no CUDA graph; warm-up by time alone",
        "reference": "in a block before and one after the candidate: one process of trtexec runs one engine",
    }


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """Builds for the GPU that is there, with a timing cache.

    Raises:
        Failure: kind candidate, transient or device.
    """
    command = _command()
    source = _source(command, onnx, settings)
    cache = _cache(command, settings)
    used, ignored = timing_cache.read(cache) if cache and not settings.fresh else (b"", None)
    with tempfile.TemporaryDirectory(prefix="nas-sr-trtexec-") as name:
        layers, cached = Path(name) / "layers.json", Path(name) / "timing"
        if used:
            cached.write_bytes(used)
        options = [
            "--onnx={}".format(source),
            "--saveEngine={}".format(engine),
            *command.known("--exportLayerInfo={}".format(layers)),
            *command.known("--profilingVerbosity=detailed", "--nvtxMode=verbose"),
            *command.known("--skipInference", "--buildOnly"),
            *_workspace(command, settings),
            *_optimization_level(command, settings),
            *(["--fp16"] if settings.precision == "fp16" and source == onnx.fp32 else []),
            *(["--timingCacheFile={}".format(cached)] if cache else []),
        ]
        start = time.perf_counter()
        warnings = command.run(options, "the network cannot be built", settings.workspace_mb)
        build_s = time.perf_counter() - start
        exported = layers.read_text(encoding="utf-8", errors="replace") if layers.is_file() else ""
        left = cached.read_bytes() if cached.is_file() else b""
    if cache and left and not settings.fresh:
        timing_cache.write(cache, left)
    return {
        "build_s": round(build_s, 3),
        "engine_bytes": engine.stat().st_size,
        "onnx": "fp16" if source == onnx.fp16 else "fp32",
        "timing_cache": timing_cache.facts(used, left, ignored, settings.fresh) if cache else None,
        "warnings": warnings[:20],
        "layers": from_json(exported),
    }


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines one after the other, as protocol.measure gives them; the reference runs before and after
    each of them.

    And `gpu` (see gpu.Watch); of each network `enqueue_ms` of each sample, on occasion `cuda_graph_ms` and
    `per_layer_ms`.

    Raises:
        Failure: kind device where the reference does not run, else candidate or transient.
    """
    command = _command()
    watch = Watch(gpu())
    snapshots: list[dict[str, Any]] = []
    before = _reference_ms(command, reference, settings, plan, watch)
    networks = []
    for engine in engines:
        send_stage("candidate")
        rows = _rows(command, engine, plan, settings, watch, snapshots)
        send_stage("window")
        after = _reference_ms(command, reference, settings, plan, watch)
        samples = [row["computeMs"] for row in rows]
        networks.append(
            {
                "samples_ms": samples,
                "reference_ms": before + after,
                "reference_after": [0] * len(before) + [len(samples)] * len(after),
                **_besides(command, engine, rows, settings, plan, watch),
            }
        )
        before = after
    return {"networks": networks, "snapshots": snapshots, "gpu": watch.report()}


def _reference_ms(command: Trtexec, reference: Path, settings: Settings, plan: Plan, watch: Watch) -> list[float]:
    """A block of reference runs: half of the reference's share, for it runs before and after a network."""
    share = plan.reference_share / 2
    block = plan._replace(seconds=plan.seconds * share, iterations=math.ceil(plan.iterations * share))
    send_stage("reference")
    try:
        return [row["computeMs"] for row in _rows(command, reference, block, settings, watch)]
    except Failure as failure:
        kind = "transient" if failure.kind == "transient" else "device"
        raise Failure(kind, "the reference network: " + failure.text) from failure


def _besides(
    command: Trtexec, engine: Path, rows: list[dict[str, float]], settings: Settings, plan: Plan, watch: Watch
) -> dict[str, Any]:
    """What is known of an engine besides its samples, once they are taken."""
    enqueue = [row["endEnqMs"] - row["startEnqMs"] for row in rows if "endEnqMs" in row]
    found: dict[str, Any] = {"enqueue_ms": enqueue}
    if enqueue and median(enqueue) > ENQUEUE_BOUND * median(row["computeMs"] for row in rows):
        graph = _rows(command, engine, plan, settings, watch, cuda_graph=True)
        found["cuda_graph_ms"] = [row["computeMs"] for row in graph]
    if settings.per_layer:
        found["per_layer_ms"] = _layers_ms(command, engine, settings)
    return found


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """Not to be had.

    Raises:
        Failure: kind device.
    """
    raise Failure("device", "trtexec times engines and gives no images; the backend tensorrt does")


def _command() -> Trtexec:
    return find(os.environ.get("TRTEXEC"))


def _source(command: Trtexec, onnx: OnnxFiles, settings: Settings) -> Path:
    """The file to build from: fp16 comes from a flag until version 10, later from the file."""
    if settings.precision == "fp32" or command.knows("--fp16"):
        return onnx.fp32
    if onnx.fp16 is None:
        raise Failure(
            "device", "trtexec {} builds fp16 from an fp16 ONNX file only, and none came".format(command.version)
        )
    return onnx.fp16


def _optimization_level(command: Trtexec, settings: Settings) -> list[str]:
    option = command.known("--builderOptimizationLevel={}".format(settings.optimization_level))
    if not option and settings.optimization_level != DEFAULT_OPTIMIZATION_LEVEL:
        raise Failure(
            "device",
            "trtexec {} has no optimization levels, 8.6 or newer is needed; set optimization_level: {}".format(
                command.version, DEFAULT_OPTIMIZATION_LEVEL
            ),
        )
    return option


def _workspace(command: Trtexec, settings: Settings) -> list[str]:
    megabytes = settings.workspace_mb
    return command.known("--memPoolSize=workspace:{}".format(megabytes), "--workspace={}".format(megabytes))


def _cache(command: Trtexec, settings: Settings) -> Path | None:
    if not command.knows("--timingCacheFile"):
        return None
    facts = gpu().facts()
    return timing_cache.cache_file(
        settings.cache_folder, str(facts["name"]), str(facts["compute_capability"]), command.version
    )


def _run_options(command: Trtexec, engine: Path, cuda_graph: bool) -> list[str]:
    """Each of the three said outright: version 11 turned all their defaults round."""
    return [
        "--loadEngine={}".format(engine),
        *command.known("--noDataTransfers"),
        *command.known("--useSpinWait"),
        *(command.known("--useCudaGraph") if cuda_graph else command.known("--noCudaGraph")),
    ]


def _rows(
    command: Trtexec,
    engine: Path,
    plan: Plan,
    settings: Settings,
    watch: Watch,
    snapshots: list[dict[str, Any]] | None = None,
    cuda_graph: bool = False,
) -> list[dict[str, float]]:
    """What trtexec exports of each run after the warm-up."""
    warmup_ms = math.ceil(plan.warmup_s * 1e3)

    def look(process: subprocess.Popen[Any]) -> None:
        watch.own(process.pid)
        watch.look()
        if snapshots is not None:
            taken = snapshot()
            snapshots.append({**taken, "own_s": taken["own_s"] + _cpu_s(process.pid)})

    with tempfile.TemporaryDirectory(prefix="nas-sr-trtexec-") as name:
        times = Path(name) / "times.json"
        options = [
            *_run_options(command, engine, cuda_graph),
            "--warmUp={}".format(warmup_ms),
            "--duration={}".format(math.ceil(plan.seconds)),
            "--iterations={}".format(plan.iterations),
            "--exportTimes={}".format(times),
        ]
        command.run(options, "the network does not run", settings.workspace_mb, look)
        try:
            rows: list[dict[str, float]] = json.loads(times.read_text(encoding="utf-8"))
            # Version 8.2 exports the warm-up too; the clock of these times starts with it.
            return [row for row in rows if row["startComputeMs"] >= warmup_ms]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure("device", "trtexec {} left no times to read: {!r}".format(command.version, error)) from error


def _layers_ms(command: Trtexec, engine: Path, settings: Settings) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="nas-sr-trtexec-") as name:
        profile = Path(name) / "profile.json"
        options = [
            *_run_options(command, engine, cuda_graph=False),
            "--dumpProfile",
            *command.known("--separateProfileRun"),
            "--exportProfile={}".format(profile),
        ]
        command.run(options, "the network cannot be profiled", settings.workspace_mb)
        rows = json.loads(profile.read_text(encoding="utf-8"))
    return [{"name": row["name"], "ms": row["averageMs"]} for row in rows if "name" in row]


def _cpu_s(pid: int) -> float:
    """CPU time of the process while it runs, of all ended ones of ours when it does not."""
    try:
        fields = Path("/proc/{}/stat".format(pid)).read_text(encoding="utf-8").rpartition(")")[2].split()
        running = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        running = 0.0
    ended = os.times()
    return running + ended.children_user + ended.children_system
