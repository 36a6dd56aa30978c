"""A second front in minutes: every trained network of a study gets a latency on another device."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from nas_sr.errors import UsageError
from nas_sr.latency import Impossible, Latency
from nas_sr.latency_wording import in_short
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.objectives import refuse_missing
from nas_sr.records import StudyRecord
from nas_sr.search.finalists import finalise
from nas_sr.search.graph_figures import graph_figures
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import first_contact, keep_epoch, target
from nas_sr.search.trial_store import write_figures, write_latency


def retarget(folder: Path, hw: str, console: Console, new_epoch: bool = False) -> StudyRecord:
    """The study on another target, with the PSNR of its own trials; continues where an earlier call was interrupted.

    Args:
        folder: the study's.
        hw: a shipped hardware profile or a path to a file.
        console: is told the progress.
        new_epoch: whether a device that has changed since an earlier call may be measured on, everything anew.

    Raises:
        UsageError: the study has its latencies on this target from its own search, or a different profile of that name;
            the target cannot give one of its objectives.
        MeasurementFailed: the device does not answer, and nothing can predict for it.
    """
    store = StudyStore.open(folder)
    new = target(hw, folder)
    to, name = new.profile, new.profile.name
    if name in store.environment()["frozen"]["hw"]:
        raise UsageError(f"study '{folder.name}' was searched on {name} itself; its front is there already")
    if name in store.targets and store.profiles()[name] != to.frozen():
        raise UsageError(
            f"study '{folder.name}' has latencies on another profile called {name}; give this one another name"
        )
    refuse_missing(store.config.objectives, to)
    silent = first_contact(new)
    if silent is not None:
        console.print(f"{name} is not measured now: {silent}. Its latencies are PREDICTED", style="yellow")

    def tell(text: str) -> None:
        console.print(text, style="dim", soft_wrap=True, highlight=False)

    with store.searching():
        store.add_target(hw, to)
        if silent is None:
            keep_epoch(new, new_epoch, tell)
        wanted = [trial for trial in store.trials(name) if trial.repeats is None and trial.psnr_db is not None]
        missing = [trial for trial in wanted if trial.latency is None and trial.state != "failed"]
        for done, trial in enumerate(missing, len(wanted) - len(missing) + 1):
            figures = graph_figures(trial.spec, to, store.config.objectives)
            if figures:
                write_figures(store.figures_path(trial.number, name), figures)
            found: Latency | Impossible
            try:
                found = new.latency(trial.spec)
                text = in_short(found)
            except MeasurementFailed as failure:
                if failure.kind != "candidate":
                    raise
                found, text = Impossible(target=name, reason=failure.text), failure.text
            write_latency(store.latency_path(trial.number, name), found)
            console.print(f"[{done}/{len(wanted)}] trial {trial.number}  {text}", markup=False, soft_wrap=True)
        finalise(store, new, "all", tell)
        return store.record(name)
