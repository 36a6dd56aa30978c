"""What a notebook or a program calls: the verbs of the command line as functions.

    from nas_sr import api

    study = api.search("cpu", budget=12).study
    for number in study.front:
        trial = study.trial(number)
        print(trial.spec.label(), trial.psnr_db, trial.latency_ms)

`nas_sr.search`, `nas_sr.measure` and `nas_sr.train` are packages, which is why the functions live here. Each says what
went wrong as the command line does, by the exceptions of `nas_sr.errors`: UsageError for a call or a config that is
wrong, WorkError for work that failed. Progress goes to standard error. Importing this module loads none of the heavy
packages; the first call does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nas_sr.command_line import DEFAULT_STUDIES

if TYPE_CHECKING:
    from nas_sr.callbacks import Tell
    from nas_sr.families.base import Spec
    from nas_sr.latency import Latency
    from nas_sr.records import StudyRecord
    from nas_sr.search.search import SearchResult
    from nas_sr.train.full_training import Trained

__all__ = ["load_study", "measure", "search", "train", "upscale"]

Name = str | PathLike[str]  # of something known by name, or a path


def search(
    hw: Name | Sequence[Name] | None = None,
    budget: int = 24,
    *,
    name: str | None = None,
    space: Name | Sequence[Name] | None = None,
    data: Name | None = None,
    val: Name | None = None,
    max_latency_ms: float | Sequence[float] | None = None,
    objectives: Sequence[str] | None = None,
    limits: Mapping[str, float] | None = None,
    measure: str | None = None,
    steps: int | None = None,
    supernet: Name | Sequence[Name] | None = None,
    evaluator: str | None = None,
    rungs: Sequence[int] = (),
    budget_steps: int | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, bool | int | float | str | None] | None = None,
    warm_start: Name | None = None,
    skip_surely_behind: bool | None = None,
    seed: int | None = None,
    config: Name | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    retry_failed: bool = False,
    new_epoch: bool = False,
    studies: Name = DEFAULT_STUDIES,
    quiet: bool = False,
) -> SearchResult:
    """The main job: evaluates candidates until `budget` of them have an outcome, earlier ones of the study included.

    The same call continues an interrupted study; a larger budget extends a finished one.

        found = api.search("cpu", budget=48, data="photos", val="Kodak24", max_latency_ms=40, name="camera")
        print(found.study.hypervolume, found.wall_s)

    Args:
        hw: targets: names of hardware profiles or paths of files; None: the config's (`cpu`).
        budget: candidates with an outcome: complete, infeasible or failed.
        name: of the study; None: HW-SPACE.
        space: search spaces' names or paths, one a family; None: the config's (`imdeception_x4`).
        data: training images, a folder or a pack; None: photographs inside ordinary packages.
        val: validation images; None: a part of the training images.
        max_latency_ms: a limit for each of `hw`; slower candidates are not trained.
        objectives: what the front trades; None: the config's (`psnr_db` and `latency_ms`).
        limits: of any objective, by name, such as `memory_mb`.
        measure: `all`, or `uncertain`: only where a prediction cannot decide.
        steps: training steps of each candidate.
        supernet: trained supernets, one a space, which candidates inherit weights from; `auto`: found in `supernets/`,
            or trained there first.
        evaluator: what becomes of these: `finetune` (trained on, the default), `supernet` (scored as they are), or
            `combined` (scored as they are beside brief training from scratch).
        rungs: lengths to which candidates that may be on the front are trained further; the first is `steps`.
        budget_steps: with rungs, training steps in all; None: twice what the candidates take.
        sampler: what proposes candidates: a name, or an Optuna sampler as `module:Class`; None: the config's (`tpe`).
        sampler_options: its keyword arguments.
        warm_start: another study, by name or path, whose front and next best networks are proposed first.
        skip_surely_behind: leaves candidates untrained that latency and predicted PSNR put surely behind the front.
        seed: of the sampler and of the training.
        config: a study config's name or path; None: `default`.
        cpus_per_trial: cores that a candidate occupies.
        gpus_per_trial: GPUs, or a share of one; None: a quarter where there is one.
        retry_failed: evaluates again what failed in earlier searches of the study.
        new_epoch: a device or its software has changed: measures every latency on it again.
        studies: the folder that holds the studies.
        quiet: shows no progress.

    Raises:
        UsageError: a value that is not allowed, or another config than the existing study's.
        WorkError: the search could not go on; everything evaluated is kept.
        KeyboardInterrupt: interrupted; everything evaluated is kept.
    """
    from functools import partial

    from nas_sr.console import counted, error_console
    from nas_sr.errors import UsageError
    from nas_sr.names import absolute
    from nas_sr.search.named_study import study_to_search, supernets_of
    from nas_sr.search.search import search as run_search
    from nas_sr.search.tune import Resources
    from nas_sr.space import read_space
    from nas_sr.stages import recording
    from nas_sr.supernet.automatic import AUTO, automatic_supernets

    given = {
        "hw": [absolute(str(each)) for each in _several(hw)] or None,
        "space": [absolute(str(each)) for each in _several(space)] or None,
        "data": absolute(_text(data)),
        "val": absolute(_text(val)),
        "max_latency_ms": (list(max_latency_ms) or None) if isinstance(max_latency_ms, Sequence) else max_latency_ms,
        "objectives": list(objectives or ()) or None,
        "limits": dict(limits or {}) or None,
        "supernets": [absolute(str(each)) for each in _several(supernet)] or None,
        "evaluator": evaluator or ("finetune" if supernet else None),
        "measure": measure,
        "sampler": sampler,
        "sampler_options": dict(sampler_options or {}) or None,
        "warm_start": _text(warm_start),
        "skip_surely_behind": skip_surely_behind,
        "seed": seed,
    }
    where = name, Path(studies), _text(config)
    if [str(each) for each in _several(supernet)] == [AUTO]:
        folder, plain = study_to_search(*where, {**given, "supernets": None, "evaluator": None}, steps, tuple(rungs))
        given["supernets"] = supernets_of(folder) or [
            str(path.resolve())
            for path in automatic_supernets(
                [(each, read_space(each)) for each in plain.space], plain.data, plain.val, quiet=quiet
            )
        ]
    folder, resolved = study_to_search(*where, given, steps, tuple(rungs))
    if budget_steps is not None and resolved.racing is None:
        raise UsageError("budget_steps is for a study with rungs, but this one has none")
    resources = Resources.asked(cpus_per_trial, gpus_per_trial)
    packing = partial(counted, "packing images", quiet)
    with recording(folder / "stages.json"):
        return run_search(
            folder, resolved, budget, resources, error_console(quiet), packing, new_epoch, retry_failed, budget_steps
        )


def load_study(study: Name, target: str | None = None, *, studies: Name = DEFAULT_STUDIES) -> StudyRecord:
    """A study as it is now; nothing is written, so it may be searched meanwhile.

        study = api.load_study("cpu-imdeception_x4")
        best = study.trial(study.front[-1])
        print(best.spec.label(), best.psnr_db, best.latency_ms, best.latency.kind)

    Args:
        study: a study's name or the path of its folder.
        target: whose latencies and front count; None: the study's first target.
        studies: the folder that holds the studies.

    Raises:
        UsageError: no such study or target.
    """
    from nas_sr.names import study_record

    return study_record(str(study), Path(studies), target)


def measure(
    network: Name | Spec,
    hw: Name = "cpu",
    *,
    final: bool = False,
    layers: bool = False,
    layout: str | None = None,
    studies: Name = DEFAULT_STUDIES,
    progress: Tell | None = None,
) -> Latency:
    """The latency of one network: measured; predicted where the device does not answer and a calibration is known.

    A stable earlier measurement of the same network on the same target is reused.

        latency = api.measure("imdeception-c8")
        print(latency.kind, latency.latency_ms, latency.low_ms, latency.high_ms)

    Args:
        network: a spec; a preset's name, a spec file, a bundle or `STUDY:TRIAL`; or a file that ends with .onnx.
        hw: a hardware profile's name or path.
        final: with the profile's fresh builds and fresh processes.
        layers: with the time of each layer, where the backend can tell.
        layout: of an ONNX file's image, where the file leaves it open: nchw or nhwc.
        studies: the folder that holds the studies.
        progress: is told what goes on.

    Raises:
        UsageError: no such network or profile.
        WorkError: it could be neither measured nor predicted.
    """
    from nas_sr.errors import WorkError
    from nas_sr.measure.latency_cache import cached_or_measured, cached_or_measured_file, usual_reference_ms
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.measure.profile import profile
    from nas_sr.names import arch, layout_named
    from nas_sr.predict.calibration import predictor

    target = profile(str(hw))
    named = isinstance(network, (str, PathLike))
    try:
        if named and str(network).endswith(".onnx"):
            stored = layout_named(layout)
            return cached_or_measured_file(
                Path(str(network)), target, layout=stored, final=final, per_layer=layers, progress=progress
            )
        spec = arch(str(network), Path(studies)) if isinstance(network, (str, PathLike)) else network
        try:
            measurement = cached_or_measured(spec, target, final=final, per_layer=layers, progress=progress)
            return measurement.relative_to(usual_reference_ms(target))
        except MeasurementFailed as failure:
            known = predictor(target, str(hw)) if failure.kind == "device" else None
            if known is None:
                raise
            return known.predict(spec, f"not measured: {failure.text}")
    except MeasurementFailed as failure:
        which = network if isinstance(network, (str, PathLike)) else network.label()
        raise WorkError(f"{which} on {target.name}: {failure}") from None


def train(
    bundle: Name,
    *,
    steps: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    data: Name | None = None,
    val: Name | None = None,
    workers: int = 1,
    address: str | None = None,
    start: str | None = None,
    quiet: bool = False,
) -> Trained:
    """Trains a bundle's network fully by its train.yaml; the bundle then holds the best weights.

        trained = api.train("bundles/camera", steps=2000)
        print(trained.start_psnr_db, trained.psnr_db)

    Args:
        bundle: a folder written by `nas-sr export`.
        steps: shortens the whole training.
        resume: goes on from the last checkpoint.
        overwrite: begins anew although an unfinished training is there.
        data: training images, instead of train.yaml's.
        val: validation images, instead of train.yaml's.
        workers: processes that share each batch, a GPU or cores each.
        address: a running Ray cluster's; None: this machine only.
        start: what it begins with: `weights` that the bundle has, `scratch`, `longest-rung` of its search, or
            `supernet:PATH`; None: train.yaml's.
        quiet: shows no progress.

    Raises:
        UsageError: not a bundle; an unfinished training is there; or a checkpoint is of something else.
        WorkError: the training diverged, or what it needs gave way.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    from nas_sr.export.bundle_training import train_bundle
    from nas_sr.names import absolute

    return train_bundle(
        Path(bundle),
        steps=steps,
        resume=resume,
        overwrite=overwrite,
        data=absolute(_text(data)),
        val=absolute(_text(val)),
        workers=workers,
        address=address,
        start=start,
        quiet=quiet,
    )


