"""`nas-sr logs`: what happened in a study, or everything about one of its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.options import STUDIES
from nas_sr.cli.output import JSON, print_json


def logs(
    study: str = typer.Argument(..., help="Name of a study, or the path of its folder."),
    trial: int = typer.Option(None, "--trial", min=0, help="Everything about this one."),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """What happened in a study's searches, or everything about one trial.

    \b
        nas-sr logs cpu-imdeception_x4
        nas-sr logs cpu-imdeception_x4 --trial 7
    """
    from nas_sr.search.store import StudyStore, find_trial, study_folder
    from nas_sr.search.study_log import read_log

    folder = study_folder(study, studies)
    store = StudyStore.read(folder)
    if trial is None:
        events = read_log(folder)
        if as_json:
            print_json({"study": folder.name, "events": events})
        for event in [] if as_json else events:
            print(_line(event))
        return
    found = find_trial(store.record(), trial)
    evaluated = trial if found.repeats is None else found.repeats
    about, events = trial_facts(store.trial_folder(evaluated)), read_log(folder, evaluated)
    if as_json:
        print_json({"study": folder.name, "trial": found.model_dump(mode="json"), "events": events, **about})
        return
    print(f"trial {trial} of {folder}: {found.spec.label()}, {found.state}")
    for name, text in {
        "reason": found.reason,
        "parameters": ", ".join(f"{key} {value}" for key, value in found.params.items()),
        "repeats": "" if found.repeats is None else f"trial {found.repeats}, whose figures these are",
        "PSNR": "" if found.psnr_db is None else f"{found.psnr_db:.3f} dB",
        "validations": ", ".join(f"step {point.step} {point.psnr_db:.3f} dB" for point in found.curve),
        "further trainings": ", ".join(
            f"{each.steps} steps from seed {each.seed}: "
            + (f"{each.psnr_db:.3f} dB" if each.psnr_db is not None else each.reason)
            for each in found.scores
        ),
    }.items():
        if text:
            print(f"  {name}: {text}")
    if found.latency is not None:
        from nas_sr.latency_wording import worded

        latency = worded(found.latency, exact=True)
        notes = "".join(f"; {note}" for note in latency.notes)
        print(f"  latency: {latency.figure}, {latency.stability}{notes}")
    if about["seconds"]:
        print("  time: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in about["seconds"].items()))
    print(f"  files in {about['folder']}: {', '.join(about['files']) or 'none'}")
    for event in events:
        print(f"  {_line(event)}")
    if about["traceback"]:
        print(about["traceback"])


def trial_facts(folder: Path) -> dict[str, Any]:
    """What a trial's folder says besides its record: seconds by stage, files, and where it failed."""
    from nas_sr.search.study_log import TRACEBACK
    from nas_sr.stages import read_stages

    kept = read_stages(folder / "stages.json")
    seconds: dict[str, float] = {}
    for each in kept.stages if kept else ():
        seconds[each.name] = seconds.get(each.name, 0.0) + each.end_s - each.start_s
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    failed = folder / TRACEBACK
    return {
        "folder": str(folder),
        "files": files,
        "seconds": seconds,
        "traceback": failed.read_text(errors="replace") if failed.is_file() else "",
    }


def _line(event: dict[str, Any]) -> str:
    values = {name: value for name, value in event.items() if name not in ("at", "event") and value not in (None, "")}
    text = "  ".join(f"{name} {_text(value)}" for name, value in values.items() if value != [])
    return f"{event['at']}  {event['event']:<11} {text}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
