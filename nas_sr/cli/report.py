"""`nas-sr report`: a study's page and tables."""

from __future__ import annotations

import re
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
    png: bool = typer.Option(False, "--png", help="Also the front as a picture of 300 dpi, front.png."),
    svg: bool = typer.Option(False, "--svg", help="Also the front as front.svg, for papers."),
    pdf: bool = typer.Option(False, "--pdf", help="Also the front as front.pdf, for papers."),
    serve: bool = typer.Option(False, "--serve", help="Follow a running search in a browser on this machine."),
    as_json: bool = JSON,
) -> None:
    """Writes a study's page and tables.

    reports/STUDY/index.html is one file and works offline; trials.csv and pareto.csv lie beside it. Of several studies
    it is the page of the first, with the fronts of the others laid over its own, in reports/A+B.

    \b
        nas-sr report cpu-imdeception_x4
        nas-sr report camera-cpu camera-board
        nas-sr report cpu-imdeception_x4 --pdf
    """
    from nas_sr.errors import UsageError
    from nas_sr.search.store import StudyStore, study_folder

    kinds = [kind for kind, wanted in {"png": png, "svg": svg, "pdf": pdf}.items() if wanted]
    if kinds:
        from nas_sr.report.figure import require_matplotlib

        require_matplotlib()
    folders = [study_folder(name, studies) for name in study]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"report: a study is named twice: {' '.join(study)}")
    if serve:
        if kinds or as_json or len(folders) > 1:
            raise UsageError("report --serve takes one study, and none of --png, --svg, --pdf and --json")
        _serve(folders[0], reports)
        return
    records, *others = [StudyStore.read(folder).report_records() for folder in folders]
    fronts = [each for other in others for each in other]
    files = write_report_files(records, reports, fronts)
    figures = _write_figures(records, fronts, Path(files["html"]).parent, kinds)
    if as_json:
        fronts_by_target = {each.target: front_rows(each) for each in records}
        print_json({**files, "figures": figures, "front": front_rows(records[0]), "fronts": fronts_by_target})
        return
    print(files["html"])
    print("\n".join([*files["csv"], *figures]))


def write_report_files(studies: list[StudyRecord], reports: Path, others: Sequence[StudyRecord] = ()) -> dict[str, Any]:
    """Writes the page and the tables of a study on each of its targets; their paths, as JSON has them."""
    from nas_sr.report.write import write_report

    named = dict.fromkeys((each.name, each.study_dir) for each in (studies[0], *others))
    folder = "+".join(name for name, _ in named)
    files = write_report(studies, reports / folder, others)
    return {"html": str(files.html), "csv": [str(files.csv), str(files.pareto_csv)]}


def _serve(folder: Path, reports: Path) -> None:
    """Until somebody presses Ctrl-C."""
    from nas_sr.report.live import LivePage
    from nas_sr.report.page import page
    from nas_sr.search.store import JOURNAL, StudyStore

    StudyStore.read(folder)  # what is no study is said here, not in a browser
    server = LivePage(
        lambda: page(StudyStore.read(folder).report_records(), reports, live=True),
        lambda: str((folder / JOURNAL).stat().st_size),
    )
    print(f"{server.address}\nfollows {folder} until Ctrl-C; only this machine can open it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _write_figures(
    studies: list[StudyRecord], others: Sequence[StudyRecord], folder: Path, kinds: Sequence[str]
) -> list[str]:
    """The front of each target, which the name tells where there are several; nothing of one that is empty."""
    from nas_sr.report.data.front_info import front_info
    from nas_sr.report.figure import write_figure

    written = []
    for place, study in enumerate(studies):
        name = "front" if place == 0 else f"front-{re.sub(r'[^A-Za-z0-9._-]', '_', study.target)}"
        for kind in kinds if study.front else ():
            write_figure(front_info(study, others), folder / f"{name}.{kind}")
            written.append(str(folder / f"{name}.{kind}"))
    return written
