"""Verbs about studies: search, retarget, report, export."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.fronts import front_rows, print_front
from nas_sr.cli.names import STUDIES, absolute, new_study_folder, study_record
from nas_sr.cli.output import JSON, counted, error_console, print_json
from nas_sr.command_line import DEFAULT_REPORTS, command

if TYPE_CHECKING:
    from nas_sr.config import StudyConfig
    from nas_sr.records import StudyRecord

NEW_EPOCH = typer.Option(
    False, "--new-epoch", help="A device or its software has changed: measure every latency on it again."
)
REPORTS = typer.Option(DEFAULT_REPORTS, "--reports", help="Folder that holds the reports.")


def register(app: typer.Typer) -> None:
    """Adds these verbs."""
    app.command("search")(search)
    app.command("retarget")(retarget)
    app.command("report")(report)
    app.command("export")(export)


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
        nas-sr search --hw cpu --budget 48 --max-latency 60 --data DF2K --val DIV2K_valid --name camera
        nas-sr search --hw my_xavier.yaml --hw rtx2080 --budget 200 --measure uncertain
        nas-sr search --hw cpu --space imdeception_x4 --space compact_x4 --budget 24
        nas-sr search --hw cpu --objective psnr_db --objective latency_ms --objective memory_mb --limit params=200000
    """
    from nas_sr.objectives import parse_limits
    from nas_sr.search.search import search as run_search
    from nas_sr.search.tune import Resources
    from nas_sr.stages import recording

    given = {
        "hw": [absolute(each) for each in hw or ()] or None,
        "space": [absolute(each) for each in space or ()] or None,
        "data": absolute(data),
        "val": absolute(val),
        "max_latency_ms": max_latency or None,
        "objectives": objective or None,
        "limits": parse_limits(limit or ()) or None,
        "measure": measure,
        "seed": seed,
    }
    folder, resolved = _study(name, studies, config, given, steps)
    console = error_console()
    packing = partial(counted, "packing images")
    with recording(folder / "stages.json"):
        found = run_search(
            folder, resolved, budget, Resources(cpus, _gpus(gpus)), console, packing, new_epoch, retry_failed
        )
    study = found.studies[0]
    files = _write_report(found.studies, reports)
    counts = {state: _count(study, state) for state in ("complete", "pruned", "failed", "infeasible")}
    if counts["failed"]:
        console.print(f"{counts['failed']} failed; the same command with --retry-failed evaluates them again")
    if found.space_exhausted:
        console.print("the space holds no further network", style="yellow")
    if as_json:
        print_json(
            {
                "study": study.name,
                "study_dir": study.study_dir,
                **counts,
                "front": front_rows(study),
                "fronts": {each.target: front_rows(each) for each in found.studies},
                "hypervolume": study.hypervolume,
                "objectives": list(study.objectives),
                "hypervolume_reference": list(study.hypervolume_reference),
                "wall_s": found.wall_s,
                "report": files["html"],
            }
        )
        return
    for each in found.studies:
        print_front(each)
    print(f"report: {files['html']}")
    _print_next(study)


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

    
        nas-sr retarget cpu-imdeception_x4 --hw my_xavier.yaml
    """
    from nas_sr.errors import WorkError
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.search.retargeting import retarget as run_retarget
    from nas_sr.search.store import StudyStore, study_folder

    folder = study_folder(study, studies)
    try:
        found = run_retarget(folder, absolute(hw) or hw, error_console(), new_epoch)
    except MeasurementFailed as failure:
        raise WorkError(f"{failure}; what was measured is kept") from None
    files = _write_report(StudyStore.read(folder).report_records(), reports)
    if as_json:
        print_json({"study": found.name, "target": found.target, "front": front_rows(found), "report": files["html"]})
        return
    print_front(found)
    print(f"report: {files['html']}")
    _print_next(found)


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
    files = _write_report(records, reports)
    if as_json:
        print_json(
            {**files, "front": front_rows(records[0]), "fronts": {each.target: front_rows(each) for each in records}}
        )
        return
    print(files["html"])
    print("\n".join(files["csv"]))


def export(
    study: str = typer.Argument(..., metavar="STUDY", help="A study's name or folder."),
    trial: int = typer.Option(None, "--trial", help="The trial of this number."),
    knee: bool = typer.Option(False, "--knee", help="The front's point of best trade."),
    max_latency: float = typer.Option(None, "--max-latency", metavar="MS", help="The best PSNR that is this fast."),
    min_psnr: float = typer.Option(None, "--min-psnr", metavar="DB", help="The fastest that is this good."),
    limit: list[str] = typer.Option(
        None, "--limit", metavar="NAME=VALUE", help="Only of those within it; alone: the best PSNR of them."
    ),
    hw: str = typer.Option(None, "--hw", help="Whose latency and front count.  [default: the study's first target]"),
    out: Path = typer.Option(None, "--out", help="Folder to write.  [default: bundles/STUDY-TRIAL]"),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing bundle."),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Writes one network as a bundle to train and ship.

    A bundle holds the spec, weights (safetensors), ONNX, the full-training config and a README.

    \b
        nas-sr export cpu-imdeception_x4 --knee
        nas-sr export cpu-imdeception_x4 --max-latency 40 --out camera
        nas-sr export cpu-imdeception_x4 --knee --limit memory_mb=20
    """
    from nas_sr.errors import UsageError
    from nas_sr.export import choose
    from nas_sr.export.bundle import TRAINING, write_bundle
    from nas_sr.objectives import parse_limits
    from nas_sr.train.recipes import PAPER_CROP, paper_training

    limits = parse_limits(limit or ())
    rules = sum([trial is not None, knee, max_latency is not None, min_psnr is not None])
    if rules > 1 or (rules == 0 and not limits):
        raise UsageError("export needs exactly one of --trial N, --knee, --max-latency MS, --min-psnr DB")
    if trial is not None and limits:
        raise UsageError(
            "export takes --trial N or --limit NAME=VALUE, not both: a trial of that number is one already"
        )
    record = study_record(study, studies, hw)
    if trial is not None:
        chosen = choose.by_number(record, trial)
    elif max_latency is not None:
        chosen = choose.within_latency(record, max_latency, limits)
    elif min_psnr is not None:
        chosen = choose.above_psnr(record, min_psnr, limits)
    elif knee:
        chosen = choose.at_knee(record, limits)
    else:
        chosen = choose.within_limits(record, limits)
    config = record.config
    training = paper_training(
        chosen.spec.scale, config["data"], config["val"], record.environment["data"]["smallest_lr"]
    )
    folder = out or Path("bundles") / f"{record.name}-{chosen.number}"
    files = write_bundle(record, chosen, training, folder, overwrite)
    if as_json:
        print_json({"bundle": str(folder), "trial": chosen.number, "files": [str(path) for path in files]})
        return
    print(f"{folder}: trial {chosen.number}, {chosen.psnr_db:.3f} dB after brief training, {chosen.latency_ms:.2f} ms")
    for path in files:
        print(f"  {path.name}")
    crop_lr = training.training.phases[0].crop_lr
    if config["data"] and crop_lr < PAPER_CROP // chosen.spec.scale:
        print(
            f"{TRAINING} has crops of {crop_lr * chosen.spec.scale} HR pixels, not the paper's {PAPER_CROP}: the"
            " smallest training image is no larger; a larger crop_lr leaves small images out (of a pack: --min-lr of"
            " `nas-sr data prepare`)"
        )
    print(f"next: {command('train', folder)}")


