"""A program that takes trtexec's arguments as one version of it does, and measures nothing.

The options of each version are those of its help in NVIDIA's public samples (samples/common/sampleOptions.cpp).
$LIKE names the version, $CALLS a file that gets one JSON line of arguments a call, $FAIL_ON a part of an argument at
which it fails and $SAYS what it says then.
"""

import json
import os
import sys
import time
from pathlib import Path

COMMON = ["--onnx", "--saveEngine", "--loadEngine", "--exportLayerInfo", "--timingCacheFile", "--warmUp", "--duration"]
COMMON += ["--iterations", "--exportTimes", "--exportProfile", "--dumpProfile", "--noDataTransfers", "--useSpinWait"]
COMMON += ["--useCudaGraph", "--separateProfileRun", "--help"]
VERSIONS = {
    "8201": ["--workspace", "--nvtxMode", "--buildOnly", "--fp16"],
    "8502": ["--workspace", "--memPoolSize", "--profilingVerbosity", "--nvtxMode", "--buildOnly", "--fp16"],
    "8601": ["--memPoolSize", "--profilingVerbosity", "--skipInference", "--fp16", "--builderOptimizationLevel"],
    "100300": ["--memPoolSize", "--profilingVerbosity", "--skipInference", "--fp16", "--builderOptimizationLevel"],
    "110400": [
        "--memPoolSize",
        "--profilingVerbosity",
        "--skipInference",
        "--noCudaGraph",
        "--builderOptimizationLevel",
    ],
}
LIKE = os.environ["LIKE"]
KNOWN = COMMON + VERSIONS[LIKE]
WARM_UP_IN_TIMES = "8201"


def main(arguments: list) -> int:
    options = dict(([*argument.split("=", 1), ""])[:2] for argument in arguments)
    print("&&&& RUNNING TensorRT.trtexec [TensorRT v{}] # trtexec {}".format(LIKE, " ".join(arguments)))
    if "--help" in options:
        print("=== Options ===\n" + "".join("  {:34} says what it does\n".format(option + "=x") for option in KNOWN))
        return 0
    with open(os.environ["CALLS"], "a", encoding="utf-8") as calls:
        calls.write(json.dumps(arguments) + "\n")
    for option in options:
        if option not in KNOWN:
            print(f"[11/22/2026-19:00:00] [E] Unknown option: {option} {options[option]}", file=sys.stderr)
            return 1
    if os.environ.get("FAIL_ON") and any(os.environ["FAIL_ON"] in argument for argument in arguments):
        print(os.environ["SAYS"], file=sys.stderr)
        return 1
    print("[11/22/2026-19:00:00] [W] [TRT] a warning")
    return run(options) if "--loadEngine" in options else build(options)


def build(options: dict) -> int:
    network = Path(options["--onnx"]).read_bytes()
    Path(options["--saveEngine"]).write_bytes(b"engine of " + network)
    layers = [{"Name": "/conv/Conv + /Relu", "LayerType": "CaskConvolution", "TacticName": "sm75_xmma_fprop"}]
    Path(options["--exportLayerInfo"]).write_text(json.dumps({"Layers": layers, "Bindings": ["input"]}))
    cache = Path(options.get("--timingCacheFile", os.devnull))
    if cache != Path(os.devnull):
        cache.write_bytes((cache.read_bytes() if cache.is_file() else b"") + b"timed")
    return 0


def run(options: dict) -> int:
    """Writes times; a run takes as many ms as its engine's last byte says. Ends without any GPU at once."""
    compute_ms = float(Path(options["--loadEngine"]).read_bytes()[-1])
    graph = "--noCudaGraph" not in options if "--noCudaGraph" in KNOWN else "--useCudaGraph" in options
    enqueue_ms = 0.1 if graph else 4.0
    warm_up_ms = float(options.get("--warmUp", 200))
    rows = []
    at = 0.0
    while len([row for row in rows if row["startComputeMs"] >= warm_up_ms]) < int(options.get("--iterations", 10)):
        taken = compute_ms * (10 if at < warm_up_ms else 1)
        rows.append({"startEnqMs": at, "endEnqMs": at + enqueue_ms, "startComputeMs": at, "endComputeMs": at + taken})
        rows[-1]["computeMs"] = taken
        at += taken
    if LIKE != WARM_UP_IN_TIMES:
        rows = [row for row in rows if row["startComputeMs"] >= warm_up_ms]
    if "--exportTimes" in options:
        time.sleep(float(os.environ.get("TAKES_S", "0")))
        Path(options["--exportTimes"]).write_text(json.dumps(rows))
    if "--exportProfile" in options:
        layers = [{"name": "/conv/Conv", "timeMs": 3.0, "averageMs": 1.5, "percentage": 75.0}]
        Path(options["--exportProfile"]).write_text(json.dumps([{"count": 2}, *layers]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
