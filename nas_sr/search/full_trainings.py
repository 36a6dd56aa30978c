"""Full trainings of exported bundles come back to the study: each is kept with its trial and its protocol."""

from __future__ import annotations

from pathlib import Path

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.records import FullTrainingScore
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import add_full_training


def keep_full_training(study: Path, number: int, spec: Spec, found: FullTrainingScore) -> str:
    """Keeps a result with the trial of that number; what became of it, in words.

    Where the study or the trial is not there, or is of another network, nothing is kept: the bundle has the result.
    """
    if not StudyStore.exists(study):
        return f"the study is not at {study} any more: this result is kept in the bundle alone"
    try:
        store = StudyStore.read(study)
        network = {trial.number: trial.spec.digest for trial in store.trials()}.get(number)
    except UsageError as error:
        return f"{error}: this result is kept in the bundle alone"
    if network != spec.digest:
        return f"study {study}: trial {number} is another network: this result is kept in the bundle alone"
    try:
        add_full_training(store.trial_folder(number), found)
    except OSError as error:
        return f"study {study}: cannot be written ({error.strerror}): this result is kept in the bundle alone"
    return f"kept with trial {number} of study {study.name}: {found}"
