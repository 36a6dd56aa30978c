"""`nas-sr show`: a study's front and a network of it, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.fronts import front_rows, print_front
from nas_sr.cli.options import STUDIES
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.records import StudyRecord


def show(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder."),
    max_latency: float = typer.Option(None, "--max-latency", metavar="MS", help="The best PSNR that is this fast."),
    min_psnr: float = typer.Option(None, "--min-psnr", metavar="DB", help="The fastest that is this good."),
    limit: list[str] = typer.Option(
        None, "--limit", metavar="NAME=VALUE", help="Only of those within it; alone: the best PSNR of them."
    ),
    hw: str = typer.Option(None, "--hw", help="Whose latency and front count.  [default: the study's first target]"),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Shows a study's front and the network to take, which is its knee without a limit.

    It chooses as `nas-sr export` does, and says how sure the study is and which networks it cannot tell from that one.

    \b
        nas-sr show cpu-imdeception_x4
        nas-sr show cpu-imdeception_x4 --max-latency 40
        nas-sr show cpu-imdeception_x4 --limit memory_mb=20 --json
    """
    from nas_sr.errors import UsageError
    from nas_sr.export import choose
    from nas_sr.names import study_record
    from nas_sr.objectives import parse_limits

    if max_latency is not None and min_psnr is not None:
        raise UsageError("show takes --max-latency MS or --min-psnr DB, not both")
    limits = parse_limits(limit or ())
    record = study_record(study, studies, hw)
    chosen = choose.by_rule(record, limits, max_latency, min_psnr, knee=not limits)
    if as_json:
        print_json(_as_json(record, chosen.number))
    else:
        _print(record, chosen.number)


def _as_json(record: StudyRecord, chosen: int) -> dict[str, object]:
    from nas_sr.report.data.decision import cards, decision

    found = decision(record)
    assert found is not None  # else nothing could be chosen
    choice = next(each for each in found.choices if each.trial == chosen)
    card = next(each for each in cards(record) if each.trial.number == chosen)
    front = front_rows(record)
    return {
        "study": record.name,
        "target": record.target,
        "chosen": {
            **next(row for row in front if row["trial"] == chosen),
            "psnr_error": card.psnr_error,
            "objectives": choice.values,
            "ties": list(choice.ties),
            "commands": dict(card.commands),
        },
        "front": front,
    }


def _print(record: StudyRecord, chosen: int) -> None:
    import shutil
    import sys

    from nas_sr.report.charts.text_chart import ASCII, UNICODE, text_chart
    from nas_sr.report.data.decision import cards, decision, tied_sentence
    from nas_sr.report.data.front_info import front_info

    found = decision(record)
    assert found is not None  # else nothing could be chosen
    try:
        "".join(UNICODE).encode(sys.stdout.encoding or "ascii")
        marks = UNICODE
    except UnicodeEncodeError:
        marks = ASCII
    width = min(shutil.get_terminal_size((80, 24)).columns, 120)
    print(text_chart(front_info(record), chosen, width, marks=marks))
    print()
    print_front(record)
    card = next(each for each in cards(record) if each.trial.number == chosen)
    choice = next(each for each in found.choices if each.trial == chosen)
    latency = card.latency
    stability = f", {latency.stability}" if latency.stability else ""
    print(f"\ntrial {chosen}: {card.trial.psnr_db:.3f} dB, {latency.figure} {latency.kind}")
    print(f"  PSNR: {card.psnr_error}")
    if latency.spread:
        print(f"  latency: {latency.spread}{stability}; {card.setup}")
    for line in (*latency.lines, *latency.notes):
        print(f"  {line}")
    print("  " + ", ".join(f"{name} {text}" for name, text in card.values))
    if choice.ties:
        print(f"  {tied_sentence((chosen, *choice.ties), found.tied)}")
    for what, text in card.commands:
        print(f"{what.lower()}: {text}")
