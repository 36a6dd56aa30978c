"""The audit of a study on one target, as the page shows it."""

from __future__ import annotations

from typing import NamedTuple

from nas_sr.audit_wording import HEADINGS, rows, sentences
from nas_sr.records import StudyRecord


class AuditInfo(NamedTuple):
    """A table and the sentences under it."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]


def audit_info(study: StudyRecord) -> AuditInfo | None:
    """None where there was no audit."""
    if study.audit is None:
        return None
    return AuditInfo(HEADINGS, tuple(rows(study.audit)), tuple(sentences(study.audit)))
