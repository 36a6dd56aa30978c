"""A search that begins with what another study found good: proposed first, once, and evaluated as any other network."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_latency
from nas_sr.search.warm_start import MOST, warm_start
from nas_sr.space import SearchSpace, parse_space, read_spaces
from tests.report.study_records import measurement
from tests.search.quick import searched, write_configs

WIDE = parse_space({"parameters": {"core": {"low": 4, "high": 64, "step": 2}}}, Path("wide.yaml"))
# Holds every second network of that.
NARROW = parse_space({"parameters": {"core": {"low": 4, "high": 64, "step": 4}, "groups": [4, 8]}}, Path("narrow.yaml"))


def _study(folder: Path, space: SearchSpace, trained: int) -> StudyStore:
    """Every third network is on the front; the two after it are a little and much worse."""
    store = StudyStore.create(folder, StudyConfig(), {"frozen": {"hw": {"cpu": {}}}})
    proposals = Proposals(store, space)
    for place in range(trained):
        proposal = proposals.ask()
        assert proposal
        latency_ms = 10.0 + place // 3
        write_latency(store.latency_path(proposal.number, "cpu"), measurement(latency_ms, spread=0.0))
        psnr_db = 26 + 0.1 * (place // 3) - (0.0, 0.01, 5.0)[place % 3]
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms,)))
    return store


def test_front_comes_first_then_the_next_best_up_to_a_number(tmp_path: Path) -> None:
    store = _study(tmp_path / "other", WIDE, 24)
    found = warm_start(str(store.folder), WIDE)
    assert (len(found.networks), found.of_front, found.outside) == (MOST, 8, 0)
    digests = [WIDE.spec(params).digest for params in found.networks]
    record = store.record()
    assert digests[:8] == [record.trial(number).spec.digest for number in record.front]
    psnr_db = {trial.spec.digest: trial.psnr_db for trial in record.trials}
    assert min(psnr_db[digest] for digest in digests[:15]) > 25  # type: ignore[type-var]
    assert str(found) == f"proposed first: {MOST} networks, 8 of them of its front"


def test_networks_outside_the_space_are_left_out_and_counted(tmp_path: Path) -> None:
    store = _study(tmp_path / "other", WIDE, 24)
    found = warm_start(str(store.folder), NARROW)
    inside = {trial.spec.digest for trial in store.trials()} & set(NARROW.architectures)
    assert {NARROW.spec(params).digest for params in found.networks} == inside
    assert 0 < len(inside) < 24
    assert found.outside == 24 - len(inside)
    assert f"; {found.outside} of its networks lie outside this search space" in str(found)
    with pytest.raises(UsageError, match="none of its 24 trained networks lies in this search space"):
        warm_start(str(store.folder), read_spaces(["compact_x4"]))
    with pytest.raises(UsageError, match="no study there"):
        warm_start(str(tmp_path / "none"), WIDE)


def test_search_proposes_them_once_in_order_before_its_presets(tmp_path: Path) -> None:
    other = _study(tmp_path / "other", WIDE, 24)
    space = read_spaces(["imdeception_x4", "compact_x4"])
    found = warm_start(str(other.folder), space)
    wanted = [space.spec(params).digest for params in found.networks]
    store = StudyStore.create(tmp_path / "new", StudyConfig(), {"warm_start": found._asdict()})
    proposed = []
    for _ in range(len(wanted) + 3):
        proposals = Proposals(StudyStore.open(store.folder), space)  # as if killed after each
        proposal = proposals.ask()
        assert proposal
        proposed.append(proposal.spec.digest)
        proposals.tell(proposal.number, Outcome("complete", 25.0, (10.0,)))
    assert proposed[: len(wanted)] == wanted
    assert len(set(proposed)) == len(proposed)


def test_command_line_takes_another_study_by_name(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    first, _ = searched([*options, "--budget", "3"])
    named = [option if option != "quick" else "warm" for option in options]
    second, errors = searched([*named, "--budget", "2", "--warm-start", "quick"])
    best = [each["spec"] for each in first["front"]]
    told = StudyStore.read(tmp_path / "studies" / "warm")
    assert told.config.warm_start == str(tmp_path / "studies" / "quick")
    assert told.trials()[0].spec.to_json() == best[0]
    assert second["complete"] == 2
    assert f"warm start from {told.config.warm_start}: proposed first: 3 networks, {len(best)} of them" in errors
    again, errors = searched([*named, "--budget", "3", "--warm-start", "quick"])
    assert again["complete"] == 3
    assert "warm start" not in errors
