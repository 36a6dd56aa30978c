"""How a latency is worded, measured or predicted: one wording for command line, progress, report and model card.

Figures have three significant digits where networks are compared at a glance; `exact` ones have two decimals. A
predicted figure never stands without the word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nas_sr.latency import Latency
from nas_sr.measure.measurement import Measurement
from nas_sr.predict.prediction import Grounds
from nas_sr.quantities import hundredths, milliseconds, percent, plural, significant

STABLE, NOT_STABLE = "stable", "not stable"


class LatencyText(NamedTuple):
    """A latency in words; what it does not have is an empty text."""

    figure: str  # `25.3 ms`, without its kind
    kind: str  # measured or predicted
    stability: str  # of what was measured: stable or not stable
    spread: str
    samples: str
    correction: str  # from what the clock said
    repeats: str  # of a finalist
    engine: str
    grounds: str  # of what was predicted
    notes: tuple[str, ...]  # instability reasons, or what else a reader must know

    @property
    def lines(self) -> tuple[str, ...]:
        """What a figure rests on, a line each."""
        return tuple(filter(None, (self.correction, self.repeats, self.engine, self.grounds)))


def worded(latency: Latency, *, exact: bool = False) -> LatencyText:
    """All that is said of a latency."""
    figure, spread_ = milliseconds(latency.latency_ms, exact=exact), spread(latency, exact=exact)
    if latency.kind == "predicted":
        known = f"calibration: {grounds(latency.calibration)}"
        return LatencyText(figure, "predicted", "", spread_, "", "", "", "", known, latency.labels)
    stability = STABLE if latency.stable else NOT_STABLE
    taken = samples(latency), correction(latency), repeats(latency), engine(latency)
    return LatencyText(figure, "measured", stability, spread_, *taken, "", latency.labels)


def figure(latency: Latency, *, exact: bool = False) -> str:
    """`25.3 ms`, or `25.3 ms predicted`."""
    return milliseconds(latency.latency_ms, exact=exact) + (" predicted" if latency.kind == "predicted" else "")


def kind(latency: Latency) -> str:
    """`measured`, `measured, not stable` or `predicted, 80 % interval 21.00 to 30.20 ms`."""
    if latency.kind == "predicted":
        return f"predicted, {spread(latency, exact=True)}"
    return "measured" if latency.stable else f"measured, {NOT_STABLE}"


def is_unstable(latency: Latency) -> bool:
    """Whether it was measured and is not to be relied on; a prediction is neither stable nor unstable."""
    return latency.kind == "measured" and not latency.stable


def spread(latency: Latency, *, exact: bool = False) -> str:
    """`p5 to p95 25.1 to 26.0 ms` of what was measured, `80 % interval 21.0 to 30.2 ms` of what was predicted."""
    name = f"{percent(latency.level)} interval" if latency.kind == "predicted" else "p5 to p95"
    return f"{name} {span(latency.low_ms, latency.high_ms, exact=exact)}"


def span(low_ms: float, high_ms: float, *, exact: bool = False) -> str:
    """`25.1 to 26.0 ms`."""
    number = hundredths if exact else significant
    return f"{number(low_ms)} to {number(high_ms)} ms"


def setup(latency: Latency) -> str:
    """`onnxruntime in fp32 on cpu, LR input 96x96, 2 threads`: what it was taken with; of a prediction, what for."""
    size = f"LR input {latency.lr_width}x{latency.lr_height}"
    if latency.kind == "predicted":
        return f"for {latency.target}, {size}"
    precision = f" in {latency.precision}" if latency.precision else ""
    unlike_ours = (latency.layout, latency.dtype) != ("nchw", "fp32")
    image = f" {latency.layout.upper()} {latency.dtype}" if unlike_ours else ""
    threads = f", {plural(latency.machine['threads'], 'thread')}" if latency.machine.get("threads") else ""
    return f"{latency.backend}{precision} on {latency.target}, {size}{image}{threads}"


def samples(latency: Measurement) -> str:
    """`60 samples, 1.27 × reference network`."""
    relative = f", {latency.relative_latency:.2f} × reference network" if latency.reference_ms else ""
    return f"{plural(latency.runs, 'sample')}{relative}"


def variation(latency: Measurement) -> str:
    """`IQR 0.31 ms, variation 1.2 %, reference network 20.12 ms`."""
    reference = milliseconds(latency.reference_latency_ms, exact=True) if latency.reference_ms else ""
    known = f", reference network {reference}" if reference else ""
    return f"IQR {milliseconds(latency.iqr_ms)}, variation {percent(latency.cov)}{known}"


def correction(latency: Measurement) -> str:
    """What the clock said, where the figure is corrected for the device's drift; nothing where it is the same."""
    if latency.target_reference_ms is None or not latency.reference_ms:
        return ""
    raw, reference, target = (
        milliseconds(value, exact=True)
        for value in (latency.raw_latency_ms, latency.reference_latency_ms, latency.target_reference_ms)
    )
    return f"taken as {raw} while the reference network took {reference}, corrected to its {target}"


