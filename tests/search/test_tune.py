"""How many candidates Tune is given at a time, and how many find room."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from nas_sr.config import StudyConfig
from nas_sr.search import tune
from nas_sr.search.outcome import Outcome
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.tune import JournalSearcher, Resources
from nas_sr.space import parse_space

SPACE = parse_space({"parameters": {"core": [2, 4, 6, 8], "gidbs": [1, 2]}}, Path("s"))


def test_one_candidate_more_than_run_is_given_out(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "s", StudyConfig(sampler="random"), {})
    console = Console(file=io.StringIO())
    searcher = JournalSearcher(Proposals(store, SPACE), budget=5, progress=SearchProgress(console, 5, {}))
    searcher.at_once = 2
    asked = [searcher.suggest(str(number)) for number in range(4)]
    assert [isinstance(each, dict) for each in asked] == [True, True, True, False]
    assert asked[3] is None  # not FINISHED: there is budget left
    searcher.on_trial_complete("1", {**Outcome("complete", 25.0, (9.0,))._asdict(), "done": True})
    assert isinstance(searcher.suggest("4"), dict)
    assert searcher.suggest("5") is None
    for number in ("0", "2"):
        searcher.on_trial_complete(number, {**Outcome("complete", 25.0, (9.0,))._asdict(), "done": True})
    assert isinstance(searcher.suggest("6"), dict)
    assert searcher.suggest("7") == searcher.FINISHED


@pytest.mark.parametrize(
    ("there", "resources", "expected"),
    [
        ({"CPU": 2.0}, Resources(1, 0), 2),
        ({"CPU": 16.0, "GPU": 1.0}, Resources(1, 0.25), 4),
        ({"CPU": 3.0}, Resources(2, 0), 1),
        ({"CPU": 8.0}, Resources(1, 0.25), 1),  # refused elsewhere
    ],
)
def test_as_many_candidates_run_as_find_room(
    there: dict[str, float], resources: Resources, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune.ray, "cluster_resources", lambda: there)
    assert tune._at_once(resources) == expected
