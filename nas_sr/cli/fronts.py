"""A study's front as text and as JSON: the same for every verb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_sr.latency import Latency
    from nas_sr.records import StudyRecord, TrialRecord


def front_rows(study: StudyRecord) -> list[dict[str, Any]]:
    """The front's points, fastest first."""
    return [
        {
            "trial": trial.number,
            "psnr_db": trial.psnr_db,
            "estimate": trial.estimate.model_dump() if trial.estimate else None,
            "scratch_db": trial.scratch_db,
            "inherited_db": trial.inherited_db,
            "pytorch_psnr_db": trial.pytorch_psnr_db,
            "runtime_psnr": trial.runtime_psnr.model_dump() if trial.runtime_psnr else None,
            "full_psnr_db": trial.full_validation.psnr_db if trial.full_validation else None,
            "full_training": [{**each.model_dump(), "protocol": each.protocol} for each in trial.full_training],
            "latency_ms": trial.latency_ms,
            **_measured(trial.latency),
            "latency_kind": trial.latency.kind if trial.latency else None,
            "low_ms": trial.latency.low_ms if trial.latency else None,
            "high_ms": trial.latency.high_ms if trial.latency else None,
            "objectives": {each.name: each.value(trial) for each in study.traded},
            "spec": trial.spec.to_json(),
        }
        for trial in (study.trial(number) for number in study.front)
    ]


def _measured(latency: Latency | None) -> dict[str, Any]:
    measured = latency is not None and latency.kind == "measured"
    return {
        name: getattr(latency, name) if measured else None for name in ("raw_latency_ms", "stable", "runtime_memory_mb")
    }


def print_front(study: StudyRecord) -> None:
    """A table, fastest first, each figure with its kind."""
    from nas_sr.latency_wording import kind
    from nas_sr.objectives import DEFAULT, LATENCY

    if len(study.targets) > 1:
        print(f"{study.target}:")
    further = [each for each in study.traded if each not in DEFAULT]
    print(
        f"{'trial':>5}  {'PSNR':>10}  {'latency':>12}  "
        + "".join(f"{each.title:>14}  " for each in further)
        + "network"
    )
    front = [study.trial(number) for number in study.front]
    for trial in front:
        name = f"{trial.preset}  " if trial.preset else ""
        figures = "".join(f"{each.text(each.value(trial)):>14}  " for each in further)
        print(
            f"{trial.number:>5}  {_psnr(trial):>10}  {LATENCY.text(trial.latency_ms):>12}  {figures}"
            f"{name}{trial.spec.label()}  ({kind(trial.latency) if trial.latency else 'its file is lost'})"
            + (f"  {trial.full_validation}" if trial.full_validation else "")
            + (f"  {trial.runtime_psnr}" if trial.runtime_psnr else "")
            + "".join(f"  {each}" for each in trial.full_training[-1:])
        )
    _print_estimates(front)
    predicted = [str(trial.number) for trial in front if trial.latency and trial.latency.kind == "predicted"]
    if predicted:
        print(
            f"not measured on {study.target}: {', '.join(predicted)}. The same command measures them"
            " once the device answers"
        )


def _psnr(trial: TrialRecord) -> str:
    spread = f" +- {trial.estimate.sd_db:.3f}" if trial.estimate else ""
    return f"{trial.psnr_db:.3f}{spread} dB"


def _print_estimates(front: Sequence[TrialRecord]) -> None:
    """What the PSNRs are where none is of one training alone."""
    estimates = [trial.estimate for trial in front if trial.estimate]
    if not estimates:
        return
    trained = sum(len(trial.scores) for trial in front)
    print(f"PSNR after {estimates[0].steps} steps, estimated from all trainings of the study ({trained} of the front)")
    for trial in front:
        if trial.estimate and trial.estimate.ties:
            others = ", ".join(map(str, trial.estimate.ties))
            print(f"trial {trial.number}: no order is known to trial {others}")


def print_next(study: StudyRecord) -> None:
    """The command that exports the front's knee."""
    from nas_sr.report.data.trial_info import export_command

    if study.front:
        print(f"next:   {export_command(study, None)}")
