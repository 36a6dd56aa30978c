"""What full training begins with, and that its result comes back to the study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from nas_sr.export.starts import FILES, starting_network
from nas_sr.families.registry import read_spec
from nas_sr.families.weights import load_network, save_weights
from nas_sr.records import FullTrainingScore
from nas_sr.report.data.trial_frames import trials_frame
from nas_sr.search.estimates import Raced
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import add_full_training
from nas_sr.space import Space, parse_space
from nas_sr.supernet.stored import load_supernet, save_supernet
from nas_sr.supernet.supernet import Supernet
from tests.search.made_study import SPACE, made_study
from tests.search.quick import answered
from tests.search.stopping import stopping_after


def _supernet(path: Path, space: Space) -> Path:
    supernet = Supernet(space)
    supernet.initialise(0)
    save_supernet(supernet, path, steps=1234)
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Of the second trial, whose weights any training betters."""
    store = made_study(tmp_path / "studies" / "made")
    path = store.trial_folder(1) / "weights.safetensors"
    network, noise = load_network(path), torch.Generator().manual_seed(0)
    weights = {
        name: tensor + 0.02 * torch.randn(tensor.shape, generator=noise)
        for name, tensor in network.state_dict().items()
    }
    save_weights(weights, network.spec, path)
    return _exported(store, tmp_path / "bundle")


def _exported(store: StudyStore, bundle: Path, *options: str, status: int = 0) -> Any:
    _, errors = answered(
        [
            "export",
            "made",
            "--studies",
            str(store.folder.parent),
            "--trial",
            "1",
            "--out",
            str(bundle),
            "--json",
            *options,
        ],
        status,
    )
    if status:
        return errors
    _shorten(bundle)
    return bundle


def _shorten(bundle: Path) -> None:
    path = bundle / "train.yaml"
    config = yaml.safe_load(path.read_text())
    phase = {"steps": 4, "batch": 2, "crop_lr": 16, "validate_every": 4, "loss": "l2"}
    config["training"] |= {"precision": "fp32", "memory_format": "contiguous", "phases": [phase]}
    config["tensorboard"] = False
    path.write_text(yaml.safe_dump(config))


def _train(bundle: Path, *options: str, status: int = 0) -> tuple[Any, str]:
    said, errors = answered(["train", str(bundle), "--json", *options], status)
    return said, " ".join(errors.split())


def _same(one: Any, other: Any) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_longest_rung_is_copied_and_serves_though_the_bundle_was_trained(bundle: Path) -> None:
    spec = read_spec(bundle / "spec.json")
    study = StudyStore.read(bundle.parent / "studies" / "made").record()
    searched = load_network(study.weights(study.trial(1))).state_dict()
    assert _same(searched, load_network(bundle / "longest-rung.safetensors").state_dict())
    _train(bundle)
    assert not _same(searched, load_network(bundle).state_dict())
    assert _same(searched, starting_network(bundle, "longest-rung", spec, 0).state_dict())
    assert not _same(searched, starting_network(bundle, "weights", spec, 0).state_dict())
    assert not _same(searched, starting_network(bundle, "scratch", spec, 0).state_dict())
    _train(bundle, "--start", "longest-rung")
    origin = json.loads((bundle / "bundle.json").read_text())
    assert origin["trained"]["start"] == "the longest rung, 0 steps"
    assert "begun with the longest rung, 0 steps" in (bundle / "README.md").read_text()
    _train(bundle)
    assert "begun with weights after 4 steps of full training" in (bundle / "README.md").read_text()


def test_training_starts_with_what_a_supernet_gives(bundle: Path, tmp_path: Path) -> None:
    """A learning rate too small to change anything leaves the weights as they were."""
    spec = read_spec(bundle / "spec.json")
    path = _supernet(tmp_path / "supernet.safetensors", SPACE)
    config = yaml.safe_load((bundle / "train.yaml").read_text())
    config["training"]["phases"][0]["learning_rate"] = 1e-12
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))
    said, _ = _train(bundle, "--start", f"supernet:{path}")
    inherited = load_supernet(path).extract(spec).state_dict()
    trained = load_network(bundle).state_dict()
    assert all(torch.allclose(trained[name], tensor, atol=1e-6) for name, tensor in inherited.items())
    assert "a supernet of 1234 steps" in said["start"]
    # What was inherited is in the bundle, so the supernet is not needed any more.
    path.unlink()
    _train(bundle, "--start", "longest-rung")
    config["start"] = "supernet"
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))
    said, _ = _train(bundle)
    assert "a supernet of 1234 steps" in said["start"]


def test_export_writes_down_the_start_and_copies_its_weights(bundle: Path, tmp_path: Path) -> None:
    store = StudyStore.read(tmp_path / "studies" / "made")
    path = _supernet(tmp_path / "supernet.safetensors", SPACE)
    other = _exported(store, tmp_path / "other", "--start", f"supernet:{path}")
    assert yaml.safe_load((other / "train.yaml").read_text())["start"] == "supernet"
    spec = read_spec(other / "spec.json")
    inherited = load_supernet(path).extract(spec).state_dict()
    assert _same(inherited, starting_network(other, "supernet", spec, 0).state_dict())
    assert "full training begins with a supernet of 1234 steps" in (other / "README.md").read_text()
    scratch = _exported(store, tmp_path / "scratch", "--start", "scratch")
    assert yaml.safe_load((scratch / "train.yaml").read_text())["start"] == "scratch"


