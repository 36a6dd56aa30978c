"""`nas-sr retarget`: a study's front on another device."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.fronts import front_rows, print_front, print_next
from nas_sr.cli.options import NEW_EPOCH, REPORTS, STUDIES
from nas_sr.cli.output import JSON, print_json


def retarget(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder."),
    hw: str = typer.Option(..., "--hw", help="The further target: a hardware profile's name or file."),
    new_epoch: bool = NEW_EPOCH,
    studies: Path = STUDIES,
    reports: Path = REPORTS,
    as_json: bool = JSON,
) -> None:
    """A study's front on another device, in minutes.

    Every trained network keeps its PSNR and gets a latency on the other target; the report then shows both fronts.

    \b
        nas-sr retarget cpu-imdeception_x4 --hw my_xavier.yaml
    """
    from nas_sr.cli.report import write_report_files
    from nas_sr.console import error_console
    from nas_sr.errors import WorkError
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.names import absolute
    from nas_sr.search.retargeting import retarget as run_retarget
    from nas_sr.search.store import StudyStore, study_folder

    folder = study_folder(study, studies)
    try:
        record = run_retarget(folder, absolute(hw) or hw, error_console(), new_epoch)
    except MeasurementFailed as failure:
        raise WorkError(f"{failure}; what was measured is kept") from None
    files = write_report_files(StudyStore.read(folder).report_records(), reports)
    if as_json:
        print_json(
            {"study": record.name, "target": record.target, "front": front_rows(record), "report": files["html"]}
        )
        return
    print_front(record)
    print(f"report: {files['html']}")
    print_next(record)
