"""Whose failure it is: of the candidate, of what it stands on, or of all candidates alike."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.search import candidate
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.failures import kind, of_environment
from nas_sr.search.outcome import Outcome
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.search import search
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import read_outcome
from nas_sr.search.tune import JournalSearcher, Resources
from nas_sr.space import parse_space
from nas_sr.train.execution import Execution, check_usable
from tests.search.quick import SPACE

TINY = ImdeceptionSpec(core=2, gidbs=1, depth=2, head=16)
FULL = OSError(errno.ENOSPC, "No space left on device", "/studies/s/trials/3/curve.csv")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "/studies/s/trials/3/curve.csv: No space left on device; make room on that disk"),
        (FileNotFoundError(2, "No such file or directory", "/packs/gone"), "/packs/gone: No such file or directory"),
        (ModuleNotFoundError("No module named 'onnx'"), "No module named 'onnx'; install what is missing"),
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"), "allocate"),
        (RuntimeError("CUDA error: no CUDA-capable device is detected\nCompile with ..."), "no CUDA-capable device"),
        (RuntimeError("No CUDA GPUs are available"), "No CUDA GPUs"),
        (RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment"), "CUDA unknown"),
        (RuntimeError("Found no NVIDIA driver on your system."), "NVIDIA driver"),
        (AssertionError("Torch not compiled with CUDA enabled"), "not compiled with CUDA"),
        (UsageError("packs/x: not a pack"), "packs/x: not a pack"),
    ],
)
def test_what_gives_way_is_not_the_candidates_fault(error: Exception, said: str) -> None:
    found = of_environment(error)
    assert found is not None
    assert said in found
    assert "\n" not in found


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("math domain error"),
        WorkError("out of memory with one crop of 16 LR pixels"),
        torch.OutOfMemoryError("CUDA out of memory. CUDA error: out of memory"),
        ZeroDivisionError(),
    ],
)
def test_what_a_network_does_wrong_is(error: Exception) -> None:
    assert of_environment(error) is None


_NUMBER = st.one_of(st.integers(), st.floats(), st.integers(0, 2**70).map(hex), st.sampled_from(["/tmp/a_b", "/x/y.z"]))


@given(words=st.lists(st.sampled_from(["loss", "became", "at step", "node (", "),", "ms;"])), data=st.data())
def test_reasons_that_differ_in_figures_and_paths_are_of_one_kind(words: list[str], data: st.DataObject) -> None:
    one, other = (" ".join(f"{word} {data.draw(_NUMBER)}" for word in words) for _ in range(2))
    assert kind(one) == kind(other)


def test_reasons_that_differ_in_words_are_not() -> None:
    assert kind("training: loss became nan at step 3") == kind("training: loss became inf at step 44")
    assert kind("training: loss became nan at step 3") != kind("training: gradient norm became nan at step 3")
    assert kind("latency: too slow") != kind("latency: cannot be built")


def _evaluation(folder: Path) -> Evaluation:
    config = StudyConfig()
    return Evaluation(
        study_dir=str(folder),
        hw=config.hw,
        train_pack="",
        val_pack="",
        validation_megapixels=1.0,
        training=config.training,
        execution=Execution(),
        limits_ms=(None,),
    )


@pytest.mark.parametrize(("error", "state"), [(FULL, "interrupted"), (ValueError("no"), "failed")])
def test_candidate_that_something_gave_way_under_leaves_no_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    def stages(*_: Any) -> Iterator[Any]:
        raise error
        yield

    monkeypatch.setattr(candidate, "_stages", stages)
    (outcome,) = evaluate_candidate(_evaluation(tmp_path), 0, TINY)
    assert isinstance(outcome, Outcome)
    assert outcome.state == state
    assert (read_outcome(tmp_path / "trials" / "0") is None) == (state == "interrupted")


def test_outcome_that_the_disk_has_no_room_for_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise FULL

    monkeypatch.setattr(candidate, "_stages", lambda *_: iter([Outcome("complete", 26.0, (10.0,))]))
    monkeypatch.setattr(candidate, "write_outcome", full)
    monkeypatch.setattr("nas_sr.stages.write_json", full)
    (tmp_path / "trials" / "0").mkdir(parents=True)
    assert list(evaluate_candidate(_evaluation(tmp_path), 0, TINY)) == [Outcome("complete", 26.0, (10.0,))]


@pytest.fixture
def searcher(tmp_path: Path) -> JournalSearcher:
    store = StudyStore.create(tmp_path / "study", StudyConfig(), {})
    proposals = Proposals(store, parse_space(SPACE, Path("space.yaml")))
    return JournalSearcher(proposals, 9, SearchProgress(Console(file=io.StringIO(), width=200), 9, {}))


def _tell(searcher: JournalSearcher, name: str, outcome: Outcome) -> None:
    searcher.on_trial_complete(name, {**outcome._asdict(), "done": True})


def test_five_failures_for_one_reason_end_the_search_in_its_middle(searcher: JournalSearcher) -> None:
    assert isinstance(searcher.suggest("good"), dict)
    _tell(searcher, "good", Outcome("complete", 26.0, (10.0,)))
    for number in range(5):
        assert isinstance(searcher.suggest(f"t{number}"), dict)
        _tell(searcher, f"t{number}", Outcome("failed", reason=f"RuntimeError: at {number}"))
    assert searcher.suggest("next") == searcher.FINISHED


def test_candidate_whose_worker_died_twice_failed(searcher: JournalSearcher) -> None:
    assert isinstance(searcher.suggest("t"), dict)
    searcher.on_trial_retried("t")
    searcher.on_trial_complete("t", error=True)
    (trial,) = searcher._proposals.store.trials()
    assert (trial.state, trial.reason) == ("failed", "its worker process died (out of memory or killed), twice")


def test_journal_that_cannot_be_written_ends_the_search_and_what_is_on_disk_is_told_by_the_next(
    searcher: JournalSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposals = searcher._proposals
    given = [searcher.suggest(name) for name in ("told", "untold", "running")]
    numbers = [each["number"] for each in given if isinstance(each, dict)]
    _tell(searcher, "told", Outcome("complete", 26.0, (10.0,)))
    candidate.write_outcome(proposals.store.trial_folder(numbers[1]), Outcome("complete", 27.0, (12.0,)))

    def full(*_: Any) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr("nas_sr.search.journal._write_all", full)
        _tell(searcher, "untold", Outcome("complete", 27.0, (12.0,)))
        assert searcher.suggest("next") == searcher.FINISHED
        searcher.let_go()
    assert "No space left on device" in str(searcher.not_written)
    again = Proposals(StudyStore.open(proposals.store.folder), proposals.space)
    assert {number: outcome.psnr_db for number, (_, outcome) in again.outcomes.items()} == {
        numbers[0]: 26.0,
        numbers[1]: 27.0,
    }


def test_study_begun_on_a_gpu_that_is_gone_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    execution = Execution(device="cuda", precision="bf16")
    StudyStore.create(tmp_path / "study", StudyConfig(), {"execution": execution.model_dump()})
    monkeypatch.setattr("nas_sr.search.search.image_sets", lambda *_: pytest.fail("it started"))
    monkeypatch.setattr("nas_sr.search.search.target", lambda *_: pytest.fail("it started"))
    with pytest.raises(WorkError, match=r"study .*/study trains on cuda, bf16, contiguous, .*torch sees 0 GPUs"):
        search(tmp_path / "study", StudyConfig(), 2, Resources(1), Console(file=io.StringIO()))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_execution_of_this_machine_is_usable(precision: str) -> None:
    check_usable(Execution.model_validate({"precision": precision, "memory_format": "channels_last"}), "it")


def test_device_that_torch_does_not_know_is_said() -> None:
    with pytest.raises(WorkError, match="trains on cuda:77"):
        check_usable(Execution(device="cuda:77"), "it")


def test_progress_says_that_a_candidate_is_tried_once_more(searcher: JournalSearcher) -> None:
    searcher.suggest("t")
    searcher.on_trial_retried("t")
    said = searcher._progress._console.file.getvalue()  # type: ignore[attr-defined]
    assert "tried once more: its worker process died" in said
