"""The front on the whole validation set, where a search looks at a part of it: a figure beside the one that decides."""

from __future__ import annotations

import math
from collections.abc import Callable

from nas_sr.errors import UsageError
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.validation import ValidationSet, everything, mean_psnr_rgb, validation_psnr_rgb
from nas_sr.families.weights import load_network
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.records import FullValidation
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import FULL_VALIDATION, read_full_validation, write_full_validation
from nas_sr.stages import stage


@stage("validation")
def validate_front(store: StudyStore, searched_on: ValidationSet, device: str, tell: Callable[[str], None]) -> None:
    """Scores the trained weights on every front of a study on all validation images, and keeps it in the trials.

    What was scored before is left alone, so that an interrupted call goes on. Nothing is done where a search looks at
    everything anyway. Steps aside for measurements.

    Args:
        store: the study, held by this search.
        searched_on: what its candidates were validated on.
        device: what networks are run on.
        tell: hears what is being done.
    """
    if searched_on.is_everything:
        return
    missing = {
        trial.number if trial.repeats is None else trial.repeats: trial
        for record in store.records()
        for trial in map(record.trial, record.front)
        if trial.full_validation is None or trial.full_validation.weights != trial.weights
    }
    if not missing:
        return
    images = everything(searched_on.pack)
    with SharedDevice("cpu", device) as shared:
        tell(f"validating {len(missing)} networks of the front on {images}")
        bicubic_db = _known_bicubic(store)
        if bicubic_db is None:
            bicubic_db = mean_psnr_rgb(bicubic(images.pack.scale), images, shared.step_boundary)
        for number, trial in sorted(missing.items()):
            folder = store.trial_folder(number)
            try:
                network = load_network(folder / trial.weights).to(device)
            except UsageError as error:
                tell(f"trial {number} is not validated on all images: {error}")
                continue
            psnr_db = validation_psnr_rgb(network, images, shared.step_boundary)
            if not math.isfinite(psnr_db):
                tell(f"trial {number}: its output on all images is not finite")
                continue
            found = FullValidation(
                psnr_db=psnr_db,
                bicubic_psnr_db=bicubic_db,
                images=images.images,
                megapixels=images.megapixels,
                weights=trial.weights,
            )
            write_full_validation(folder, found)
            tell(f"trial {number}: {psnr_db:.3f} dB on all images ({trial.psnr_db:.3f} dB on those of the search)")


def _known_bicubic(store: StudyStore) -> float | None:
    found = (read_full_validation(path.parent) for path in store.folder.glob(f"trials/*/{FULL_VALIDATION}"))
    return next((each.bicubic_psnr_db for each in found if each is not None), None)
