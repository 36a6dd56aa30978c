"""`nas-sr measure`: the latency of one network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.all_runtimes import measure_by_all
from nas_sr.cli.options import ARCH_HELP, LAYOUT, RANGE, STUDIES
from nas_sr.cli.output import JSON, print_json
from nas_sr.command_line import command, studies_option
from nas_sr.console import error_console

if TYPE_CHECKING:
    from nas_sr.image_format import Layout
    from nas_sr.latency import Latency
    from nas_sr.measure.profile import HardwareProfile
    from nas_sr.records import Baseline


def measure(
    network: str = typer.Argument(None, metavar="ARCH_OR_ONNX", help=f"{ARCH_HELP} Or any ONNX file."),
    hw: str = typer.Option(
        None, "--hw", help="A hardware profile (`nas-sr hw list`) or a path to one.  [default: cpu, or --study's first]"
    ),
    final: bool = typer.Option(False, "--final", help="With the profile's fresh builds and fresh processes."),
    layers: bool = typer.Option(False, "--layers", help="With the time of each layer, where the backend can tell."),
    build_only: bool = typer.Option(
        False, "--build-only", help="Only build the engine, with TensorRT for RTX; needs no GPU."
    ),
    sm: str = typer.Option(None, "--sm", metavar="CC", help="Compute capability to build for, as 75 or 8.6."),
    as_name: str = typer.Option(
        None, "--as", metavar="NAME", help="Show an ONNX file in --study's report by this name."
    ),
    study: str = typer.Option(None, "--study", metavar="STUDY", help="The study that --as or --again is for."),
    again: bool = typer.Option(
        False, "--again", help="Measure again what --study is in doubt about; names no network."
    ),
    all_runtimes: bool = typer.Option(
        False, "--all-runtimes", help="By every runtime that the device may have, in each precision."
    ),
    layout: str = LAYOUT,
    value_range: int = RANGE,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Latency of one network, really measured; predicted, and called so, where the device does not answer.

    A stable earlier measurement of the same network on the same target is reused. An ONNX file takes one RGB image,
    fp32, fp16 or uint8, channels first or last; a size that it leaves open is the profile's. With --as, a file whose
    output is far below bicubic is tried with values in 0..255 and with BGR, unless --range says.

    \b
        nas-sr measure imdeception-c8 --hw cpu
        nas-sr measure imdeception-c8 --hw cpu --all-runtimes
        nas-sr measure other_network.onnx --hw cpu --json
        nas-sr measure other_network.onnx --as EDSR --study cpu-imdeception_x4
        nas-sr measure --study cpu-imdeception_x4 --again
        nas-sr measure imdeception-c8 --build-only --sm 75
    """
    from rich.markup import escape

    from nas_sr import api
    from nas_sr.errors import UsageError, WorkError
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.measure.profile import profile
    from nas_sr.names import layout_named, white_named

    if again:
        if study is None or network is not None or as_name is not None:
            raise UsageError("--again goes with --study STUDY, and names no network")
        _retaken(study, hw, studies, as_json)
        return
    if network is None:
        raise UsageError("measure needs ARCH_OR_ONNX: a preset's name, a spec file, STUDY:TRIAL or an ONNX file")
    is_file = network.endswith(".onnx")
    if (as_name is None) != (study is None) or (as_name is not None and not is_file):
        raise UsageError("--as NAME goes with --study STUDY and an ONNX file")
    if not is_file and (layout or value_range):
        raise UsageError("--layout and --range go with an ONNX file")
    as_stored, white = layout_named(layout), white_named(value_range)
    if (sm is None) == build_only:
        raise UsageError("--sm CC goes with --build-only: a latency is measured on the GPU that is there")
    if build_only:
        _build_only(network, sm, profile(hw) if hw else None, as_stored, studies, as_json)
        return
    target = profile(hw or _first_target(study, studies))
    if all_runtimes:
        if as_name is not None or layers:
            raise UsageError("--all-runtimes goes with neither --as nor --layers")
        measure_by_all(network, target, final=final, layout=as_stored, studies=studies, as_json=as_json)
        return
    beside: dict[str, Any] = {}
    try:
        with error_console().status(f"{target.name}: measuring") as shown:  # on a terminal only

            def progress(text: str) -> None:
                shown.update(f"{target.name}: {escape(text)}")

            if as_name is not None and study is not None:
                baseline = _compared(network, target, as_name, study, studies, as_stored, white, as_json)
                found, beside = baseline.latency, baseline.model_dump(exclude={"latency"})
            else:
                found = api.measure(
                    network, hw or "cpu", final=final, layers=layers, layout=layout, studies=studies, progress=progress
                )
    except MeasurementFailed as error:
        raise WorkError(f"{network} on {target.name}: {error}") from None
    if as_json:
        print_json({**found.summary(), **(found.extra if found.kind == "measured" else {}), **beside})
        return
    _print_latency(found)


