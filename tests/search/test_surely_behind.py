"""Candidates that are surely behind the front are not trained, nobody else is, and switched off everybody is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from optuna.trial import TrialState

from nas_sr.config import Phase, StudyConfig, Training
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.files import write_json
from nas_sr.records import Score as FurtherScore
from nas_sr.search import candidate
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.fidelity import FidelityModel, Score
from nas_sr.search.outcome import Figures, Outcome, Reached
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.surely_behind import FEWEST, LEVEL, complete_trials, error_factor, surely_behind
from nas_sr.search.trial_store import read_outcome, write_latency, write_outcome, write_score
from nas_sr.space import read_space
from nas_sr.train.execution import Execution
from tests.report.study_records import measurement, prediction
from tests.search.test_fidelity import World, _specs

SPECS = _specs(80)
KNOWN, STEPS = 30, 800
# Parts that the model has, of a size that is not the one it takes for typical.
SIZES = {
    "structure_db": 0.08,
    "structure_length": 1.0,
    "lasting_db": 0.03,
    "passing_db": 0.02,
    "memory": 1.0,
    "seed_db": 0.02,
    "noise_db": 0.01,
}


def _drawn_from_the_model(seed: int) -> np.ndarray:
    """Scores [dB] of SPECS."""
    model = FidelityModel(SPECS, [Score(place, 0, STEPS, 26.0) for place in range(len(SPECS))], SIZES)
    root = np.linalg.cholesky(model._observed(SIZES))
    return 26 + root @ np.random.default_rng(seed).standard_normal(len(SPECS))


def _from_another_world(seed: int) -> np.ndarray:
    """Likewise, of a world whose trend and deviations are not the model's."""
    world = World(seed, len(SPECS))
    return np.array([world.score(place, 0, STEPS).psnr_db for place in range(len(SPECS))])


@pytest.mark.parametrize("scores_of", [_drawn_from_the_model, _from_another_world])
def test_hardly_one_score_in_twenty_is_above_its_bound(scores_of) -> None:  # type: ignore[no-untyped-def]
    above, far, worlds = 0, 0.0, 12
    for seed in range(worlds):
        psnr_db = scores_of(seed)
        order = np.random.default_rng(seed).permutation(len(SPECS))
        known, new = order[:KNOWN], order[KNOWN:]
        model = FidelityModel(SPECS, [Score(int(place), 0, STEPS, float(psnr_db[place])) for place in known])
        factor = error_factor(model)
        for place in new:
            mean_db, sd_db = model.next_score(int(place), STEPS)
            above += psnr_db[place] > mean_db + factor * sd_db
            far += factor * sd_db
    new_scores = worlds * (len(SPECS) - KNOWN)
    assert above / new_scores <= 1 - LEVEL + 1.6 * math.sqrt(LEVEL * (1 - LEVEL) / new_scores)
    assert far / new_scores < 0.3  # a bound that says something: dB above the mean


def _evaluation(folder: Path, **fields: object) -> Evaluation:
    plain = {
        "study_dir": str(folder),
        "hw": ("cpu",),
        "train_pack": str(folder / "never opened"),
        "val_pack": str(folder / "never opened"),
        "validation_megapixels": 1.0,
        "training": Training(phases=(Phase(steps=STEPS),)),
        "execution": Execution(),
        "limits_ms": (None,) * len(fields.get("hw", ("cpu",))),  # type: ignore[arg-type]
        "skip_surely_behind": True,
    }
    return Evaluation.model_validate(plain | fields)


def _complete(folder: Path, number: int, spec: Spec, psnr_db: float, latencies_ms: Sequence[float]) -> None:
    trial = folder / "trials" / str(number)
    trial.mkdir(parents=True)
    write_json(trial / "spec.json", spec.to_json())
    write_outcome(trial, Outcome("complete", psnr_db, tuple(latencies_ms)))
    for index, latency_ms in enumerate(latencies_ms):
        name = "latency.json" if index == 0 else "latency-board.json"
        write_latency(trial / name, measurement(latency_ms, spread=0.0))


def _psnr_db(spec: Spec) -> float:
    return 26 + 0.1 * math.log(counts(spec).macs_g)


def _study(folder: Path, complete: int = 25, targets: int = 1) -> None:
    """Latency is ten times the multiply-accumulates, on each target, and PSNR grows with their logarithm."""
    for number, spec in enumerate(SPECS[:complete]):
        _complete(folder, number, spec, _psnr_db(spec), (10 * counts(spec).macs_g,) * targets)


def _new(latency_ms: float, target: str = "cpu") -> Figures:
    return Figures(SPECS[40], None, latency_ms, measurement(latency_ms, spread=0.0))


