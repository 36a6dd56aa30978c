"""`nas-sr search`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.fronts import front_rows, print_front, print_next
from nas_sr.cli.options import NEW_EPOCH, REPORTS, STUDIES, lengths
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.records import StudyRecord


def search(
    hw: list[str] = typer.Option(
        None, "--hw", help="Target: a hardware profile's name or file; may be given several times.  [default: cpu]"
    ),
    budget: int = typer.Option(
        24, "--budget", min=1, help="Candidates to evaluate, earlier ones of the study included."
    ),
    name: str = typer.Option(None, "--name", help="Name of the study.  [default: HW-SPACE]"),
    space: list[str] = typer.Option(
        None, "--space", help="Search space: a name or a file; once for each family.  [default: imdeception_x4]"
    ),
    data: str = typer.Option(
        None, "--data", help="Training images: a folder or a pack.  [default: photographs inside ordinary packages]"
    ),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: a part of the training images]"),
    max_latency: list[float] = typer.Option(
        None, "--max-latency", metavar="MS", help="Slower candidates are not trained; one for each --hw."
    ),
    objective: list[str] = typer.Option(
        None,
        "--objective",
        metavar="NAME",
        help="What the front trades, each in turn.  [default: psnr_db, latency_ms]",
    ),
    limit: list[str] = typer.Option(
        None, "--limit", metavar="NAME=VALUE", help="Limit of any objective, such as memory_mb=64."
    ),
    measure: str = typer.Option(
        None, "--measure", help="all, or uncertain: only where a prediction cannot decide.  [default: all]"
    ),
    steps: int = typer.Option(None, "--steps", min=1, help="Training steps for each candidate.  [default: 800]"),
    supernet: list[Path] = typer.Option(
        None,
        "--supernet",
        metavar="PATH",
        help="Start candidates from a supernet's weights; one for each space. auto: in supernets/, trained if missing.",
    ),
    evaluator: str = typer.Option(
        None,
        "--evaluator",
        help="With --supernet: finetune; supernet: no training at all; combined: that and training from scratch."
        "  [default: finetune]",
    ),
    rungs: str = typer.Option(
        None,
        "--rungs",
        metavar="STEPS,STEPS,...",
        help="Train what may be on the front further, to these lengths, and from further seeds.",
    ),
    budget_steps: int = typer.Option(
        None, "--budget-steps", min=1, help="With --rungs: training steps in all.  [default: twice the candidates']"
    ),
    sampler: str = typer.Option(
        None,
        "--sampler",
        metavar="NAME",
        help="What proposes candidates: tpe, nsga2, gp, qmc, random, or an Optuna sampler as MODULE:CLASS."
        "  [default: tpe]",
    ),
    sampler_option: list[str] = typer.Option(
        None, "--sampler-option", metavar="NAME=VALUE", help="Keyword argument of the sampler, each in turn."
    ),
    warm_start: str = typer.Option(
        None,
        "--warm-start",
        metavar="STUDY",
        help="Propose first what another study, such as one on another target, found good.",
    ),
    skip_surely_behind: bool = typer.Option(
        None,
        "--skip-surely-behind/--train-all",
        help="Whether candidates are left untrained that latency and predicted PSNR put surely behind the front."
        "  [default: train all]",
    ),
    seed: int = typer.Option(None, "--seed", help="Seed of sampler and training.  [default: 0]"),
    config: str = typer.Option(None, "--config", help="Study config: a shipped name or a file.  [default: default]"),
    cpus: float = typer.Option(1, "--cpus-per-trial", min=0.01, help="Cores for each candidate."),
    gpus: float = typer.Option(None, "--gpus-per-trial", min=0, help="GPUs (or a share of one) for each candidate."),
    retry_failed: bool = typer.Option(
        False, "--retry-failed", help="Evaluate again what failed in earlier searches of this study."
    ),
    new_epoch: bool = NEW_EPOCH,
    studies: Path = STUDIES,
    reports: Path = REPORTS,
    as_json: bool = JSON,
) -> None:
    """The main job: the front of PSNR against latency, or of other objectives.

    The same command continues an interrupted study; a larger --budget extends a finished one.

    \b
        nas-sr search --hw cpu --budget 12
        nas-sr search --hw cpu --budget 48 --rungs 800,2400,8000 --budget-steps 120000
        nas-sr search --hw cpu --budget 48 --supernet auto --evaluator combined
        nas-sr search --hw cpu --budget 48 --max-latency 60 --data DF2K --val DIV2K_valid --name camera
        nas-sr search --hw cpu --budget 48 --sampler gp --sampler-option n_startup_trials=16
        nas-sr search --hw rtx2080 --budget 100 --warm-start camera
        nas-sr search --hw my_xavier.yaml --hw rtx2080 --budget 200 --measure uncertain
        nas-sr search --hw cpu --space imdeception_x4 --space compact_x4 --budget 24
        nas-sr search --hw cpu --objective psnr_db --objective latency_ms --objective memory_mb --limit params=200000
    """
    from nas_sr import api
    from nas_sr.cli.report import write_report_files
    from nas_sr.console import error_console
    from nas_sr.objectives import parse_limits
    from nas_sr.yaml_file import parse_scalars

    result = api.search(
        hw,
        budget,
        name=name,
        space=space,
        data=data,
        val=val,
        max_latency_ms=max_latency,
        objectives=objective,
        limits=parse_limits(limit or ()),
        measure=measure,
        steps=steps,
        supernet=supernet,
        evaluator=evaluator,
        rungs=lengths(rungs),
        budget_steps=budget_steps,
        sampler=sampler,
        sampler_options=parse_scalars(sampler_option or (), "--sampler-option"),
        warm_start=warm_start,
        skip_surely_behind=skip_surely_behind,
        seed=seed,
        config=config,
        cpus_per_trial=cpus,
        gpus_per_trial=gpus,
        retry_failed=retry_failed,
        new_epoch=new_epoch,
        studies=studies,
    )
    study, console = result.studies[0], error_console()
    files = write_report_files(result.studies, reports)
    counts = {state: _count(study, state) for state in ("complete", "pruned", "failed", "infeasible")}
    if counts["failed"]:
        console.print(f"{counts['failed']} failed; the same command with --retry-failed evaluates them again")
    if result.space_exhausted:
        console.print("the space holds no further network", style="yellow")
    if as_json:
        print_json(
            {
                "study": study.name,
                "study_dir": study.study_dir,
                **counts,
                "front": front_rows(study),
                "fronts": {each.target: front_rows(each) for each in result.studies},
                "hypervolume": study.hypervolume,
                "objectives": list(study.objectives),
                "hypervolume_reference": list(study.hypervolume_reference),
                "wall_s": result.wall_s,
                "report": files["html"],
            }
        )
        return
    for each in result.studies:
        print_front(each)
    print(f"report: {files['html']}")
    print_next(study)


def _count(study: StudyRecord, state: str) -> int:
    return sum(trial.state == state and trial.repeats is None for trial in study.trials)
