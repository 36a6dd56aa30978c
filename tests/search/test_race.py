"""Searches with rungs: candidates that may be on the front are trained further, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas_sr.config import StudyConfig, parse
from nas_sr.errors import UsageError
from nas_sr.families.weights import load_network
from nas_sr.records import Score, StudyRecord
from nas_sr.search import race as race_module
from nas_sr.search import tune
from nas_sr.search.outcome import Trained
from nas_sr.search.race import Race, steps_to_do
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import kept_state, write_score
from tests.search.quick import answered, searched, write_configs

CANDIDATES, FIRST, BUDGET_STEPS = 4, 6, 120


def _options(folder: Path) -> list[str]:
    return [
        *write_configs(folder), "--rungs", f"{FIRST},12,30", "--budget", str(CANDIDATES),
        "--budget-steps", str(BUDGET_STEPS),
    ]  # fmt: skip


def _record(folder: Path) -> StudyRecord:
    return StudyStore.read(folder / "studies" / "quick").record()


def _runs(record: StudyRecord) -> dict[tuple[int, int, int], float | None]:
    """Every training beyond the first rung."""
    return {
        (trial.number, score.seed, score.steps): score.psnr_db
        for trial in record.trials
        if trial.repeats is None
        for score in trial.scores
        if (score.seed, score.steps) != (0, FIRST)
    }


@pytest.fixture(autouse=True)
def _few_candidates_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_module, "_FEWEST", 3)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A search with rungs, stopped as soon as the first longer training is on disk but not told, then continued."""
    folder = tmp_path_factory.mktemp("raced")
    tell = Race.tell

    def killed(self: Race, number: int, score: Score) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race_module, "_FEWEST", 3)
        patch.setattr(Race, "tell", killed)
        searched(_options(folder), status=130)
        patch.setattr(Race, "tell", tell)
        assert not _runs(_record(folder))
        (left,) = (folder / "studies" / "quick").glob("trials/*/runs/*.json")
        found, said = searched(_options(folder))
    number, (seed, steps) = int(left.parts[-3]), map(int, left.stem.split("-"))
    assert _runs(_record(folder))[number, seed, steps] == Score.model_validate_json(left.read_bytes()).psnr_db
    # It was told from the disk, not trained again.
    assert f"trial {number}" not in [
        line.split(":")[0] for line in said.splitlines() if f"{steps} steps, seed {seed}" in line
    ]
    return folder, found, said


def test_front_is_of_estimates_after_the_longest_rung(raced: tuple[Path, dict[str, Any], str]) -> None:
    folder, found, _ = raced
    record = _record(folder)
    assert found["front"]
    for point in found["front"]:
        trial = record.trial(point["trial"])
        assert trial.estimate is not None
        assert point["estimate"]["steps"] == 30
        assert point["psnr_db"] == trial.psnr_db == trial.estimate.mean_db
        assert trial.scores[0].steps == FIRST
        assert 0 <= trial.estimate.front_probability <= 1
    # What a study without rungs shows: the journal's scores.
    told = {trial.number: trial.values[0] for trial in StudyStore.read(folder / "studies" / "quick").study.trials}
    assert all(trial.scores[0].psnr_db == told[trial.number] for trial in record.trials if trial.repeats is None)


def test_steps_stay_within_their_budget_and_the_finished_search_is_finished(
    raced: tuple[Path, dict[str, Any], str],
) -> None:
    folder, _, _ = raced
    store = StudyStore.read(folder / "studies" / "quick")
    runs = _runs(_record(folder))
    assert runs
    assert Race(store, CANDIDATES, BUDGET_STEPS).steps <= BUDGET_STEPS - CANDIDATES * FIRST
    # Written down by hand: a decay begins at half the length.
    spent, reached = 0, dict[tuple[int, int], int]()
    for number, seed, steps in sorted(runs):
        before = reached.get((number, seed), FIRST if seed == 0 else 0)
        spent += steps - before // 2
        reached[number, seed] = steps
    assert Race(store, CANDIDATES, BUDGET_STEPS).steps == spent
    searched(_options(folder))
    assert _runs(_record(folder)) == runs


