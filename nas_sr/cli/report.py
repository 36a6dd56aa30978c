"""`nas-sr report`: a study's page and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.fronts import front_rows
from nas_sr.cli.options import REPORTS, STUDIES
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.records import StudyRecord


def report(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder."),
    studies: Path = STUDIES,
    reports: Path = REPORTS,
    as_json: bool = JSON,
) -> None:
    """Writes a study's page and tables.

    reports/STUDY/index.html is one file and works offline; trials.csv and pareto.csv lie beside it.

    \b
        nas-sr report cpu-imdeception_x4
    """
    from nas_sr.search.store import StudyStore, study_folder

    records = StudyStore.read(study_folder(study, studies)).report_records()
    files = write_report_files(records, reports)
    if as_json:
        print_json(
            {**files, "front": front_rows(records[0]), "fronts": {each.target: front_rows(each) for each in records}}
        )
        return
    print(files["html"])
    print("\n".join(files["csv"]))


def write_report_files(studies: list[StudyRecord], reports: Path) -> dict[str, Any]:
    """Writes the page and the tables of a study on each of its targets; their paths, as JSON has them."""
    from nas_sr.report.write import write_report

    files = write_report(studies, reports / studies[0].name)
    return {"html": str(files.html), "csv": [str(files.csv), str(files.pareto_csv)]}
