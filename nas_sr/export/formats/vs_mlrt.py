"""VapourSynth's vs-mlrt: an fp32 ONNX file for any frame, and a script that runs it.

vs-mlrt makes fp16 of it itself, and engines for the GPU that is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from nas_sr.export.formats.base import Check, Destination, Run, Source, Target, output_by_backend
from nas_sr.export.formats.conventions import violations

_SCRIPT = """\
# {name} in VapourSynth by vs-mlrt. {tiles}
import vapoursynth as vs
from vsmlrt import Backend, inference

core = vs.core
clip = core.std.BlankClip(width=640, height=360, format=vs.RGB24, length=1)  # yours; RGB, full range
clip = core.resize.Bicubic(clip, format=vs.RGBS)
large = inference(
    [clip],
    network_path=r"{file}",  # give the whole path
    overlap=({overlap}, {overlap}),
    tilesize=(clip.width, clip.height),
    backend=Backend.TRT(fp16=True),  # or Backend.ORT_CPU(), Backend.OV_CPU(), Backend.ORT_CUDA(fp16=True)
)
large = core.std.Expr(large, "x 0 max 1 min")  # the network does not clamp
large.set_output()
"""


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    from nas_sr.families.registry import family_of

    file = f"{source.name}.onnx"
    shutil.copyfile(source.dynamic, folder / file)
    layers = family_of(source.spec).layers(source.spec)
    if layers.step > 1:
        tiles = f"Whole frames: tiles must begin on multiples of {layers.step} pixels, as attention windows do."
    else:
        tiles = f"In tiles (tilesize), an overlap of {layers.reach} gives the pixels of the whole frame."
    overlap = 0 if layers.step > 1 else layers.reach
    script = _SCRIPT.format(name=source.name, file=file, tiles=tiles, overlap=overlap)
    (folder / f"{source.name}.vpy").write_text(script)


def runs(folder: Path) -> list[Run]:
    """See Destination."""
    return [Run(path.name, "onnxruntime") for path in sorted(folder.glob("*.onnx"))]


def checks(folder: Path, target: Target) -> Iterator[Check]:
    """Its conventions."""
    for path in sorted(folder.glob("*.onnx")):
        yield convention_check(path, f"vs-mlrt/{path.name}", "conventions of vs-mlrt")


def convention_check(path: Path, what: str, by: str) -> Check:
    """Whether a file of ours, whose name begins with its scale, keeps the conventions."""
    broken = list(violations(path, int(path.name.split("x")[0])))
    text = "; ".join(broken) or "one fp32 image (1, 3, height, width) called input, one output, any size"
    return Check(what, "failed" if broken else "ok", text, by)


DESTINATION = Destination("VapourSynth's vs-mlrt", write, runs, output_by_backend, checks=checks)
