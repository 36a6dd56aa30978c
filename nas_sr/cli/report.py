"""`nas-sr report`: a study's page and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.fronts import front_rows
from nas_sr.cli.options import REPORTS, STUDIES
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.records import StudyRecord


def report(
    study: list[str] = typer.Argument(..., metavar="STUDY...", help="Names or folders of studies."),
    studies: Path = STUDIES,
    reports: Path = REPORTS,
    as_json: bool = JSON,
) -> None:
    """Writes a study's page and tables.

    reports/STUDY/index.html is one file and works offline; trials.csv and pareto.csv lie beside it. Of several studies
    it is the page of the first, with the fronts of the others laid over its own, in reports/A+B.

    \b
        nas-sr report cpu-imdeception_x4
        nas-sr report camera-cpu camera-board
    """
    from nas_sr.errors import UsageError
    from nas_sr.search.store import StudyStore, study_folder

    folders = [study_folder(name, studies) for name in study]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"report: a study is named twice: {' '.join(study)}")
    records, *others = [StudyStore.read(folder).report_records() for folder in folders]
    files = write_report_files(records, reports, [each for other in others for each in other])
    if as_json:
        print_json(
            {**files, "front": front_rows(records[0]), "fronts": {each.target: front_rows(each) for each in records}}
        )
        return
    print(files["html"])
    print("\n".join(files["csv"]))


def write_report_files(studies: list[StudyRecord], reports: Path, others: Sequence[StudyRecord] = ()) -> dict[str, Any]:
    """Writes the page and the tables of a study on each of its targets; their paths, as JSON has them."""
    from nas_sr.report.write import write_report

    folder = "+".join(dict.fromkeys(each.name for each in (studies[0], *others)))
    files = write_report(studies, reports / folder, others)
    return {"html": str(files.html), "csv": [str(files.csv), str(files.pareto_csv)]}
