"""The GPU that is here as a target, its shortened protocol, and the networks that are timed on it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.attempts import Network, measure
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.profile import HardwareProfile, profile
from nas_sr.space import read_space

# That of a GPU, with a window that is long enough for a few readings, and nothing taken again.
BRIEF = {
    "warmup_s": 0.5,
    "warmup_iterations": 20,
    "seconds": 2.0,
    "iterations": 50,
    "retries": 0,
    "limit_s": 120,
    "build_limit_s": 240,
    "final_builds": 2,
    "final_runs": 2,
}
SMALL = ImdeceptionSpec(core=4, gidbs=2, depth=2, head=16, nla_after=(1,))


def written(folder: Path, backends: Sequence[str], lr_size: tuple[int, int] = (256, 512), **protocol: Any) -> Path:
    """A profile file of the GPU that is here, whichever it is: a shipped one without what it says of its own GPU."""
    path = folder / "this-gpu.yaml"
    value = {
        "extends": "rtx2080",
        "name": "this-gpu",
        "title": "the GPU of this machine",
        "backends": list(backends),
        "tensorrt": [],
        "gpu": None,
        "facts": None,
        "clocks": None,
        "lr_height": lr_size[0],
        "lr_width": lr_size[1],
        "protocol": {**BRIEF, **protocol},
    }
    path.write_text(yaml.safe_dump(value))
    return path


def this_gpu(backend: str, lr_size: tuple[int, int] = (256, 512), **protocol: Any) -> HardwareProfile:
    """That profile for one backend."""
    with tempfile.TemporaryDirectory() as folder:
        return profile(str(written(Path(folder), [backend], lr_size, **protocol)))


def networks() -> list[ImdeceptionSpec]:
    """The paper's presets, and two members of the shipped space drawn at random."""
    space = read_space("imdeception_x4")
    digests = random.Random(20220619).sample(sorted(space.architectures), 2)
    return [*IMDECEPTION.presets.values(), *(space.spec(space.architectures[digest]) for digest in digests)]


def timed(spec: ImdeceptionSpec, hardware: HardwareProfile, **how: Any) -> Measurement:
    """A network's latency, taken now: no cache is asked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_untrained(spec, path, (hardware.lr_height, hardware.lr_width))
        return measure([Network(spec.digest, path)], hardware, **how)[0]
