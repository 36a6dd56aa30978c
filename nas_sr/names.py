"""Turns what a user types (STUDY, ARCH, MODEL, folders) into the things they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_sr.evaluate.upscalers import Upscaler
    from nas_sr.families.base import Spec
    from nas_sr.image_format import Layout
    from nas_sr.records import StudyRecord, TrialRecord

_TRIAL = re.compile(r"(.+):([0-9]{1,9})", re.DOTALL)  # the study's name may have colons of its own
_LONGEST_NAME = 200  # bytes; what is written beside a folder has a longer name


def layout_named(text: str | None) -> Layout | None:
    """The layout that --layout names."""
    from nas_sr.errors import unknown_name
    from nas_sr.image_format import LAYOUTS

    if text is not None and text not in LAYOUTS:
        raise unknown_name("layout", text, LAYOUTS)
    return LAYOUTS[text] if text else None


def white_named(value: int | None) -> int | None:
    """The value of white that --range names."""
    from nas_sr.errors import UsageError

    if value not in (None, 1, 255):
        raise UsageError(f"--range must be 1 or 255, but got {value}")
    return value


def absolute(name_or_path: str | None) -> str | None:
    """A path made absolute, so that a study continues from any folder; a plain name stays as it is."""
    if name_or_path is None:
        return None
    path = Path(name_or_path)
    return str(path.resolve()) if path.exists() or len(path.parts) > 1 else name_or_path


def new_study_folder(name: str, root: Path) -> Path:
    """Where the study of that name is, or will be.

    Raises:
        UsageError: a name that no folder under `root` can have, or that could not be printed in one line.
    """
    from nas_sr.errors import UsageError

    if not name.strip() or name in (".", "..") or "/" in name or not name.isprintable():
        raise UsageError(f"--name must be the plain name of a folder, not empty and without '/', but got {name!r}")
    if len(name.encode()) > _LONGEST_NAME:
        raise UsageError(f"--name must have at most {_LONGEST_NAME} bytes, but got {len(name.encode())}")
    return root / name


def study_record(study: str, root: Path, target: str | None = None) -> StudyRecord:
    """The study of that name or folder, on one of its targets (its first)."""
    from nas_sr.search.store import StudyStore, study_folder

    return StudyStore.read(study_folder(study, root)).record(target)


def study_trial(text: str, root: Path) -> tuple[StudyRecord, TrialRecord] | None:
    """The study and the trial meant by `STUDY:TRIAL`; None for a text of another form."""
    match = _TRIAL.fullmatch(text)
    if match is None or Path(text).exists():
        return None
    from nas_sr.search.store import find_trial

    record = study_record(match[1], root)
    return record, find_trial(record, int(match[2]))


def arch(text: str, root: Path) -> Spec:
    """The spec meant by ARCH: a preset's name, a spec file, a bundle, or `STUDY:TRIAL`."""
    from nas_sr.families.presets import spec_from

    found = study_trial(text, root)
    if found:
        return found[1].spec
    bundled = Path(text) / "spec.json"
    return spec_from(str(bundled) if bundled.is_file() else text)


def model_path(text: str, root: Path) -> Path:
    """The file or folder meant by MODEL: a bundle, a .safetensors, .pth, .ckpt or .onnx file, or `STUDY:TRIAL`."""
    from nas_sr.errors import UsageError

    found = study_trial(text, root)
    if found:
        study, trial = found
        return study.weights(trial)
    path = Path(text)
    if not path.exists():
        raise UsageError(
            f"no model at '{text}'; allowed: a bundle folder, a .safetensors, .pth, .ckpt or .onnx file, STUDY:TRIAL,"
            " bicubic"
        )
    return path


def upscaler(
    model: str,
    scale: int,
    runtime: str,
    device: str | None,
    tile: int,
    layout: Layout | None,
    value_range: int | None,
    root: Path,
) -> Upscaler:
    """What MODEL enlarges images with; on a GPU where there is one and `device` is None.

    Raises:
        UsageError: no such model, runtime or form of it.
    """
    from nas_sr.errors import unknown_name
    from nas_sr.evaluate.models import RUNTIMES, model_upscaler

    if runtime not in RUNTIMES:
        raise unknown_name("runtime", runtime, RUNTIMES)
    if model == "bicubic":
        from nas_sr.evaluate.evaluate import bicubic

        return bicubic(scale)
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return model_upscaler(model_path(model, root), runtime, device, tile, layout, value_range)
