"""Searches whose candidates inherit weights of a supernet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.weights import load_network
from nas_sr.search.store import StudyStore
from nas_sr.space import read_space
from nas_sr.supernet import automatic
from nas_sr.supernet.stored import load_supernet, read_about, save_supernet
from nas_sr.supernet.supernet import Supernet
from nas_sr.supernet.training import Recipe
from tests.search.quick import answered, searched, write_configs
from tests.search.stopping import stopping_after


def _supernet(folder: Path, space: str = "space.yaml", seed: int = 0) -> Path:
    """One whose members differ from a candidate's own start."""
    supernet = Supernet(read_space(str(folder / space)))
    supernet.initialise(seed)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in supernet.parameters():
            parameter += 1e-3 * torch.randn_like(parameter)
    path = folder / "supernet.safetensors"
    save_supernet(supernet, path)
    return path


def test_inherited_weights_are_scored_as_they_are(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    path = _supernet(tmp_path)
    found, _ = searched([*options, "--budget", "2", "--supernet", str(path), "--evaluator", "supernet"])
    assert found["complete"] == 2
    study = StudyStore.read(tmp_path / "studies" / "quick")
    sets, supernet = image_sets(None, None, 4, 16), load_supernet(path)
    looked_at = bounded(sets.val, study.config.validation_megapixels)
    for trial in study.record().trials:
        member = supernet.extract(trial.spec)
        weights = load_network(study.record().weights(trial)).state_dict()
        assert all(torch.equal(weights[name], tensor) for name, tensor in member.state_dict().items())
        assert trial.psnr_db == validation_psnr_rgb(member, looked_at)


def test_fine_tuning_begins_with_inherited_weights(tmp_path: Path) -> None:
    """A learning rate too small to change a score leaves that of the supernet."""
    options = write_configs(tmp_path, learning_rate=1e-12)
    path = _supernet(tmp_path)
    searched([*options, "--budget", "1", "--supernet", str(path)])
    study = StudyStore.read(tmp_path / "studies" / "quick")
    (trial,) = study.record().trials
    sets = image_sets(None, None, 4, 16)
    member = load_supernet(path).extract(trial.spec)
    assert trial.psnr_db == pytest.approx(validation_psnr_rgb(member, bounded(sets.val, 2.0)), abs=1e-3)
    assert [point.step for point in trial.curve] == [3, 6]


def test_supernet_that_does_not_belong_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    other = yaml.safe_load((tmp_path / "space.yaml").read_text())
    other["parameters"]["core"] = [2, 6]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    path = _supernet(tmp_path, "other.yaml")

    def refused(*more: str) -> str:
        _, said = answered([*options, "--budget", "1", *more], status=2)
        assert not StudyStore.exists(tmp_path / "studies" / "quick")
        return said

    assert "a supernet of another space: parameters.core.1 was 6 and is now 4" in refused("--supernet", str(path))
    assert "no supernet there" in refused("--supernet", str(tmp_path / "missing" / "supernet"))
    assert "evaluator finetune needs supernets" in refused("--evaluator", "finetune")
    assert "evaluator" in refused("--supernet", str(path), "--evaluator", "magic")
    inherited = ("--supernet", str(path), "--evaluator", "supernet")
    assert "racing trains further, but evaluator supernet trains nothing" in refused(*inherited, "--rungs", "6,12")


def test_study_keeps_to_the_supernet_that_it_began_with(tmp_path: Path) -> None:
    options = [*write_configs(tmp_path), "--supernet", str(_supernet(tmp_path)), "--evaluator", "supernet"]
    searched([*options, "--budget", "1"])
    _supernet(tmp_path, seed=1)
    _, said = answered([*options, "--budget", "2"], status=2)
    assert "supernets.imdeception was" in said


def test_automatic_supernet_is_trained_once_goes_on_and_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*write_configs(tmp_path), "--supernet", "auto", "--evaluator", "supernet"]
    monkeypatch.chdir(tmp_path)
    few = {"steps": 4, "members_per_step": 2, "crops": 2, "watched": 2, "validation_megapixels": 0.02}
    monkeypatch.setattr(automatic, "Recipe", lambda: Recipe.model_validate(few))

    with stopping_after(2):
        _, said = searched([*options, "--budget", "1"], status=130)
    assert "training one in supernets/space-" in " ".join(said.split())
    assert "4 steps; the same command continues it" in " ".join(said.split())
    assert not StudyStore.exists(tmp_path / "studies" / "quick")
    _, said = searched([*options, "--budget", "1"])
    assert "training goes on in supernets/space-" in " ".join(said.split())
    assert "resumed after step 2 of 4" in said
    (trained,) = (tmp_path / "supernets").iterdir()
    assert StudyStore.read(tmp_path / "studies" / "quick").config.supernets == (str(trained),)
    before = (trained / "supernet.safetensors").read_bytes()
    searched([*options, "--budget", "2"])
    _, said = searched([*options[:3], "--name", "another", *options[5:], "--budget", "1"])
    assert "of this space and these images, 4 steps" in " ".join(said.split())
    assert (trained / "supernet.safetensors").read_bytes() == before
    assert not automatic._is_of(read_about(trained), read_space(str(tmp_path / "space.yaml")), "other images")