SLOW_MS = 1e4  # than which every other network is faster
OWN_MS = 10 * counts(SPECS[40]).macs_g


def test_what_all_are_faster_than_and_some_surely_better_is_behind(tmp_path: Path) -> None:
    _study(tmp_path)
    evaluation = _evaluation(tmp_path)
    found = surely_behind(evaluation, [_new(SLOW_MS)], ["cpu"])
    assert found
    best = max(range(25), key=lambda number: _psnr_db(SPECS[number]))
    assert found.ahead == (best,)
    assert found.reason.startswith("not trained: surely behind the front: predicted 26.")
    assert (
        f"with 95% probability, where trial {best} has {_psnr_db(SPECS[best]):.3f} dB and costs no more" in found.reason
    )
    # As fast as others of its size it may well be on the front.
    assert surely_behind(evaluation, [_new(OWN_MS)], ["cpu"]) is None


def test_few_trials_put_nothing_behind(tmp_path: Path) -> None:
    assert FEWEST == 20  # as the page says
    _study(tmp_path, FEWEST - 1)
    assert surely_behind(_evaluation(tmp_path), [_new(SLOW_MS)], ["cpu"]) is None
    _complete(tmp_path, 77, SPECS[77], _psnr_db(SPECS[77]), (10 * counts(SPECS[77]).macs_g,))
    assert surely_behind(_evaluation(tmp_path), [_new(SLOW_MS)], ["cpu"])


def test_what_is_behind_on_one_of_two_targets_is_trained(tmp_path: Path) -> None:
    _study(tmp_path, targets=2)
    evaluation = _evaluation(tmp_path, hw=("cpu", "board"))
    slow, fast = _new(SLOW_MS), _new(0.01)
    assert surely_behind(evaluation, [slow, slow], ["cpu", "board"])
    assert surely_behind(evaluation, [slow, fast], ["cpu", "board"]) is None
    assert surely_behind(evaluation, [fast, slow], ["cpu", "board"]) is None


def test_what_may_be_as_fast_by_its_interval_is_trained(tmp_path: Path) -> None:
    """Among trials of which one alone is better, at 50 ms, or up to 55."""
    _study(tmp_path)
    _complete(tmp_path, 70, SPECS[70], 28.0, (50.0,))
    doubtful = measurement(50.0, spread=0.0).model_copy(update={"samples_ms": (50.0,) * 18 + (55.0,) * 2})
    write_latency(tmp_path / "trials" / "70" / "latency.json", doubtful)
    guess = prediction(60.0)
    for low_ms, bound_ms, behind in ((56.0, 56.0, True), (56.0, 52.0, False), (54.0, 56.0, False)):
        latency = guess.model_copy(update={"low_ms": low_ms, "bound_ms": bound_ms})
        found = surely_behind(_evaluation(tmp_path), [Figures(SPECS[40], None, 60.0, latency)], ["cpu"])
        assert (found is not None) == behind


def test_further_objectives_must_be_no_better_either(tmp_path: Path) -> None:
    _study(tmp_path)
    evaluation = _evaluation(tmp_path, objectives=("psnr_db", "latency_ms", "params"))
    small = min(SPECS, key=lambda spec: counts(spec).params)
    figures = Figures(small, None, SLOW_MS, measurement(SLOW_MS, spread=0.0))
    assert surely_behind(evaluation, [figures], ["cpu"]) is None
    assert surely_behind(_evaluation(tmp_path), [figures], ["cpu"])


def test_trials_over_a_limit_put_nothing_behind(tmp_path: Path) -> None:
    _study(tmp_path)
    evaluation = _evaluation(tmp_path, limits={"psnr_db": 99.0})
    assert complete_trials(evaluation, ["cpu"]) == []
    assert len(complete_trials(_evaluation(tmp_path, limits_ms=(1.0,)), ["cpu"])) < 25


def test_with_racing_it_is_behind_after_the_longest_rung_or_trained(tmp_path: Path) -> None:
    """A small network, than which a large one alone is faster."""
    _study(tmp_path)
    small, large = (choose(SPECS[30:], key=lambda spec: counts(spec).macs_g) for choose in (min, max))
    _complete(tmp_path, 70, large, _psnr_db(large), (0.01,))
    figures = [Figures(small, None, 0.02, measurement(0.02, spread=0.0))]
    assert surely_behind(_evaluation(tmp_path), figures, ["cpu"])
    evaluation = _evaluation(tmp_path, racing=True, longest_rung=8000)
    for number, spec in [*enumerate(SPECS[:25]), (70, large)]:
        score = FurtherScore(seed=0, steps=8000, psnr_db=_psnr_db(spec) + 0.5)
        write_score(tmp_path / "trials" / str(number), score)
    found = surely_behind(evaluation, figures, ["cpu"])
    assert found
    assert found.ahead == (70,)
    assert "dB after 8000 steps, below" in found.reason
    write_score(tmp_path / "trials" / "70", FurtherScore(seed=0, steps=8000, psnr_db=_psnr_db(small) + 0.5))
    assert surely_behind(evaluation, figures, ["cpu"]) is None


