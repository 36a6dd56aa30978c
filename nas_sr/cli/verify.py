"""`nas-sr verify`: whether a bundle still is what was written."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.output import JSON, print_json


def verify(
    bundle: Path = typer.Argument(..., metavar="BUNDLE", help="A folder written by `nas-sr export`."),
    hw: str = typer.Option(None, "--hw", help="Measure the latency again on this target."),
    as_json: bool = JSON,
) -> None:
    """Rechecks a bundle: checksums, counts, and what every runtime that is installed makes of its files.

    Exit status 1 when anything fails. What could not be checked here is said and does not fail.

    \b
        nas-sr verify bundles/camera
        nas-sr verify bundles/camera --hw cpu
    """
    from rich.markup import escape

    from nas_sr.console import error_console
    from nas_sr.export.verify import verify as run_verify

    with error_console().status(f"{escape(str(bundle))}: checking") as shown:  # on a terminal only
        checks = run_verify(bundle, hw, lambda text: shown.update(f"{escape(str(bundle))}: {escape(text)}"))
    failed = [check for check in checks if check.status == "failed"]
    if as_json:
        print_json({"bundle": str(bundle), "ok": not failed, "checks": [check._asdict() for check in checks]})
    else:
        widths = [max(len(check[column]) for check in checks) for column in (0, 3)]
        for check in checks:
            print(f"{check.status:<7}  {check.what:<{widths[0]}}  {check.by:<{widths[1]}}  {check.text}".rstrip())
        skipped = sorted({check.by for check in checks if check.status == "skipped" and check.by})
        without = f"; without {', '.join(skipped)}" if skipped else ""
        print(f"{len(failed)} of {len(checks)} checks failed{without}")
    if failed:
        raise typer.Exit(1)
