"""A device as a study sees it: measured while it answers, predicted while it does not, and always said which.

All its latencies are of one epoch, so that they compare with each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.latency import Latency
from nas_sr.measure.inspection import backend_there, inspect_target, versions_here
from nas_sr.measure.latency_cache import cached_or_measured, measured_together
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile, profile
from nas_sr.predict.calibration import predictor
from nas_sr.predict.prediction import Prediction
from nas_sr.search.latency_epochs import LatencyEpochs

if TYPE_CHECKING:
    from nas_sr.predict.predictor import Predictor

# A device that did not answer is asked again after a pause, twice as long each time up to the longest. Where nothing
# can predict for it, a search waits through all of these, eight minutes, and then stops.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 240.0


class Target:
    """One target of a study, in one process."""

    def __init__(self, profile: HardwareProfile, predictor: Predictor | None, epochs: LatencyEpochs) -> None:
        self.profile = profile
        self.predictor = predictor
        self.epochs = epochs
        self._pause_s = 0.0
        self._ask_again = 0.0  # monotonic time
        self._silent: MeasurementFailed | None = None

    def measured(self, spec: Spec) -> Measurement:
        """The measured latency.

        Raises:
            MeasurementFailed: of kind device also while a silent device is given its pause.
        """
        return self._asked(lambda: [cached_or_measured(spec, self.profile)])[0]

    def measured_together(self, specs: Sequence[Spec]) -> list[Measurement]:
        """The latencies of networks that are run in turn, with the protocol's fresh builds and processes.

        Raises:
            MeasurementFailed: likewise, and for any of the networks.
        """
        return self._asked(lambda: measured_together(specs, self.profile))

    def _asked(self, take: Callable[[], list[Measurement]]) -> list[Measurement]:
        if self._silent is not None and time.monotonic() < self._ask_again:
            raise self._silent
        try:
            epoch = self.epochs.current_or_begun()
            found = [each.relative_to(epoch.reference_ms, epoch.id) for each in take()]
        except MeasurementFailed as failure:
            if failure.kind == "device":
                self._pause_s = FIRST_PAUSE_S if self._silent is None else min(2 * self._pause_s, LONGEST_PAUSE_S)
                self._silent = failure
                self._ask_again = time.monotonic() + self._pause_s
            raise
        self._silent = None
        return found

    def predicted(self, spec: Spec, why: str) -> Prediction:
        """The predicted latency; `why` it was not measured becomes a label. There must be a predictor."""
        assert self.predictor is not None
        epoch = self.epochs.current()
        return self.predictor.predict(spec, why).relative_to(epoch.reference_ms if epoch else None)

    def latency(self, spec: Spec, sleep: Callable[[float], None] = time.sleep) -> Latency:
        """Measured if the device answers, else predicted; where nothing can predict, it is waited for.

        Raises:
            MeasurementFailed: not the device's fault, or it did not come back.
        """
        waited_s = 0.0
        while True:
            try:
                return self.measured(spec)
            except MeasurementFailed as failure:
                if failure.kind != "device":
                    raise
                if self.predictor is not None:
                    return self.predicted(spec, f"not measured: {failure.text}")
                if waited_s >= LONGEST_PAUSE_S:
                    raise
                waited_s = self._pause_s
                sleep(max(0.0, self._ask_again - time.monotonic()))


def target(hw: str, study_dir: Path) -> Target:
    """A study's target of a profile's name or path, with the calibration that is known for it, if there is one."""
    found = profile(hw)
    return Target(found, predictor(found, hw), LatencyEpochs(study_dir, found))


def first_contact(target: Target) -> str | None:
    """Why the device of a target will not be measured now; None where it answers.

    Raises:
        MeasurementFailed: it does not answer, and nothing can predict for it either.
    """
    try:
        if target.profile.on_this_cpu:
            versions_here(target.profile)
        else:
            backend_there(target.profile, inspect_target(target.profile))
    except MeasurementFailed as failure:
        if target.predictor is None:
            raise
        return failure.text
    return None


def keep_epoch(target: Target, new: bool, tell: Callable[[str], None]) -> None:
    """Sees to it that latencies taken now compare with those that are there; begins the first epoch.

    Args:
        target: one whose device answers.
        new: whether to begin a new epoch where the device has changed.
        tell: hears what is being done.

    Raises:
        UsageError: the device has changed, and no new epoch is asked for.
        MeasurementFailed: the reference network cannot be measured.
    """
    name, epochs = target.profile.name, target.epochs
    changes = epochs.changes()
    if changes and not new:
        raise UsageError(
            f"{name} is not what it was when the study's latencies on it were begun: {'; '.join(changes)}."
            " Latencies of the two do not compare: put back what was there, or give --new-epoch to measure them again"
        )
    if changes or epochs.current() is None:
        what = "a new epoch" if changes else "what latencies are relative to"
        tell(f"{name}: timing the reference network ({what})")
        begin = epochs.begin if changes else epochs.current_or_begun
        epoch = begin()
        how = "" if epoch.reference.stable else f"; not stable: {'; '.join(epoch.reference.labels)}"
        tell(f"{name}: the reference network takes {epoch.reference_ms:.3g} ms{how}")