def test_weights_are_those_of_the_longest_training(raced: tuple[Path, dict[str, Any], str]) -> None:
    folder, _, _ = raced
    record = _record(folder)
    longer = [trial for trial in record.trials if len(trial.scores) > 1]
    assert longer
    for trial in longer:
        best = max(trial.scores, key=lambda score: (score.steps, -score.seed))
        if (best.seed, best.steps) != (0, FIRST):
            assert record.weights(trial).name == f"{best.seed}-{best.steps}.safetensors"
        load_network(record.weights(trial))
    bundle, _ = answered(
        ["export", "quick", "--trial", str(record.front[0]), "--studies", str(folder / "studies"), "--out",
         str(folder / "bundle"), "--json"]
    )  # fmt: skip
    exported = load_network(Path(bundle["bundle"])).state_dict()
    trained = load_network(record.weights(record.trial(record.front[0]))).state_dict()
    assert all((exported[name] == trained[name]).all() for name in trained)


def test_lost_state_is_trained_again_and_said(raced: tuple[Path, dict[str, Any], str], tmp_path: Path) -> None:
    """In a copy: the candidates' states are broken after the first rung."""
    options = _options(tmp_path)
    searched([*options[:-1], str(CANDIDATES * FIRST)])
    for state in (tmp_path / "studies" / "quick").glob("trials/*/runs/0.ckpt"):
        state.write_bytes(b"broken")
    searched(options)
    notes = [score.note for trial in _record(tmp_path).trials for score in trial.scores if score.steps > FIRST]
    assert any("0.ckpt: " in note for note in notes)


def test_score_of_a_trial_is_recovered_from_its_folder_once(raced: tuple[Path, dict[str, Any], str]) -> None:
    folder, _, _ = raced
    store = StudyStore.open(folder / "studies" / "quick")
    number = store.record().front[0]
    write_score(store.trial_folder(number), Score(seed=2, steps=30, psnr_db=25.0))
    Race(store, CANDIDATES, BUDGET_STEPS)
    lines = store.folder.joinpath("journal.log").read_text().count("\n")
    Race(store, CANDIDATES, BUDGET_STEPS)
    assert store.folder.joinpath("journal.log").read_text().count("\n") == lines
    assert Score(seed=2, steps=30, psnr_db=25.0) in store.scores()[number]


def test_training_that_failed_is_recorded_and_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a race would go on for ever: a failed training leaves its steps unspent."""
    begun: list[tuple[int, int]] = []
    succeeding = tune.train_longer

    def failing(*arguments: Any) -> Iterator[Any]:
        """From every seed but the study's."""
        _, number, _, seed, steps = arguments
        if seed == 0:
            yield from succeeding(*arguments)
            return
        assert (number, seed) not in begun
        begun.append((number, seed))
        yield Trained("failed", seed, steps, reason="training: loss became nan")

    monkeypatch.setattr(tune, "train_longer", failing)
    searched([*_options(tmp_path)[:-1], "300"])  # more than the study's own seed can take
    assert begun
    failed = [score for trial in _record(tmp_path).trials for score in trial.scores if score.psnr_db is None]
    assert {score.reason for score in failed} == {"training: loss became nan"}


def test_states_are_kept_only_where_they_are_needed(tmp_path: Path) -> None:
    searched([*write_configs(tmp_path), "--budget", "1"])
    assert not kept_state(tmp_path / "studies" / "quick" / "trials" / "0", 0).exists()


def test_steps_of_a_longer_training_are_those_behind_the_last_branch() -> None:
    config = StudyConfig.model_validate({"racing": {"rungs": (800, 2400, 8000)}})
    assert steps_to_do(config, None, 2400) == 2400
    assert steps_to_do(config, 800, 2400) == 2400 - 400
    assert steps_to_do(config, 2400, 8000) == 8000 - 1200


@pytest.mark.parametrize(
    ("racing", "said"),
    [
        ({"rungs": [800, 800]}, "rungs must grow, but got 800, 800"),
        ({"rungs": [800]}, "racing.rungs"),
        ({"rungs": [400, 800]}, "must begin with the training's length, 800, but got 400, 800"),
        ({"seeds": 0}, "racing.seeds"),
        ({"rung": [800, 2400]}, "rungs"),
    ],
)
def test_rungs_that_cannot_be(racing: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse({"racing": racing}, StudyConfig, "study.yaml")


def test_schedule_without_a_constant_part_is_refused(tmp_path: Path) -> None:
    options = write_configs(tmp_path, schedule={"kind": "cosine"})
    _, said = answered([*options, "--rungs", "6,12"], status=2)
    assert "racing needs a training of one phase whose schedule is warmup_constant_decay" in said
    _, said = answered([*write_configs(tmp_path), "--rungs", "6;12"], status=2)
    assert "--rungs 6;12: expected steps such as" in said
    _, said = answered([*write_configs(tmp_path), "--budget-steps", "60"], status=2)
    assert "budget_steps is for a study with rungs" in said
    assert yaml.safe_load((tmp_path / "study.yaml").read_text())