def test_start_that_cannot_be(bundle: Path, tmp_path: Path) -> None:
    def refused(start: str) -> str:
        return _train(bundle, "--start", start, status=2)[1]

    assert "--start magic: allowed are weights, scratch, longest-rung and supernet:PATH" in refused("magic")
    assert "--start supernet: allowed are" in refused("supernet")
    assert "no supernet there" in refused(f"supernet:{tmp_path / 'missing'}")
    narrow = parse_space({"fixed": {"depth": 2, "head": 16, "gidbs": 1}, "parameters": {"core": [6, 8]}}, Path("s"))
    assert "outside the supernet's space; allowed: 6, 8" in refused(
        f"supernet:{_supernet(tmp_path / 'narrow.safetensors', narrow)}"
    )
    content = {"scale": 2, "fixed": {"depth": 2, "head": 16, "gidbs": 1}, "parameters": {"core": [2, 4]}}
    small = _supernet(tmp_path / "x2.safetensors", parse_space(content, Path("s")))
    assert "scale is 4, outside the supernet's space; allowed: 2" in refused(f"supernet:{small}")
    assert not (bundle / FILES["supernet"]).exists()
    store = StudyStore.read(tmp_path / "studies" / "made")
    assert "scale is 4, outside" in _exported(store, tmp_path / "b", "--start", f"supernet:{small}", status=2)
    assert not (tmp_path / "b").exists()

    kept = bundle / FILES["longest-rung"]
    other = load_supernet(_supernet(tmp_path / "s.safetensors", SPACE))
    spec = read_spec(bundle / "spec.json")
    stranger = spec.model_copy(update={"core": 2 if spec.core == 4 else 4})  # type: ignore[attr-defined]
    save_weights(other.extract(stranger).state_dict(), stranger, kept)
    assert "of another network: core was" in refused("longest-rung")
    kept.unlink()
    assert "longest-rung.safetensors: start is longest-rung, but these weights are not there" in refused("longest-rung")


def test_resumed_training_keeps_its_start(bundle: Path) -> None:
    with stopping_after(2):
        _train(bundle, "--start", "longest-rung", status=130)
    _, said = _train(bundle, "--resume", "--start", "scratch", status=2)
    assert "start was longest-rung and is now scratch" in said
    said, _ = _train(bundle, "--resume")
    assert said["start"] == "the longest rung, 0 steps"


def test_file_of_an_earlier_version_still_names_the_interpolator(bundle: Path) -> None:
    config = yaml.safe_load((bundle / "train.yaml").read_text()) | {"start": "interpolator"}
    (bundle / "train.yaml").write_text(yaml.safe_dump(config))
    assert _train(bundle)[0]["start"] == "scratch"


def test_result_comes_back_to_the_study_with_its_protocol(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "made"
    said, errors = _train(bundle)
    assert "kept with trial 1 of study made" in errors
    (kept,) = StudyStore.read(folder).record().trial(1).full_training
    assert (kept.psnr_db, kept.steps, kept.start) == (said["psnr_db"], 4, "weights as exported")
    assert "images, digest" in kept.training_images
    _train(bundle)  # another start: another protocol
    _train(bundle)  # the same again
    scores = StudyStore.read(folder).record().trial(1).full_training
    assert [score.start for score in scores] == ["weights as exported", "weights after 4 steps of full training"]
    assert len({score.protocol for score in scores}) == 2
    # Moved together, they still know each other.
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(tmp_path / "studies", moved / "studies")
    shutil.move(bundle, moved / "bundle")
    _train(moved / "bundle", "--start", "scratch")
    assert len(StudyStore.read(moved / "studies" / "made").record().trial(1).full_training) == 3
    # A study that is gone, or whose trial is another network, is left alone.
    origin = moved / "bundle" / "bundle.json"
    origin.write_text(json.dumps(json.loads(origin.read_text()) | {"trial": 0}))
    _, errors = _train(moved / "bundle", "--start", "longest-rung")
    assert "trial 0 is another network: this result is kept in the bundle alone" in errors
    assert not StudyStore.read(moved / "studies" / "made").record().trial(0).full_training
    shutil.rmtree(moved / "studies")
    _, errors = _train(moved / "bundle")
    assert "the study is not at" in errors


def test_only_results_of_one_protocol_are_used_together(tmp_path: Path) -> None:
    store = made_study(tmp_path / "made")

    def score(psnr_db: float, steps: int = 10) -> FullTrainingScore:
        return FullTrainingScore(
            psnr_db=psnr_db, steps=steps, start="scratch", recipe="r", training_images="t", validation_images="v"
        )

    def used() -> list[float]:
        raced = Raced(store.record().trials, store.scores(), 800)
        return [each.psnr_db for each in raced._full_trainings()]

    add_full_training(store.trial_folder(0), score(27.0))
    assert used() == []  # of one nothing follows
    add_full_training(store.trial_folder(1), score(29.0, steps=20))
    assert used() == []  # not comparable
    add_full_training(store.trial_folder(1), score(28.0))
    assert used() == [27.0, 28.0]
    assert [each.psnr_db for each in store.record().trial(1).full_training] == [29.0, 28.0]
    row = trials_frame([store.record()]).set_index("trial").loc[1]
    assert (row["full_training_psnr_db"], row["full_training_steps"]) == (28.0, 10)
    assert row["full_training_protocol"] == score(28.0).protocol
