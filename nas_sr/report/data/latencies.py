"""A study's latencies by their kind, and what is to be known of several of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nas_sr.latency import Latency
from nas_sr.measure.measurement import Measurement
from nas_sr.predict.prediction import Prediction
from nas_sr.records import StudyRecord


def measurements(study: StudyRecord) -> dict[int, Measurement]:
    """Every latency that was measured, by trial; repeats of an earlier network are left out."""
    return {number: one for number, one in _latencies(study) if one.kind == "measured"}


def predictions(study: StudyRecord) -> dict[int, Prediction]:
    """Every latency that was predicted, by trial; repeats of an earlier network are left out."""
    return {number: one for number, one in _latencies(study) if one.kind == "predicted"}


def _latencies(study: StudyRecord) -> Iterator[tuple[int, Latency]]:
    for trial in study.trials:
        if trial.latency is not None and trial.repeats is None:
            yield trial.number, trial.latency


def shared_labels(found: Sequence[Prediction]) -> list[str]:
    """What is to be known of all of some predictions; in what a network is unlike the calibrated ones is its own."""
    first, *rest = found
    return [label for label in first.labels if label != first.outside and all(label in one.labels for one in rest)]


def notes(study: StudyRecord) -> list[str]:
    """What a reader must know of figures that are stable, each with how many it concerns; the most frequent first."""
    stable = [latency for latency in measurements(study).values() if latency.stable]
    counts = Counter(label for latency in stable for label in latency.labels)
    return [f"{label} ({number} of {len(stable)})" for label, number in counts.most_common()]