def _retaken(study: str, hw: str | None, studies: Path, as_json: bool) -> None:
    """Measures again what a study is in doubt about, on one of its targets."""
    from nas_sr.cli.fronts import front_rows, print_front
    from nas_sr.errors import WorkError
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.search.remeasure import retake
    from nas_sr.search.store import study_folder

    try:
        record = retake(study_folder(study, studies), hw, error_console())
    except MeasurementFailed as failure:
        raise WorkError(f"{failure}; what was measured is kept") from None
    if as_json:
        print_json({"study": record.name, "target": record.target, "front": front_rows(record)})
        return
    print_front(record)


def _first_target(study: str | None, studies: Path) -> str:
    from nas_sr.search.store import StudyStore, study_folder

    return StudyStore.read(study_folder(study, studies)).config.hw[0] if study else "cpu"


def _compared(
    network: str,
    target: HardwareProfile,
    name: str,
    study: str,
    studies: Path,
    layout: Layout | None,
    value_range: int | None,
    as_json: bool,
) -> Baseline:
    from nas_sr.search.baselines import add_baseline
    from nas_sr.search.store import StudyStore, study_folder

    folder = study_folder(study, studies)
    store = StudyStore.open(folder)
    baseline = add_baseline(store, name, Path(network), target, layout=layout, value_range=value_range)
    if baseline.note:
        error_console().print(f"{name}: {baseline.note}", markup=False, highlight=False, soft_wrap=True)
    if not as_json:
        report = command("report", folder.name, options=studies_option(folder))
        print(f"{name}: {baseline.psnr_db:.3f} dB on the study's validation images; `{report}` shows it")
    return baseline


def _build_only(
    network: str, sm: str, target: HardwareProfile | None, layout: Layout | None, studies: Path, as_json: bool
) -> None:
    """For the GPU of that compute capability, at the profile's size and precision or at the paper's."""
    import re
    import tempfile

    from nas_sr.errors import UsageError
    from nas_sr.measure.ahead_of_time import build_ahead
    from nas_sr.measure.onnx_export import export_untrained
    from nas_sr.measure.profile import profile
    from nas_sr.names import arch
    from nas_sr.onnx_file import read_onnx
    from nas_sr.onnx_input import image_input

    capability = sm if "." in sm else f"{sm[:-1]}.{sm[-1:]}"
    if not re.fullmatch(r"\d+\.\d", capability):
        raise UsageError(f"--sm must be a compute capability such as 75 or 8.6, but got '{sm}'")
    target = target or profile("rtx2080")
    size = target.lr_height, target.lr_width
    with tempfile.TemporaryDirectory(prefix="nas-sr-build-") as folder:
        path = Path(network)
        if network.endswith(".onnx"):
            image = image_input(read_onnx(path).model, network, layout)
            size = image.height or size[0], image.width or size[1]
        else:
            path = Path(folder) / "network.onnx"
            export_untrained(arch(network, studies), path, size)
        built = build_ahead(path, capability, target.precision, *size, layout=layout)
    if as_json:
        print_json({"kernels": built.kernels, **built.model_dump(mode="json")})
        return
    print(
        f"built with {built.backend} for compute capability {built.compute_capability}, {built.precision}, LR input"
        f" {built.lr_width}x{built.lr_height}: {built.kernels} kernels, {built.engine_bytes:,} bytes,"
        f" {built.build_s:.2f} s. Nothing was timed"
    )
    for warning in built.warnings:
        print(f"  {warning}")


def _print_latency(found: Latency) -> None:
    from nas_sr.latency_wording import setup, variation, worded

    text = worded(found, exact=True)
    stability = f", {text.stability}" if text.stability else ""
    print(f"{text.figure} {text.kind} ({setup(found)}{stability})")
    taken = [text.samples, variation(found)] if found.kind == "measured" else []
    print("\n".join(f"  {line}" for line in (text.spread, *taken, *text.lines, *text.notes)))
    for layer in found.extra.get("per_layer_ms", ()) if found.kind == "measured" else ():
        print(f"  {layer['ms']:9.4f} ms  {layer['name']}")
