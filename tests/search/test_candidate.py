"""What a candidate's latency decides before and after its training: with a target that says what it is told to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nas_sr.config import Phase, Training
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.latency import Latency
from nas_sr.predict.prediction import Prediction
from nas_sr.search import candidate
from nas_sr.search.candidate import Evaluation, evaluate_candidate
from nas_sr.search.outcome import Figures, Outcome, Reached
from nas_sr.search.trial_store import write_latency, write_outcome
from nas_sr.train.execution import Execution
from tests.report.study_records import measurement, prediction

SPEC = ImdeceptionSpec(core=2, gidbs=1, depth=2, head=16)
LIMIT_MS = 20.0


def _evaluation(folder: Path, measure: str = "all") -> Evaluation:
    return Evaluation(
        study_dir=str(folder),
        hw=("cpu",),
        train_pack=str(folder / "never opened"),
        val_pack=str(folder / "never opened"),
        validation_megapixels=1.0,
        training=Training(phases=(Phase(steps=1),)),
        execution=Execution(),
        limits_ms=(LIMIT_MS,),
        measure=measure,  # type: ignore[arg-type]
    )


def _decided(
    folder: Path, monkeypatch: pytest.MonkeyPatch, predicted: Latency | None, measured: Latency | None
) -> Reached | Outcome:
    """The event after the first: training begins, or the outcome."""
    target = SimpleNamespace(
        profile=SimpleNamespace(name="cpu"),
        predictor=predicted,
        latency=lambda spec: measured or predicted,
        predicted=lambda spec, why: predicted,
    )
    monkeypatch.setattr(candidate, "_target", lambda *_: target)
    events = evaluate_candidate(_evaluation(folder, "uncertain" if predicted else "all"), 0, SPEC)
    next(events)
    return next(events)


def _guess(latency_ms: float, low_ms: float, bound_ms: float, high_ms: float = 99.0) -> Prediction:
    bounds = {"low_ms": low_ms, "bound_ms": bound_ms, "high_ms": high_ms}
    return prediction(latency_ms).model_copy(update=bounds)


@pytest.mark.parametrize(
    ("latency", "rejected"),
    [
        (_guess(30, low_ms=25, bound_ms=21), True),  # surely too slow
        (_guess(30, low_ms=25, bound_ms=19), False),  # neither by its mean nor by the end of its interval
        (_guess(21, low_ms=19, bound_ms=18), False),
    ],
)
def test_prediction_rules_out_only_what_is_surely_too_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latency: Prediction, rejected: bool
) -> None:
    event = _decided(tmp_path, monkeypatch, latency, None)
    assert isinstance(event, Outcome) == rejected
    if isinstance(event, Outcome):
        assert event.state == "infeasible"
        assert event.reason == (
            "predicted 30.00 ms (25.00 to 99.00) on cpu is over the limit of 20 ms; 95 % of such networks take more"
            " than 21.00 ms"
        )


@pytest.mark.parametrize("low_ms", [10.0, 25.0])
def test_prediction_that_cannot_decide_about_the_limit_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low_ms: float
) -> None:
    """Also where the interval lies above the limit, and the bound does not."""
    event = _decided(tmp_path, monkeypatch, _guess(30, low_ms, bound_ms=9), measurement(12.0, spread=0.0))
    assert isinstance(event, Reached)
    assert event.latencies_ms == (12.0,)


def test_unstable_latency_over_the_limit_is_said_to_be_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = measurement(23.0, spread=0.0, stable=False, labels=("others computed",))
    event = _decided(tmp_path, monkeypatch, None, doubtful)
    assert isinstance(event, Outcome)
    assert event.reason == (
        "23.00 ms (not stable) on cpu is over the limit of 20 ms; it is measured again when the search ends"
    )


@pytest.mark.parametrize(
    ("other", "beaten"),
    [
        (_guess(10, low_ms=8, bound_ms=7, high_ms=14), True),  # at its slowest still faster than 15 ms
        (_guess(10, low_ms=8, bound_ms=7, high_ms=16), False),  # by its mean only
        (measurement(14.0, spread=0.0), True),
        (measurement(16.0, spread=0.0), False),
    ],
)
def test_only_what_is_surely_beaten_stays_predicted(tmp_path: Path, other: Latency, beaten: bool) -> None:
    """Of a network predicted at 15 to 30 ms."""
    folder = tmp_path / "trials" / "3"
    folder.mkdir(parents=True)
    write_outcome(folder, Outcome("complete", 26.0, (other.latency_ms,)))
    write_latency(folder / "latency.json", other)
    mine = _guess(20, low_ms=15, bound_ms=12, high_ms=30)
    for psnr_db, expected in ((25.9, beaten), (26.1, False)):
        found = Figures(counts(SPEC), psnr_db, mine.latency_ms, mine)
        assert candidate._surely_beaten(found, ("psnr_db", "latency_ms"), folder.parent, 0, "cpu") == expected