def upscale(
    model: Name,
    sources: Name | Sequence[Name],
    target: Name,
    *,
    scale: int = 4,
    output_format: str = "png",
    quality: int = 95,
    overwrite: bool = False,
    runtime: str = "torch",
    device: str | None = None,
    tile: int = 512,
    studies: Name = DEFAULT_STUDIES,
) -> tuple[Path, ...]:
    """Turns image files into larger ones; returns the files written.

        api.upscale("bundles/camera", "photo.jpg", "large.png")
        api.upscale("bundles/camera", "photos/", "large/", output_format="same")

    Args:
        model: a bundle, a weights or ONNX file, `STUDY:TRIAL`, or `bicubic`.
        sources: images, folders of images, or patterns such as `photos/*.jpg`.
        target: the image to write, or a folder, whose name ends with / where it does not exist.
        scale: for bicubic; a network knows its own.
        output_format: of files in a folder: png, jpg, webp, or same as the source.
        quality: of JPEG and WebP, 1 to 100.
        overwrite: replaces existing files.
        runtime: what runs a bundle: torch or onnxruntime.
        device: for torch; None: a GPU if there is one.
        tile: LR pixels a side computed at once.
        studies: the folder that holds the studies.

    Raises:
        UsageError: no such model or image, or a file that exists.
        WorkError: an image could not be upscaled; the others are written.
    """
    from nas_sr.errors import WorkError
    from nas_sr.evaluate.jobs import plan_jobs
    from nas_sr.evaluate.upscale import upscale_files
    from nas_sr.names import upscaler

    enlarge = upscaler(str(model), scale, runtime, device, tile, None, None, Path(studies))
    images = [str(each) for each in _several(sources)]
    jobs = plan_jobs(images, str(target), output_format, "overwrite" if overwrite else "refuse")
    done = upscale_files(enlarge, jobs, overwrite=overwrite, quality=quality)
    if done.problems:
        raise WorkError(f"{len(done.problems)} of {len(jobs)} images not upscaled; the first: {done.problems[0]}")
    return done.files


def _several(value: Name | Sequence[Name] | None) -> Sequence[Name]:
    if value is None:
        return ()
    return [value] if isinstance(value, (str, PathLike)) else value


def _text(name: Name | None) -> str | None:
    return None if name is None else str(name)
