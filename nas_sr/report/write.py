"""Writes a study's report: one HTML file and two CSV files, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nas_sr.files import replacing, writable_folder
from nas_sr.records import StudyRecord
from nas_sr.report.data.trial_frames import pareto_frame, trials_frame
from nas_sr.report.page import page


class ReportFiles(NamedTuple):
    """What was written."""

    html: Path
    csv: Path  # every trial on every target
    pareto_csv: Path  # the fronts, fastest first


def write_report(studies: list[StudyRecord], folder: Path, others: Sequence[StudyRecord] = ()) -> ReportFiles:
    """Writes index.html, trials.csv and pareto.csv into `folder`; what lies there is replaced.

    Args:
        studies: the study on each of its targets, its first one first; the page opens on that.
        folder: where to; the study's name is not used for paths, as it may be anything.
        others: other studies, each on one of its targets, whose fronts are laid over that study's.

    Raises:
        UsageError: the folder cannot be written to.
    """
    writable_folder(folder)
    files = ReportFiles(folder / "index.html", folder / "trials.csv", folder / "pareto.csv")
    texts = {
        files.html: page(studies, folder.parent, others),
        files.csv: trials_frame(studies).to_csv(index=False),
        files.pareto_csv: pareto_frame(studies).to_csv(index=False),
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return files
