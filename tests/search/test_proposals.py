"""Asking and telling on a real journal: presets first, no network twice, nothing lost between two searches."""

import shutil
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.files import write_json
from nas_sr.search.importances import importances
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_latency, write_outcome
from nas_sr.space import Space, parse_space, read_space
from tests.report.study_records import measurement

TINY = parse_space({"parameters": {"core": [2, 4], "gidbs": [2, 3], "nla_after": [[], [2]]}}, Path("tiny.yaml"))


def _store(folder: Path, **config: object) -> StudyStore:
    return StudyStore.create(folder / "study", StudyConfig.model_validate(config), {})


def _again(store: StudyStore, space: Space) -> Proposals:
    """As a new process would see the study."""
    return Proposals(StudyStore.open(store.folder), space)


def _outcome(number: int) -> Outcome:
    return Outcome("complete", 25.0 + number / 100, (10.0 - number / 100,))


def test_presets_are_the_first_candidates(tmp_path: Path) -> None:
    proposals = Proposals(_store(tmp_path), read_space("imdeception_x4"))
    first = [proposals.ask() for _ in IMDECEPTION.presets]
    assert [proposal.spec.digest for proposal in first if proposal] == [
        spec.digest for spec in IMDECEPTION.presets.values()
    ]


def test_whole_space_is_evaluated_once_and_then_ends(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    digests = []
    while proposal := proposals.ask():
        digests.append(proposal.spec.digest)
        proposals.tell(proposal.number, _outcome(proposal.number))
    # core 2 or 4, and 2 GIDBs, 3, or 3 with attention after the second: six networks under eight sets of parameters.
    assert len(digests) == len(set(digests)) == 6
    assert proposals.evaluated == 6
    repeats = [trial for trial in store.trials() if trial.repeats is not None]
    by_number = {trial.number: trial for trial in store.trials()}
    for repeat in repeats:
        assert repeat.state == "complete"
        assert repeat.psnr_db == by_number[repeat.repeats].psnr_db  # type: ignore[index]
        assert repeat.spec.digest == by_number[repeat.repeats].spec.digest  # type: ignore[index]


def test_network_that_is_being_evaluated_is_not_proposed_again(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    asked = [proposals.ask() for _ in range(7)]
    assert asked[6] is None
    numbers = {proposal.spec.digest: proposal.number for proposal in asked if proposal}
    assert len(numbers) == 6
    for number in numbers.values():
        proposals.tell(number, _outcome(number))
    assert {trial.state for trial in store.trials()} == {"complete"}  # repeats were told with them


def test_killed_search_continues_with_nothing_lost_or_repeated(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    told = proposals.ask()
    on_disk = proposals.ask()
    killed = proposals.ask()
    assert told
    assert on_disk
    assert killed
    proposals.tell(told.number, _outcome(1))
    write_outcome(store.trial_folder(on_disk.number), _outcome(2))  # finished, but the search died before telling

    again = _again(store, TINY)
    assert again.evaluated == 2
    record = {trial.number: trial for trial in again.store.trials()}
    assert record[told.number].psnr_db == _outcome(1).psnr_db
    assert record[on_disk.number].psnr_db == _outcome(2).psnr_db
    assert record[killed.number].state == "interrupted"
    rest = []
    while proposal := again.ask():
        rest.append(proposal.spec.digest)
    assert killed.spec.digest in rest
    assert told.spec.digest not in rest
    assert on_disk.spec.digest not in rest
    assert len(rest) == 4


def test_interrupted_candidates_come_first_next_time(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, read_space("imdeception_x4"))
    for _ in IMDECEPTION.presets:
        proposal = proposals.ask()
        assert proposal
        proposals.tell(proposal.number, _outcome(proposal.number))
    running = [proposals.ask(), proposals.ask()]
    proposals.interrupt()
    again = _again(store, read_space("imdeception_x4"))
    assert again.evaluated == len(IMDECEPTION.presets)
    assert {p.spec.digest for p in running if p} == {p.spec.digest for p in (again.ask(), again.ask()) if p}


def test_too_slow_is_infeasible_and_the_sampler_sees_by_how_much(tmp_path: Path) -> None:
    store = _store(tmp_path, max_latency_ms=8.0)
    proposals = Proposals(store, TINY)
    proposal = proposals.ask()
    assert proposal
    proposals.tell(proposal.number, Outcome("infeasible", None, (9.5,), "9.50 ms is over the limit of 8 ms"))
    trial = store.trials()[0]
    assert trial.state == "infeasible"
    assert "over the limit" in trial.reason
    assert trial.psnr_db is None
    assert list(store.study.trials[0].constraints.values()) == [1.5] or store.study.trials[0].constraints == [1.5]
    assert proposals.evaluated == 1
    assert store.record().front == ()


def _told(proposals: Proposals, *outcomes: Outcome) -> list[int]:
    """Numbers of the next candidates, which come to this."""
    numbers = []
    for outcome in outcomes:
        proposal = proposals.ask()
        assert proposal
        proposals.tell(proposal.number, outcome)
        numbers.append(proposal.number)
    return numbers


def _failed(number: int = 0) -> Outcome:
    return Outcome("failed", reason=f"RuntimeError: export of /tmp/x{number} failed at node {number}")


def test_five_failures_in_a_row_for_one_reason_are_hopeless_wherever_they_are(tmp_path: Path) -> None:
    proposals = Proposals(_store(tmp_path), read_space("imdeception_x4"))
    _told(proposals, _outcome(1), _failed(1), _outcome(2))
    numbers = _told(proposals, *map(_failed, range(4)))
    assert proposals.failures.hopeless == ()
    numbers += _told(proposals, _failed(9))
    assert proposals.failures.hopeless == tuple(numbers)
    numbers += _told(proposals, _failed(10), _outcome(3))[:1]  # those that ran already
    assert proposals.failures.hopeless == tuple(numbers)


def test_failures_with_a_success_between_or_for_other_reasons_are_not(tmp_path: Path) -> None:
    proposals = Proposals(_store(tmp_path), read_space("imdeception_x4"))
    _told(proposals, *[_failed()] * 4, _outcome(1), *[_failed()] * 4)
    _told(proposals, Outcome("infeasible", None, (99.0,), "over the limit"), *[_failed()] * 4)
    assert proposals.failures.hopeless == ()
    proposals = Proposals(_store(tmp_path / "other"), read_space("imdeception_x4"))
    _told(proposals, *[Outcome("failed", reason=word) for word in "abcdefgh"])
    assert proposals.failures.hopeless == ()


def test_study_whose_first_five_failed_goes_on_once_the_cause_is_gone(tmp_path: Path) -> None:
    proposals = Proposals(_store(tmp_path), read_space("imdeception_x4"))
    _told(proposals, *map(_failed, range(5)))
    specs = [trial.spec for trial in proposals.store.trials()]
    proposals.retry(proposals.failures.hopeless)
    assert proposals.evaluated == 0

    again = _again(proposals.store, read_space("imdeception_x4"))
    assert (again.evaluated, again.failures.hopeless) == (0, ())
    tried = [again.ask() for _ in IMDECEPTION.presets]  # five, and the one that was still queued
    assert [proposal.spec for proposal in tried if proposal and proposal.spec in specs] == specs
    for proposal in tried:
        assert proposal
        again.tell(proposal.number, _outcome(proposal.number))
    trials = again.store.trials()
    assert [trial.state for trial in trials[:5]] == ["interrupted"] * 5
    assert "given back to be tried again; it failed: RuntimeError: export" in trials[0].reason
    assert sum(trial.state == "complete" for trial in trials) == len(IMDECEPTION.presets)
    assert _again(proposals.store, read_space("imdeception_x4")).evaluated == len(IMDECEPTION.presets)


def test_failures_of_an_earlier_search_stand_until_they_are_given_back(tmp_path: Path) -> None:
    """As of a study whose first five failed before failures in a row did not count."""
    proposals = Proposals(_store(tmp_path), TINY)
    done = _told(proposals, _outcome(1))
    failed = _told(proposals, *[_failed()] * 5)
    assert proposals.ask() is None  # the space has six networks
    again = _again(proposals.store, TINY)
    assert (again.evaluated, again.failures.hopeless) == (6, ())
    assert again.retry_failed() == 5
    assert again.evaluated == 1
    wanted = {trial.spec.digest for trial in again.store.trials() if trial.number in failed}
    got = [proposal.spec.digest for proposal in iter(again.ask, None)]
    assert len(got) == 5
    assert set(got) == wanted
    assert again.store.trials()[done[0]].state == "complete"
    assert not any(trial.state == "failed" for trial in again.store.trials())  # repeats of failures neither


def test_outcome_that_reached_the_disk_is_told_when_a_search_is_interrupted(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    ended, cut = proposals.ask(), proposals.ask()
    assert ended
    assert cut
    write_outcome(store.trial_folder(ended.number), _outcome(7))
    proposals.interrupt()
    states = {trial.number: (trial.state, trial.psnr_db) for trial in store.trials()}
    assert states[ended.number] == ("complete", _outcome(7).psnr_db)
    assert states[cut.number] == ("interrupted", None)
    assert proposals.evaluated == 1


def test_repeats_of_a_network_that_is_given_back_are_let_go_and_it_is_proposed_once(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    running = [proposal for proposal in (proposals.ask() for _ in range(7)) if proposal]
    assert len(running) == 6
    repeats = [trial for trial in store.trials() if trial.repeats is not None]
    assert {trial.state for trial in repeats} == {"running"}
    source = repeats[0].repeats
    assert source is not None
    repeats = [trial for trial in repeats if trial.repeats == source]
    proposals.give_back(source)
    states = {trial.number: trial.state for trial in store.trials()}
    assert states[source] == "interrupted"
    assert {states[trial.number] for trial in repeats} == {"interrupted"}
    again = proposals.ask()
    assert again
    assert again.spec == store.trials()[source].spec
    waiting = [trial for trial in store.study.trials if trial.state.name == "WAITING"]
    assert waiting == []


def test_queued_candidate_is_not_lost_when_an_interrupt_strikes_while_it_is_asked_for(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposals = Proposals(store, TINY)
    params = next(iter(TINY.architectures.values()))
    store.study.enqueue_trial(params)
    store.study.ask()  # and no parameter was taken up yet
    proposals.interrupt()
    proposal = _again(store, TINY).ask()
    assert proposal
    assert proposal.spec == TINY.spec(params)


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "qmc"])
def test_continued_search_does_not_draw_again_what_was_drawn(tmp_path: Path, sampler: str) -> None:
    """Every search is killed after three candidates, in a space without presets that hardly repeats itself."""
    wide = {"core": {"low": 1, "high": 64}, "gidbs": {"low": 1, "high": 32}}
    space = parse_space({"fixed": {"depth": 1, "head": 16}, "parameters": wide}, Path("wide.yaml"))
    store = _store(tmp_path, sampler=sampler)
    drawn = []
    for _ in range(4):
        proposals = _again(store, space)
        _told(proposals, *map(_outcome, range(3)))
        drawn.append([tuple(trial.params.values()) for trial in proposals.store.study.trials[-3:]])
    assert len({params for search in drawn for params in search}) == 12
    assert not any("repeats" in trial.user_attrs for trial in store.study.trials)


def test_study_of_version_0_2_continues_with_the_categories_that_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "example"
    shutil.copytree(Path(__file__).parents[2] / "studies" / "example", folder)
    before = {trial.number: trial.params for trial in StudyStore.read(folder).trials()}
    store = StudyStore.open(folder)
    assert store.config.ordered_parameters is False
    space = read_space("imdeception_x4")
    proposals = Proposals(store, space)
    numbers = _told(proposals, *map(_outcome, range(3)))
    told = store.study.trials[numbers[-1]]
    assert told.distributions["head"] == CategoricalDistribution([32, 48, 64])
    after = {trial.number: trial for trial in StudyStore.read(folder).trials()}
    assert {number: after[number].params for number in before} == before
    for number in numbers:
        assert space.spec(after[number].params).digest == after[number].spec.digest


def test_journal_table_and_importances_have_the_values_of_parameters_not_their_places(tmp_path: Path) -> None:
    store = _store(tmp_path)
    space = read_space("imdeception_x4")
    proposals = Proposals(store, space)
    for number in _told(proposals, *map(_outcome, range(12))):
        write_latency(store.latency_path(number, "cpu"), measurement(10.0 + number))
    store = StudyStore.open(store.folder)
    for frozen, trial in zip(store.study.trials, store.trials(), strict=True):
        assert frozen.distributions["groups_place"] == IntDistribution(0, 3)
        assert frozen.user_attrs["params"] == trial.params
        assert set(trial.params) == set(space.parameters)
        assert trial.params["groups"] in (1, 2, 4, 8)
        assert space.spec(trial.params).digest == trial.spec.digest
    assert set(importances(store.study, store.record())["psnr_db"]) == set(space.parameters)


def test_study_is_searched_by_one_process_at_a_time(tmp_path: Path) -> None:
    store = _store(tmp_path)
    with (
        store.searching(),
        pytest.raises(UsageError, match="another search"),
        StudyStore.open(store.folder).searching(),
    ):
        pass
    with store.searching():
        pass


def test_folder_without_study_or_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no study there"):
        StudyStore.open(tmp_path / "none")
    store = _store(tmp_path)
    with pytest.raises(UsageError, match=r"no study there.*studies in .*: study"):
        StudyStore.open(tmp_path / "none")
    (store.folder / "journal.log").unlink()
    with pytest.raises(UsageError, match=r"no journal\.log"):
        StudyStore.open(store.folder)


def test_reading_a_study_changes_nothing_and_its_folder_may_be_renamed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    proposal = Proposals(store, TINY).ask()
    assert proposal
    journal = (store.folder / "journal.log").read_bytes()
    renamed = store.folder.rename(tmp_path / "another name")
    assert StudyStore.open(renamed).record().trials[0].spec == proposal.spec
    assert (renamed / "journal.log").read_bytes() == journal
    (renamed / "journal.log").write_text("not a journal\n" * 3)
    with pytest.raises(UsageError, match=r"journal\.log: not a readable journal"):
        StudyStore.open(renamed)


def test_record_has_front_and_growing_hypervolume(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "study", StudyConfig(), {"bicubic_psnr_db": 25.0})
    proposals = Proposals(store, TINY)
    for psnr_db, latency_ms in [(26.0, 10.0), (27.0, 20.0), (25.5, 15.0), (26.5, 12.0)]:
        proposal = proposals.ask()
        assert proposal
        # What the sampler was told is not what counts: a finalist is measured again.
        measured = measurement(latency_ms).model_copy(update={"samples_ms": (latency_ms,)})
        write_json(store.latency_path(proposal.number, "cpu"), measured.model_dump(mode="json"))
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms + 1,)))
    record = store.record()
    assert [record.trial(number).psnr_db for number in record.front] == [26.0, 26.5, 27.0]
    assert record.hypervolume_reference == (25.0, 20.0)  # twice what the first one takes
    assert record.hypervolume == pytest.approx(1.0 * (12 - 10) + 1.5 * (20 - 12))
    volumes = [volume for _, volume in record.hypervolume_history]
    assert volumes == sorted(volumes)
    (store.trial_folder(0) / "latency.json").write_text("{")
    with pytest.raises(UsageError, match=r"trials/0/latency\.json: missing or broken"):
        store.record()
