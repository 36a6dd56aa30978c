"""A device as a search sees it: measured while it answers, predicted while it does not, and always said which."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nas_sr.arch.spec import ArchSpec
from nas_sr.latency.calibration import predictor
from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.latency import Latency
from nas_sr.latency.latency_cache import cached_or_measured
from nas_sr.latency.prediction import Prediction
from nas_sr.latency.probe import backend_there, probe
from nas_sr.latency.profile import HardwareProfile, profile

if TYPE_CHECKING:
    from nas_sr.latency.predictor import Predictor

# A device that did not answer is asked again after a pause, twice as long each time up to the longest. Where nothing
# can predict for it, a search waits through all of these, eight minutes, and then stops.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 240.0


class Target:
    """One target of a study, in one process."""

    def __init__(self, profile: HardwareProfile, predictor: Predictor | None) -> None:
        self.profile = profile
        self.predictor = predictor
        self._pause_s = 0.0
        self._ask_again = 0.0  # monotonic time
        self._silent: MeasurementFailed | None = None

    def measured(self, spec: ArchSpec, *, final: bool = False) -> Latency:
        """The measured latency.

        Raises:
            MeasurementFailed: of kind device also while a silent device is given its pause.
        """
        if self._silent is not None and time.monotonic() < self._ask_again:
            raise self._silent
        try:
            found = cached_or_measured(spec, self.profile, final=final)
        except MeasurementFailed as failure:
            if failure.kind == "device":
                self._pause_s = FIRST_PAUSE_S if self._silent is None else min(2 * self._pause_s, LONGEST_PAUSE_S)
                self._silent = failure
                self._ask_again = time.monotonic() + self._pause_s
            raise
        self._silent = None
        return found

    def predicted(self, spec: ArchSpec, why: str) -> Prediction:
        """The predicted latency; `why` it was not measured becomes a label. There must be a predictor."""
        assert self.predictor is not None
        found = self.predictor.predict(spec)
        return found.model_copy(update={"labels": (*found.labels, why)})

    def latency(self, spec: ArchSpec, sleep: Callable[[float], None] = time.sleep) -> Latency:
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


def target(hw: str) -> Target:
    """The target of a profile's name or path, with the calibration that is known for it, if there is one."""
    found = profile(hw)
    return Target(found, predictor(found, hw))


def first_contact(target: Target) -> str | None:
    """Why the device of a target will not be measured now; None where it answers.

    Raises:
        MeasurementFailed: it does not answer, and nothing can predict for it either.
    """
    if not target.profile.ssh and target.profile.backends == ("onnxruntime",):
        return None  # it is this process's own runtime
    try:
        backend_there(target.profile, probe(target.profile))
    except MeasurementFailed as failure:
        if target.predictor is None:
            raise
        return failure.text
    return None
