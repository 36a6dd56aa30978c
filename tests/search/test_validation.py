"""What candidates are validated on in a search, and the front's validation on everything at its end."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from nas_sr.config import Phase, StudyConfig, Training
from nas_sr.data.image_sets import ImageSets
from nas_sr.evaluate import validation
from nas_sr.evaluate.evaluate import bicubic, evaluate
from nas_sr.evaluate.validation import bounded, everything, validation_psnr_rgb
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.weights import load_network, save_weights
from nas_sr.measure.device_lock import measuring
from nas_sr.report.data.trial_frames import trials_frame
from nas_sr.report.write import write_report
from nas_sr.search import candidate, candidate_training, full_validation
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.full_validation import validate_front
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_latency
from nas_sr.space import parse_space
from nas_sr.stages import read_stages
from nas_sr.train.execution import Execution
from tests.report.study_records import measurement
from tests.train.quick import demonstration

SPEC = ImdeceptionSpec(core=2, gidbs=1, depth=2, head=16)
SPACE = parse_space({"fixed": {"depth": 2, "head": 16}, "parameters": {"core": [2, 4, 6]}}, Path("s"))
PART = 0.07  # megapixels, of 0.19


@pytest.fixture(scope="module")
def sets() -> ImageSets:
    return demonstration()


@pytest.fixture
def evaluation(tmp_path: Path, sets: ImageSets, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """Of candidates that have a latency already."""
    timed = SimpleNamespace(profile=SimpleNamespace(name="cpu"), predictor=None, latency=lambda spec: measurement(10.0))
    monkeypatch.setattr(candidate, "_target", lambda *_: timed)
    return Evaluation(
        study_dir=str(tmp_path / "study"),
        hw=("cpu",),
        train_pack=str(sets.train.folder),
        val_pack=str(sets.val.folder),
        validation_megapixels=PART,
        training=Training(phases=(Phase(steps=4, batch=1, crop_lr=16, validate_every=2),)),
        execution=Execution(),
        limits_ms=(None,),
    )


def test_candidate_is_validated_on_the_bounded_set_and_not_before_its_first_step(
    evaluation: Evaluation, sets: ImageSets, tmp_path: Path
) -> None:
    *reached, last = evaluate_candidate(evaluation, 3, SPEC)
    assert isinstance(last, Outcome)
    assert [event.step for event in reached if event.psnr_db is not None] == [2, 4]
    folder = tmp_path / "study" / "trials" / "3"
    assert [line.split(",")[0] for line in (folder / "curve.csv").read_text().splitlines()] == ["step", "2", "4"]
    network = load_network(folder / "weights.safetensors")
    assert last.psnr_db == pytest.approx(validation_psnr_rgb(network, bounded(sets.val, PART)), abs=1e-6)
    assert last.psnr_db != pytest.approx(validation_psnr_rgb(network, sets.val), abs=1e-3)


def test_candidate_leaves_how_long_each_stage_took(evaluation: Evaluation, tmp_path: Path) -> None:
    for _ in evaluate_candidate(evaluation, 0, SPEC):
        pass
    found = read_stages(tmp_path / "study" / "trials" / "0" / "stages.json")
    assert found is not None
    names = [each.name for each in found.stages if each.name != "other"]
    assert names[:4] == ["training", "validation", "training", "validation"]


def test_measurement_does_not_wait_for_a_validation_to_end(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    measures: list[threading.Thread] = []

    def measure(waiting: threading.Event) -> None:
        with measuring("cpu", when_waiting=waiting.set):
            happened.append("measured")

    def validate(*arguments: object) -> float:
        waiting = threading.Event()
        measures.append(threading.Thread(target=measure, args=(waiting,)))
        measures[-1].start()
        assert waiting.wait(60)  # the training holds the device
        found = validation_psnr_rgb(*arguments)  # type: ignore[arg-type]
        happened.append("validated")
        return found

    monkeypatch.setattr(candidate_training, "validation_psnr_rgb", validate)
    for _ in evaluate_candidate(evaluation, 0, SPEC):
        pass
    for each in measures:
        each.join()
    assert happened == ["measured", "validated"] * 2


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    """A study of three networks with real weights and made-up figures; the second is not on the front."""
    found = StudyStore.create(tmp_path / "s", StudyConfig(), {"frozen": {"hw": {"cpu": {}}}})
    proposals = Proposals(found, SPACE)
    for psnr_db, latency_ms in ((25.0, 10.0), (24.9, 12.0), (26.0, 20.0)):
        proposal = proposals.ask()
        assert proposal
        network = build(proposal.spec, seed=proposal.number)
        write_latency(found.latency_path(proposal.number, "cpu"), measurement(latency_ms))
        save_weights(network.state_dict(), proposal.spec, found.trial_folder(proposal.number) / "weights.safetensors")
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms,)))
    return found


def test_front_is_validated_on_everything_and_goes_on_where_it_was_interrupted(
    store: StudyStore, sets: ImageSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched_on = bounded(sets.val, PART)
    looked: list[validation.ValidationSet] = []

    def interrupted(network: nn.Module, images: validation.ValidationSet, between: validation.Between) -> float:
        if looked:
            raise KeyboardInterrupt
        looked.append(images)
        return validation_psnr_rgb(network, images, between)

    with monkeypatch.context() as patch:
        patch.setattr(full_validation, "validation_psnr_rgb", interrupted)
        with pytest.raises(KeyboardInterrupt):
            validate_front(store, searched_on, "cpu", lambda text: None)
    assert looked == [everything(sets.val)]

    said: list[str] = []
    validate_front(store, searched_on, "cpu", said.append)
    assert said[0] == "validating 1 networks of the front on 3 whole images, 0.19 megapixels"
    record = store.record()
    first, second, third = (trial for trial in record.trials if trial.repeats is None)
    assert record.front == (first.number, third.number)
    assert second.full_validation is None
    for number in record.front:
        trial = record.trial(number)
        assert trial.full_validation is not None
        network = load_network(store.trial_folder(number) / "weights.safetensors")
        assert trial.full_validation.psnr_db == pytest.approx(validation_psnr_rgb(network, sets.val), abs=1e-6)
        bicubic_db = evaluate(bicubic(4), sets.val, 4).psnr_rgb_db
        assert trial.full_validation.bicubic_psnr_db == pytest.approx(bicubic_db, abs=1e-6)
    assert (first.psnr_db, second.psnr_db, third.psnr_db) == (25.0, 24.9, 26.0)  # what the front is made of stays

    said.clear()
    validate_front(store, searched_on, "cpu", said.append)
    assert said == []

    frame = trials_frame([record])
    assert list(frame[frame["repeats_trial"].isna()]["full_psnr_db"].notna()) == [True, False, True]
    page = write_report([record], tmp_path / "report").html.read_text()
    assert str(third.full_validation) in page
    assert "on all 3 validation images" in page


def test_search_that_looked_at_everything_validates_nothing_again(store: StudyStore, sets: ImageSets) -> None:
    validate_front(store, everything(sets.val), "cpu", lambda text: pytest.fail(text))
    assert all(trial.full_validation is None for trial in store.record().trials)


def test_lost_weights_are_said_and_cost_nobody_else(store: StudyStore, sets: ImageSets) -> None:
    lost, last = store.record().front
    (store.trial_folder(lost) / "weights.safetensors").unlink()
    said: list[str] = []
    validate_front(store, bounded(sets.val, PART), "cpu", said.append)
    assert any(text.startswith(f"trial {lost} is not validated on all images: ") for text in said)
    assert store.record().trial(last).full_validation is not None
