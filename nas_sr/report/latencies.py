"""What is said of a latency, measured or predicted: one wording for cards, hover texts, tables and facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nas_sr.latency import Latency
from nas_sr.measure.measurement import Measurement
from nas_sr.predict.prediction import Grounds, Prediction
from nas_sr.records import StudyRecord
from nas_sr.report.words import milliseconds, percent, plural, significant


def measured(latency: Latency | None) -> Measurement | None:
    """A latency that was measured; None for any other."""
    return latency if latency is not None and latency.kind == "measured" else None


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


def is_unstable(latency: Latency) -> bool:
    """Whether it was measured and is not to be relied on; a prediction is neither stable nor unstable."""
    return latency.kind == "measured" and not latency.stable


def spread(latency: Latency, digits: int = 3) -> str:
    """`p5 to p95 25.1 to 26.0 ms` of what was measured, `80 % interval 21.0 to 30.2 ms` of what was predicted."""
    name = f"{percent(latency.level)} interval" if latency.kind == "predicted" else "p5 to p95"
    return f"{name} {significant(latency.low_ms, digits)} to {significant(latency.high_ms, digits)} ms"


def figure(latency: Latency) -> str:
    """`25.3 ms`, or `25.3 ms predicted`: a prediction never stands without the word."""
    return milliseconds(latency.latency_ms) + (" predicted" if latency.kind == "predicted" else "")


def grounds(calibration: Grounds) -> str:
    """What predictions rest on: source, number of points, error on points left out of the fit."""
    error = percent(calibration.cross_validated_error)
    return f"{calibration.source}, {plural(calibration.points, 'point')}, cross-validated error {error}"


def repeats(latency: Measurement) -> str | None:
    """`3 builds × 3 runs; runs of one build differ by up to 0.40 %, builds by 1.1 %`; None for a single run."""
    if not latency.repeats:
        return None
    runs = Counter(repeat.build for repeat in latency.repeats)
    text = f"{plural(len(runs), 'build')} × {plural(max(runs.values()), 'run')}"
    differ = []
    if latency.run_spread is not None:
        differ.append(f"runs of one build differ by up to {percent(latency.run_spread)}")
    if latency.build_spread is not None:
        differ.append(f"builds {'' if differ else 'differ '}by {percent(latency.build_spread)}")
    return "; ".join([text, ", ".join(differ)] if differ else [text])


def engine(latency: Measurement) -> str | None:
    """`built in 12.3 s, 58 layers, timing cache 1a2b3c4d5e6f`, where the backend builds engines and says so."""
    facts = latency.engine
    parts = []
    if isinstance(facts.get("build_s"), int | float):
        parts.append(f"built in {significant(facts['build_s'])} s")
    if isinstance(facts.get("layers"), list):
        parts.append(plural(len(facts["layers"]), "layer"))
    if digest := timing_cache(latency):
        parts.append(f"timing cache {digest}")
    return ", ".join(parts) or None


def timing_cache(latency: Measurement) -> str | None:
    """The first 12 digits of the digest of the timing cache that the build left; None where there is none."""
    cache = latency.engine.get("timing_cache")
    left = cache.get("left") if isinstance(cache, dict) else cache
    return str(left)[:12] if left else None


def shared_labels(found: Sequence[Prediction]) -> list[str]:
    """What is to be known of all of some predictions; in what a network is unlike the calibrated ones is its own."""
    first, *rest = found
    return [label for label in first.labels if label != first.outside and all(label in one.labels for one in rest)]


def notes(study: StudyRecord) -> list[str]:
    """What a reader must know of figures that are stable, each with how many it concerns; the most frequent first."""
    stable = [latency for latency in measurements(study).values() if latency.stable]
    counts = Counter(label for latency in stable for label in latency.labels)
    return [f"{label} ({number} of {len(stable)})" for label, number in counts.most_common()]
