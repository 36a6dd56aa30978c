"""Trains a candidate from one seed to one length; a search with racing goes on from there later."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from torch import nn

from nas_sr.data.pack import Pack
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.weights import save_weights
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.records import CurvePoint, Score
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.evaluators import inherited_network, starting_network
from nas_sr.search.failures import of_environment
from nas_sr.search.outcome import Reached, Trained
from nas_sr.search.trial_store import kept_state, run_weights, write_score
from nas_sr.stages import recording, stage
from nas_sr.train.loop import Diverged, Validate, train
from nas_sr.train.rungs import begin_rung, train_rung
from nas_sr.train.state import TrainingState


class CandidateTraining:
    """One training of a candidate."""

    def __init__(self, evaluation: Evaluation, folder: Path, spec: Spec, seed: int, steps: int) -> None:
        """
        Args:
            evaluation: of the study.
            folder: the trial's.
            spec: its network.
            seed: 0 is the study's, 1 the next.
            steps: its length; other than the study's only with racing.
        """
        self._evaluation, self._racing = evaluation, evaluation.racing
        self._images = Pack(Path(evaluation.train_pack))
        self._kept = kept_state(folder, seed)
        training = evaluation.training.model_copy(update={"seed": evaluation.training.seed + seed})
        self.note = ""
        # A GPU's context and first memory disturb measurements too.
        with SharedDevice("cpu", evaluation.execution.device):
            network = starting_network(evaluation, spec, training.seed)
            if self._racing:
                self.state, self.note = begin_rung(
                    network, training, steps, evaluation.execution, self._images, self._kept
                )
            else:
                self.state = TrainingState(network, training, evaluation.execution)

    def run(self) -> Iterator[CurvePoint]:
        """Trains to the end, holding its device only between two yields, and not while a measurement wants it.

        Raises:
            Diverged: with the step and the reason.
        """
        evaluation = self._evaluation
        looked_at = bounded(Pack(Path(evaluation.val_pack)), evaluation.validation_megapixels)
        with SharedDevice("cpu", evaluation.execution.device) as device, stage("training"):

            @stage("validation")
            def validate(network: nn.Module) -> float:
                return validation_psnr_rgb(network, looked_at, device.step_boundary)

            if evaluation.evaluator == "supernet":
                points = self._inherited(validate)
            elif self._racing:
                points = train_rung(self.state, self._images, validate, self._kept, device.step_boundary)
            else:
                points = train(self.state, self._images, validate, between_steps=device.step_boundary)
            for point in points:
                if not math.isfinite(point.psnr_db):
                    raise Diverged(f"validation PSNR became {point.psnr_db} at step {point.step}")
                yield point

    def _inherited(self, validate: Validate) -> Iterator[CurvePoint]:
        """The score of the weights as they are."""
        begin = time.perf_counter()
        psnr_db = validate(self.state.judged)
        self.state.keep_if_best(psnr_db)
        yield CurvePoint(0, math.nan, psnr_db, time.perf_counter() - begin)


def inherited_psnr_db(evaluation: Evaluation, spec: Spec) -> float:
    """The validation PSNR of a candidate with what it inherits of a supernet, as it is.

    Raises:
        UsageError: it is outside of the supernet, or that cannot be read any more.
        Diverged: its output is not finite.
    """
    looked_at = bounded(Pack(Path(evaluation.val_pack)), evaluation.validation_megapixels)
    with SharedDevice("cpu", evaluation.execution.device) as device, stage("validation"):
        network = evaluation.execution.place(inherited_network(evaluation, spec))
        psnr_db = validation_psnr_rgb(network, looked_at, device.step_boundary)
    if not math.isfinite(psnr_db):
        raise Diverged(f"validation PSNR with inherited weights is {psnr_db}")
    return psnr_db


def train_longer(evaluation: Evaluation, number: int, spec: Spec, seed: int, steps: int) -> Iterator[Reached | Trained]:
    """Trains a complete candidate further, or from another seed, yielding its progress and, last, its score.

    Likewise any failure is a score with its reason, and where something else gave way it is "interrupted".
    """
    folder = Path(evaluation.study_dir) / "trials" / str(number)
    with recording(folder / f"stages-{seed}-{steps}.json"):
        found: Score | str = ""
        try:
            training = CandidateTraining(evaluation, folder, spec, seed, steps)
            yield Reached("training", training.state.position, steps)
            for point in training.run():
                yield Reached("training", point.step, steps, point.psnr_db)
            save_weights(training.state.best, spec, run_weights(folder, seed, steps))
            psnr_db, note = training.state.best_psnr_db, training.note
            found = Score(seed=seed, steps=steps, psnr_db=psnr_db, note=note, audit=evaluation.audit)
        except Diverged as error:
            found = Score(seed=seed, steps=steps, psnr_db=None, reason=f"training: {error}", audit=evaluation.audit)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            found = of_environment(error) or Score(
                seed=seed, steps=steps, psnr_db=None, reason=reason, audit=evaluation.audit
            )
        if isinstance(found, str):
            trained = Trained("interrupted", seed, steps, reason=found)
        else:
            with suppress(OSError):  # it is only for a search that is killed before it tells the study
                write_score(folder, found)
            trained = Trained(
                "failed" if found.psnr_db is None else "trained", seed, steps, found.psnr_db, found.reason, found.note
            )
    yield trained  # last, because nobody may ask for more