def test_automatic_supernet_is_not_for_a_study_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = write_configs(tmp_path)
    monkeypatch.chdir(tmp_path)
    searched([*options, "--budget", "1"])
    _, said = answered([*options, "--budget", "2", "--supernet", "auto"], status=2)
    assert "the study was begun without a supernet; begin another with --name" in said
    assert not (tmp_path / "supernets").exists()


def test_combined_evaluator_keeps_both_scores_and_ranks_by_their_sum(tmp_path: Path) -> None:
    options = [*write_configs(tmp_path), "--supernet", str(_supernet(tmp_path)), "--evaluator", "combined"]
    found, _ = searched([*options, "--budget", "4"])
    store = StudyStore.read(tmp_path / "studies" / "quick")
    trials = [trial for trial in store.record().trials if trial.repeats is None]
    scratch_db = np.array([trial.scratch_db for trial in trials])
    inherited_db = np.array([trial.inherited_db for trial in trials])
    told = {trial.number: trial.values[0] for trial in store.study.trials}
    assert [told[trial.number] for trial in trials] == scratch_db.tolist()
    supernet, sets = load_supernet(tmp_path / "supernet.safetensors"), image_sets(None, None, 4, 16)
    looked_at = bounded(sets.val, store.config.validation_megapixels)
    assert trials[0].inherited_db == validation_psnr_rgb(supernet.extract(trials[0].spec), looked_at)
    summed = (scratch_db - scratch_db.mean()) / scratch_db.std() + (
        inherited_db - inherited_db.mean()
    ) / inherited_db.std()
    combined_db = np.array([trial.psnr_db for trial in trials])
    assert np.argsort(combined_db).tolist() == np.argsort(summed).tolist()
    assert combined_db.mean() == pytest.approx(scratch_db.mean())
    assert combined_db.std() == pytest.approx(scratch_db.std())
    for point in found["front"]:
        trial = store.record().trial(point["trial"])
        assert (point["psnr_db"], point["scratch_db"], point["inherited_db"]) == (
            trial.psnr_db, trial.scratch_db, trial.inherited_db,
        )  # fmt: skip
    table = pd.read_csv(tmp_path / "reports" / "quick" / "trials.csv").set_index("trial")
    assert table.loc[trials[1].number, "inherited_psnr_db"] == trials[1].inherited_db
    # A longer training makes it an estimate, which still knows both.
    where = ["--studies", str(tmp_path / "studies"), "--reports", str(tmp_path / "reports"), "--json"]
    searched(["audit", "quick", *where, "--networks", "3", "--times", "2", "--seeds", "1"])
    for trial in store.record().trials:
        assert trial.estimate is not None
        assert trial.psnr_db == trial.estimate.mean_db
        assert trial.inherited_db is not None
