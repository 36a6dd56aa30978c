"""PSNR of the front's networks as a target's runtime computes them, where that is not what PyTorch computes in fp32."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nas_sr.data.image_sets import image_sets
from nas_sr.data.pack import Pack
from nas_sr.device_program.backends.base import CPU
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.metrics import to_samples
from nas_sr.evaluate.upscalers import full_precision, to_batch
from nas_sr.evaluate.validation import CROP_LR, Crop, Grid, ValidationSet, cut, mean_psnr_rgb
from nas_sr.families.weights import load_network
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.measure.outputs import runtime_output
from nas_sr.measure.profile import HardwareProfile
from nas_sr.records import RuntimePsnr, TrialRecord
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_runtime_psnr
from nas_sr.space import read_spaces
from nas_sr.stages import stage

MOST_CROPS = 16  # one of an image, all of one size: an engine is built for one


def computes_as_pytorch(profile: HardwareProfile) -> bool:
    """Whether a target computes in plain fp32. CPU runtimes do where that is asked for (tests/contracts/test_backends);
    TensorRT may round products to TF32."""
    return profile.precision == "fp32" and profile.device == CPU


def compare_front(store: StudyStore, profile: HardwareProfile, tell: Callable[[str], None]) -> bool:
    """Compares every network on a target's front, as its runtime computes it, with PyTorch, and keeps what is found.

    A network that falls off the front thereby may bring others onto it, which are compared, too. What was compared
    before is left alone.

    Args:
        store: the study, held by this search.
        profile: one of its targets.
        tell: hears what is being done.

    Returns:
        Whether the PSNR that counts of any network changed.
    """
    if computes_as_pytorch(profile) or not (missing := _missing(store, profile.name)):
        return False
    if profile.ssh:
        tell(f"{profile.name}: PSNR is PyTorch's; what a device reached by ssh computes is not fetched")
        return False
    try:
        crops = compared_crops(_validation_images(store))
    except (UsageError, WorkError) as error:
        tell(f"{profile.name}: PSNR is PyTorch's; the validation images are not there: {error}")
        return False
    tried: set[int] = set()
    changed = False
    while wanted := [trial for trial in missing if trial.number not in tried]:
        for trial in wanted:
            tried.add(trial.number)
            found = _compared(store, profile, trial, crops, tell)
            changed |= found is not None and found.decides
        missing = _missing(store, profile.name)
    return changed


def _missing(store: StudyStore, target: str) -> list[TrialRecord]:
    """Networks on the front that were measured there and not compared."""
    record = store.record(target)
    return [
        trial
        for trial in map(record.trial, record.front)
        if trial.runtime_psnr is None and trial.latency is not None and trial.latency.kind == "measured"
    ]


def _validation_images(store: StudyStore) -> Pack:
    config = store.config
    scale = read_spaces(config.space).scale
    return image_sets(config.data, config.val, scale, config.training.largest_crop_lr).val


def compared_crops(pack: Pack) -> ValidationSet:
    """One crop from each of up to MOST_CROPS images, all of one size."""
    number = min(MOST_CROPS, len(pack))
    images = [(2 * place + 1) * len(pack) // (2 * number) for place in range(number)]
    side = min(CROP_LR, *(min(pack.entries[image].height, pack.entries[image].width) for image in images))
    crops: list[Crop] = []
    for image in images:
        crops += Grid(image, pack.entries[image], side).spread(1)
    return ValidationSet(pack, tuple(crops))


def _compared(
    store: StudyStore,
    profile: HardwareProfile,
    trial: TrialRecord,
    crops: ValidationSet,
    tell: Callable[[str], None],
) -> RuntimePsnr | None:
    """Of one network; None, and the reason told, where the comparison cannot be made."""
    number = trial.number if trial.repeats is None else trial.repeats
    assert trial.latency is not None
    assert trial.latency.kind == "measured"
    try:
        with SharedDevice("cpu", profile.device):  # it is work, and another network may be being measured
            found = runtime_psnr(store.trial_folder(number) / trial.weights, profile, trial.latency.backend, crops)
    except (UsageError, WorkError, MeasurementFailed) as error:
        tell(f"{profile.name}: PSNR of trial {trial.number} is PyTorch's: {error}")
        return None
    write_runtime_psnr(store.runtime_psnr_path(number, profile.name), found)
    tell(f"{profile.name}: trial {trial.number}: {found}")
    return found


@stage("validation")
def runtime_psnr(weights: Path, profile: HardwareProfile, backend: str, crops: ValidationSet) -> RuntimePsnr:
    """PSNR of a trained network's crops by PyTorch in fp32 on the CPU, and by a runtime on this machine.

    Args:
        weights: the network's file.
        profile: in whose precision.
        backend: the runtime.
        crops: all of one size.

    Raises:
        UsageError: no such weights.
        WorkError: the network cannot be exported, or the runtime's output is not finite.
        MeasurementFailed: the runtime cannot run it.
    """
    network = load_network(weights).eval()
    pack = crops.pack
    batch = torch.cat([to_batch(cut(pack.lr(crop.image), crop, 1)) for crop in crops.crops])
    with torch.inference_mode(), full_precision():
        expected = torch.cat([network(image[None]) for image in batch]).numpy()
    with tempfile.TemporaryDirectory(prefix="nas-sr-output-") as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network, path, (batch.shape[2], batch.shape[3]))
        computed = runtime_output(path, batch.numpy(), backend, profile.precision)
    if not np.isfinite(computed).all():
        raise WorkError(f"the output of {backend} in {profile.precision} is not finite")
    return RuntimePsnr(
        backend=backend,
        precision=profile.precision,
        psnr_db=_psnr_db(computed, crops),
        pytorch_psnr_db=_psnr_db(expected, crops),
        largest_difference=float(np.abs(computed - expected).max()),
        crops=len(crops.crops),
    )


def _psnr_db(outputs: np.ndarray, crops: ValidationSet) -> float:
    """Of outputs (n, 3, h, w), in the crops' order."""
    images = iter(outputs)
    return mean_psnr_rgb(lambda lr: to_samples(torch.from_numpy(next(images)[None]), np.dtype(np.uint8)), crops)
