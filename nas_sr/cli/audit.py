"""`nas-sr audit`: what a study's front is worth after long training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.options import REPORTS, STUDIES
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.audit_record import Audit


def audit(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder."),
    networks: int = typer.Option(10, "--networks", min=3, help="Candidates to train: the front, then what is nearest."),
    times: int = typer.Option(
        None,
        "--times",
        min=2,
        help="Length of each training, as a multiple of the study's.  [default: 10, or the longest rung]",
    ),
    seeds: int = typer.Option(3, "--seeds", min=1, help="Seeds for each, none of which the search has used."),
    hw: str = typer.Option(None, "--hw", help="Whose front it is.  [default: the study's first target]"),
    cpus: float = typer.Option(1, "--cpus-per-trial", min=0.01, help="Cores for each training."),
    gpus: float = typer.Option(None, "--gpus-per-trial", min=0, help="GPUs (or a share of one) for each training."),
    studies: Path = STUDIES,
    reports: Path = REPORTS,
    as_json: bool = JSON,
) -> None:
    """Trains a study's front, and what is around it, much longer: how good was the search?

    Prints the front's regret in dB at equal latency, how well the search's PSNR ranks, and each network's probability
    of being on the true front. These trainings then count in the study. The same command continues what was stopped.

    \b
        nas-sr audit camera
        nas-sr audit camera --networks 12 --times 20 --seeds 5
    """
    from functools import partial

    from nas_sr.cli.report import write_report_files
    from nas_sr.console import counted, error_console
    from nas_sr.search.audit import audit_study
    from nas_sr.search.store import study_folder
    from nas_sr.search.tune import Resources

    folder, resources = study_folder(study, studies), Resources.asked(cpus, gpus)
    packing = partial(counted, "packing images")
    records = audit_study(folder, hw, networks, times, seeds, resources, error_console(), packing)
    files = write_report_files(records, reports)
    found = next(record.audit for record in records if record.target == (hw or records[0].target))
    assert found is not None
    if as_json:
        print_json({"study": records[0].name, **found.model_dump(), "report": files["html"]})
        return
    _print(found)
    print(f"report: {files['html']}")


def _print(found: Audit) -> None:
    from nas_sr.audit_wording import HEADINGS, rows, sentences

    table = [HEADINGS, *rows(found)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\n".join(sentences(found)))