def repeats(latency: Measurement) -> str:
    """`3 builds × 3 runs; runs of one build differ by up to 0.40 %, builds by 1.1 %`; nothing of a single run."""
    if not latency.repeats:
        return ""
    runs = Counter(repeat.build for repeat in latency.repeats)
    text = f"{plural(len(runs), 'build')} × {plural(max(runs.values()), 'run')}"
    differ = []
    if latency.run_spread is not None:
        differ.append(f"runs of one build differ by up to {percent(latency.run_spread)}")
    if latency.build_spread is not None:
        differ.append(f"builds {'' if differ else 'differ '}by {percent(latency.build_spread)}")
    return "; ".join([text, ", ".join(differ)] if differ else [text])


def engine(latency: Measurement) -> str:
    """`built in 12.3 s, 58 layers, timing cache 1a2b3c4d5e6f`, where the backend builds engines and says so."""
    facts = latency.engine
    parts = []
    if isinstance(facts.get("build_s"), int | float):
        parts.append(f"built in {significant(facts['build_s'])} s")
    if isinstance(facts.get("layers"), list):
        parts.append(plural(len(facts["layers"]), "layer"))
    if digest := timing_cache(latency):
        parts.append(f"timing cache {digest}")
    return ", ".join(parts)


def timing_cache(latency: Measurement) -> str:
    """The first 12 digits of the digest of the timing cache that the build left; nothing where there is none."""
    cache = latency.engine.get("timing_cache")
    left = cache.get("left") if isinstance(cache, dict) else cache
    return str(left)[:12] if left else ""


def grounds(calibration: Grounds) -> str:
    """What predictions rest on: source, number of points, error on points left out of the fit."""
    error = percent(calibration.cross_validated_error)
    return f"{calibration.source}, {plural(calibration.points, 'point')}, cross-validated error {error}"


def in_short(latency: Latency) -> str:
    """`12.34 ms`, `12.34 ms (not stable)` or `predicted 12.34 ms (11.00 to 13.80)`."""
    text = milliseconds(latency.latency_ms, exact=True)
    if latency.kind == "predicted":
        return f"predicted {text} ({hundredths(latency.low_ms)} to {hundredths(latency.high_ms)})"
    return text if latency.stable else f"{text} ({NOT_STABLE})"


def on_targets(latencies_ms: Sequence[float]) -> str:
    """`12.34 / 80.12 ms`: one network on each of some targets; nothing without a latency."""
    return f"{' / '.join(map(hundredths, latencies_ms))} ms" if latencies_ms else ""


def over_limit(latency: Latency, limit_ms: float) -> str:
    """Why a latency rules a network out, and how sure that is."""
    if latency.kind == "predicted":
        bound = milliseconds(latency.bound_ms, exact=True)
        how = f"; {percent(latency.bound_level)} of such networks take more than {bound}"
    else:
        how = "" if latency.stable else "; it is measured again when the search ends"
    return f"{in_short(latency)} on {latency.target} is over the limit of {limit_ms:g} ms{how}"


def reservation(latency: Latency) -> str:
    """What a reader of the figure must know, in one line; nothing of a measurement that is stable."""
    where = f"latency on {latency.target}"
    if latency.kind == "predicted":
        return f"{where} predicted, {span(latency.low_ms, latency.high_ms, exact=True)}"
    return "" if latency.stable else f"{where} {NOT_STABLE}: {'; '.join(latency.labels)}"