def _first_events(folder: Path, monkeypatch: pytest.MonkeyPatch, evaluation: Evaluation) -> Reached | Outcome:
    target = SimpleNamespace(
        profile=SimpleNamespace(name="cpu"), predictor=None, latency=lambda spec: measurement(SLOW_MS, spread=0.0)
    )
    monkeypatch.setattr(candidate, "_target", lambda *_: target)
    events = evaluate_candidate(evaluation, 90, SPECS[40])
    next(events)
    return next(events)


def test_candidate_behind_is_pruned_and_switched_off_it_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study(tmp_path)
    outcome = _first_events(tmp_path, monkeypatch, _evaluation(tmp_path))
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.psnr_db, outcome.latencies_ms) == ("pruned", None, (SLOW_MS,))
    assert read_outcome(tmp_path / "trials" / "90") == outcome  # a search that is killed tells it later
    off = _evaluation(tmp_path, skip_surely_behind=False)
    assert _first_events(tmp_path, monkeypatch, off) == Reached("training", 0, STEPS, latencies_ms=(SLOW_MS,))
    assert StudyConfig().skip_surely_behind is False


BEHIND = "not trained: surely behind the front: predicted 26.000 dB"


def _told(proposals: Proposals, outcome: Outcome, latency_ms: float) -> int:
    proposal = proposals.ask()
    assert proposal
    write_latency(proposals.store.latency_path(proposal.number, "cpu"), measurement(latency_ms, spread=0.0))
    proposals.tell(proposal.number, outcome)
    return proposal.number


def test_pruned_candidate_is_spent_breaks_no_limit_and_comes_back_only_if_what_it_is_behind_was_not_faster(
    tmp_path: Path,
) -> None:
    config = StudyConfig(max_latency_ms=(50.0,), skip_surely_behind=True)
    store = StudyStore.create(tmp_path / "study", config, {})
    space = read_space("imdeception_x4")
    proposals = Proposals(store, space)
    rival = _told(proposals, Outcome("complete", 26.5, (10.0,)), 10.0)
    pruned = _told(proposals, Outcome("pruned", None, (20.0,), BEHIND, ahead=(rival,)), 20.0)
    proposals.interrupt()

    again = Proposals(StudyStore.open(store.folder), space)
    assert (again.evaluated, again.again) == (2, [])
    record = again.store.record()
    assert (record.trial(pruned).state, record.trial(pruned).reason) == ("pruned", BEHIND)
    assert record.front == (rival,)
    frozen = again.store.study.trials[pruned]
    assert frozen.state == TrialState.PRUNED
    assert list(frozen.constraints.values()) == [-30.0]
    assert again.store.finished()[pruned] == Outcome("pruned", None, (20.0,), BEHIND, ahead=(rival,))

    write_latency(store.latency_path(rival, "cpu"), measurement(21.0, spread=0.0))
    again = Proposals(StudyStore.open(store.folder), space)
    assert (again.evaluated, again.again) == (1, [pruned])
    digest = record.trial(pruned).spec.digest
    # It waits behind the presets, which were queued before.
    assert digest in [proposal.spec.digest for proposal in (again.ask() for _ in range(8)) if proposal]


def test_repeat_of_a_pruned_network_costs_nothing(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "study", StudyConfig(skip_surely_behind=True), {})
    space = read_space("imdeception_x4")
    proposals = Proposals(store, space)
    rival = _told(proposals, Outcome("complete", 26.5, (10.0,)), 10.0)
    pruned = _told(proposals, Outcome("pruned", None, (20.0,), BEHIND, ahead=(rival,)), 20.0)
    store.study.enqueue_trial(dict(store.study.trials[pruned].params))
    while not any(trial.repeats == pruned for trial in store.trials()):
        proposal = proposals.ask()
        assert proposal
        proposals.tell(proposal.number, Outcome("complete", 26.0, (30.0,)))
    repeat = next(trial for trial in store.trials() if trial.repeats == pruned)
    assert (repeat.state, repeat.reason) == ("pruned", BEHIND)
