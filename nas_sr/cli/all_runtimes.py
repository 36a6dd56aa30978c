"""`nas-sr measure ARCH --all-runtimes`: a row for each runtime and precision."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nas_sr.cli.output import print_json
from nas_sr.console import error_console
from nas_sr.names import arch

if TYPE_CHECKING:
    from nas_sr.image_format import Layout
    from nas_sr.measure.all_runtimes import RuntimeRow
    from nas_sr.measure.measurement import Measurement
    from nas_sr.measure.profile import HardwareProfile


def measure_by_all(
    network: str, target: HardwareProfile, *, final: bool, layout: Layout | None, studies: Path, as_json: bool
) -> None:
    """Measures a network, an ARCH or an ONNX file, and prints the rows."""
    from rich.markup import escape

    from nas_sr.measure.all_runtimes import by_all_runtimes
    from nas_sr.measure.latency_cache import Exported, cached_or_measured, cached_or_measured_file

    with ExitStack() as stack:
        own = None if network.endswith(".onnx") else stack.enter_context(Exported(arch(network, studies)))
        shown = stack.enter_context(error_console().status(f"{target.name}: measuring"))  # on a terminal only

        def measured(profile: HardwareProfile) -> Measurement:
            def progress(text: str) -> None:
                shown.update(f"{profile.backends[0]} in {profile.precision}: {escape(text)}")

            if own is not None:
                return cached_or_measured(own, profile, final=final, progress=progress)
            return cached_or_measured_file(Path(network), profile, layout=layout, final=final, progress=progress)

        rows = by_all_runtimes(target, measured)
    if as_json:
        print_json({"network": network, "hw": target.name, "rows": [row.summary() for row in rows]})
        return
    print(f"{network} on {target.name}; relative to the reference network by the same runtime in the same precision")
    print("\n".join(map(_line, rows)))


def _line(row: RuntimeRow) -> str:
    from nas_sr.latency_wording import worded

    name = f"  {row.backend:<12}  {row.precision:<4}"
    if row.latency is None:
        return f"{name}  {'-':>12}  {row.reason}"
    text = worded(row.latency, exact=True)
    notes = f": {'; '.join(text.notes)}" if text.notes else ""
    return f"{name}  {text.figure:>12}  {row.latency.relative_latency:6.3f}  {text.stability}{notes}"
