"""Searches whose candidates inherit weights of a supernet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.weights import load_network
from nas_sr.search.store import StudyStore
from nas_sr.space import read_space
from nas_sr.supernet.stored import load_supernet, save_supernet
from nas_sr.supernet.supernet import Supernet
from tests.search.quick import answered, searched, write_configs


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
