"""Samplers have names; one that is not there is refused before anything is measured or written."""

import warnings
from pathlib import Path

import pytest
import yaml
from optuna.samplers import BaseSampler

from nas_sr.cli.main import run
from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.search.samplers import SAMPLERS, sampler


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_name_is_a_sampler_with_a_seed_of_its_own_for_each_search(name: str) -> None:
    config = StudyConfig(sampler=name)
    assert isinstance(sampler(config, 0), BaseSampler)
    assert sampler(config, 5) is not sampler(config, 5)


def test_unknown_sampler_lists_the_known_ones(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"sampler": "best"}))
    assert run(["search", "--config", str(config), "--studies", str(tmp_path / "studies")]) == 2
    assert "unknown sampler 'best'; known: nsga2, random, tpe" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()
    with pytest.raises(UsageError, match=r"unknown sampler 'tp'; known: tpe"):
        sampler(StudyConfig(sampler="tp"), 0)


def test_search_over_several_families_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler(StudyConfig(space=("imdeception_x4", "compact_x4")), 0)