def _study(
    name: str | None, studies: Path, config: str | None, given: dict[str, Any], steps: int | None
) -> tuple[Path, StudyConfig]:
    """Where the study is, and its config: an existing one's, else the config file's, each with what was given."""
    from nas_sr import shipped
    from nas_sr.config import StudyConfig, parse, read_yaml
    from nas_sr.search.store import StudyStore

    base = read_yaml(shipped.find("studies", config or "default"), StudyConfig)
    changes = {key: value for key, value in given.items() if value is not None}
    named = {**base.model_dump(), **changes}
    targets = "+".join(Path(each).stem for each in named["hw"])
    spaces = "+".join(Path(each).stem for each in named["space"])
    folder = new_study_folder(f"{targets}-{spaces}" if name is None else name, studies)
    if StudyStore.exists(folder) and config is None:
        base = StudyStore.read(folder).config
    values = {**base.model_dump(), **changes}
    if given["seed"] is not None:
        values["training"]["seed"] = given["seed"]
    if steps is not None:
        values["training"] = base.training.shortened(steps).model_dump() | {"seed": values["training"]["seed"]}
    return folder, parse(values, StudyConfig, "search")


def _gpus(asked: float | None) -> float:
    """A quarter of a GPU where there is one: brief candidates are small."""
    if asked is not None:
        return asked
    import torch

    return 0.25 if torch.cuda.is_available() else 0.0


def _write_report(studies: list[StudyRecord], reports: Path) -> dict[str, Any]:
    from nas_sr.report.write import write_report

    files = write_report(studies, reports / studies[0].name)
    return {"html": str(files.html), "csv": [str(files.csv), str(files.pareto_csv)]}


def _count(study: StudyRecord, state: str) -> int:
    return sum(trial.state == state and trial.repeats is None for trial in study.trials)


def _print_next(study: StudyRecord) -> None:
    from nas_sr.report.info import export_command

    if study.front:
        print(f"next:   {export_command(study, None)}")
