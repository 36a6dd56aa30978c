"""From what a user says of a study to its folder and its config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_sr import shipped
from nas_sr.config import StudyConfig, parse, read_yaml
from nas_sr.errors import UsageError
from nas_sr.names import new_study_folder
from nas_sr.search.samplers import check_sampler
from nas_sr.search.store import StudyStore, study_folder


def study_to_search(
    name: str | None,
    studies: Path,
    config: str | None,
    given: dict[str, Any],
    steps: int | None,
    rungs: Sequence[int] = (),
) -> tuple[Path, StudyConfig]:
    """Where a study is, and its config: an existing one's, else the config file's, each with what was given.

    Args:
        name: of the study; None: that of its targets and its space.
        studies: the folder that holds the studies.
        config: a shipped study config's name or a file's; None: the default one.
        given: fields of the config as the user gave them; None stands for one that was not given.
        steps: training steps of a candidate; None: the config's.
        rungs: lengths that candidates may be trained to, the first by all; none: the config's.

    Raises:
        UsageError: no such config or sampler, or a value that cannot be.
    """
    base = read_yaml(shipped.find("studies", config or "default"), StudyConfig)
    changes = {key: value for key, value in given.items() if value is not None}
    named = {**base.model_dump(), **changes}
    targets = "+".join(Path(each).stem for each in named["hw"])
    spaces = "+".join(Path(each).stem for each in named["space"])
    folder = new_study_folder(f"{targets}-{spaces}" if name is None else name, studies)
    if StudyStore.exists(folder) and config is None:
        base = StudyStore.read(folder).config
    elif StudyStore.exists(folder) and "ordered_parameters" not in base.model_fields_set:
        # The file may be older than the field.
        ordered = StudyStore.read(folder).config.ordered_parameters
        base = base.model_copy(update={"ordered_parameters": ordered})
    if given.get("sampler") in (None, base.sampler):
        changes["sampler_options"] = base.sampler_options | changes.get("sampler_options", {})
    values = {**base.model_dump(), "sampler_options": {}, **changes}
    if values["warm_start"] is not None:
        values["warm_start"] = str(study_folder(values["warm_start"], studies).resolve())
    if given["seed"] is not None:
        values["training"]["seed"] = given["seed"]
    if rungs:
        racing = base.racing.model_dump() if base.racing else {}
        values["racing"] = racing | {"rungs": list(rungs)}
        steps = rungs[0] if steps is None else steps
    if steps is not None:
        values["training"] = base.training.shortened(steps).model_dump() | {"seed": values["training"]["seed"]}
    resolved = parse(values, StudyConfig, "search")
    check_sampler(resolved)
    return folder, resolved


def supernets_of(folder: Path) -> list[str]:
    """Those that a study was begun with, where there is one.

    Raises:
        UsageError: it was begun without.
    """
    if not StudyStore.exists(folder):
        return []
    found = list(StudyStore.read(folder).config.supernets)
    if not found:
        raise UsageError(f"{folder}: the study was begun without a supernet; begin another with --name")
    return found
