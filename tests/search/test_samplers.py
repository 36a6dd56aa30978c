"""Samplers have names; one that is not there is refused before anything is measured or written."""

import warnings
from pathlib import Path

import pytest
import yaml
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler

from nas_sr.cli.main import run
from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.search.named_study import study_to_search
from nas_sr.search.samplers import SAMPLERS, check_sampler, sampler
from nas_sr.search.store import StudyStore
from nas_sr.yaml_file import parse_scalars
from tests.search.quick import write_configs


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_name_is_a_sampler_with_a_seed_of_its_own_for_each_search(name: str) -> None:
    config = StudyConfig(sampler=name)
    assert isinstance(sampler(config, 0), BaseSampler)
    assert sampler(config, 5) is not sampler(config, 5)


def test_unknown_sampler_lists_the_known_ones(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"sampler": "best"}))
    assert run(["search", "--config", str(config), "--studies", str(tmp_path / "studies")]) == 2
    assert (
        "unknown sampler 'best'; known: gp, nsga2, qmc, random, tpe, or an Optuna sampler as MODULE:CLASS"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "studies").exists()
    with pytest.raises(UsageError, match=r"unknown sampler 'tp'; known: tpe"):
        sampler(StudyConfig(sampler="tp"), 0)


def test_search_over_several_families_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler(StudyConfig(space=("imdeception_x4", "compact_x4")), 0)


def test_options_reach_the_sampler_over_those_it_has_by_default() -> None:
    made = sampler(StudyConfig(sampler="nsga2", sampler_options={"crossover_prob": 1, "population_size": 7}), 0)
    assert isinstance(made, NSGAIISampler)
    assert made._population_size == 7
    by_path = sampler(StudyConfig(sampler="optuna.samplers:TPESampler", sampler_options={"n_ei_candidates": 3}), 0)
    assert isinstance(by_path, TPESampler)
    assert by_path._n_ei_candidates == 3


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("tpe", {"startup": 3}, r"unknown option of sampler tpe 'startup'; known: .*n_startup_trials"),
        ("tpe", {"gamma": 3}, r"unknown option of sampler tpe 'gamma'"),  # a function
        ("tpe", {"seed": 3}, r"unknown option of sampler tpe 'seed'"),  # the study's
        ("random", {"n": 3}, r"unknown option of sampler random 'n'; known: none"),
        ("tpe", {"n_startup_trials": "ten"}, r"option n_startup_trials of sampler tpe must be int, but got 'ten'"),
        ("tpe", {"n_startup_trials": True}, r"must be int, but got True"),
        ("qmc", {"qmc_type": "sobl"}, r"sampler qmc refuses its options: ValueError: .*sobl"),
        ("nsga2", {"population_size": 1}, r"sampler nsga2 refuses its options: .*population_size"),
        ("optuna.samplers:Tpe", {}, r"sampler optuna.samplers:Tpe: AttributeError: .*that this Python can import"),
        ("no_such.module:It", {}, r"ModuleNotFoundError: No module named 'no_such'"),
        (":It", {}, r"sampler :It: "),
        ("pathlib:Path", {}, r"not a class of optuna.samplers.BaseSampler, but <class 'pathlib"),
        ("optuna.samplers:BaseSampler", {}, r"refuses its options: .*abstract"),
        ("optuna.samplers:PartialFixedSampler", {}, r"refuses its options: .*fixed_params"),
    ],
)
def test_sampler_or_option_that_cannot_be_is_refused(name: str, options: dict[str, object], words: str) -> None:
    config = StudyConfig.model_validate({"sampler": name, "sampler_options": options})
    with pytest.raises(UsageError, match=words) as raised:
        check_sampler(config)
    assert "\n" not in str(raised.value)


def test_options_on_the_command_line_are_yaml_values_each_given_once() -> None:
    texts = ["n_startup_trials=20", "group=false", "rate=1e-3", "name=two words", "nothing="]
    assert parse_scalars(texts, "--sampler-option") == {
        "n_startup_trials": 20,
        "group": False,
        "rate": 0.001,
        "name": "two words",
        "nothing": None,
    }
    for wrong in ("n", "=3", "n=[1, 2]", "n={a: 1}", "n={"):
        with pytest.raises(UsageError, match="--sampler-option must be NAME=VALUE"):
            parse_scalars([wrong], "--sampler-option")
    with pytest.raises(UsageError, match="--sampler-option n is given twice"):
        parse_scalars(["n=1", "n=2"], "--sampler-option")


def test_another_sampler_does_not_inherit_the_options_of_the_configs(tmp_path: Path) -> None:
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"sampler": "nsga2", "sampler_options": {"population_size": 7}}))

    def resolved(**given: object) -> StudyConfig:
        known = {"seed": None, **given}
        return study_to_search("new", tmp_path, str(config), known, None)[1]

    assert resolved().sampler_options == {"population_size": 7}
    assert resolved(sampler_options={"crossover_prob": 0.5}).sampler_options == {
        "population_size": 7,
        "crossover_prob": 0.5,
    }
    assert resolved(sampler="tpe").sampler_options == {}


def test_study_from_before_numbers_were_ordered_goes_on_with_an_older_config_file(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "old", StudyConfig(), {})
    path = store.folder / "study.yaml"
    path.write_text(path.read_text().replace("ordered_parameters: true\n", ""))
    config = tmp_path / "file.yaml"
    config.write_text("seed: 0\n")
    for name, ordered in (("old", False), ("new", True)):
        assert study_to_search(name, tmp_path, str(config), {"seed": None}, None)[1].ordered_parameters is ordered
    assert StudyStore.open(store.folder).config.ordered_parameters is False


def test_study_whose_sampler_is_not_importable_here_is_read_and_not_searched(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "study", StudyConfig(), {})
    path = store.folder / "study.yaml"
    path.write_text(path.read_text().replace("sampler: tpe", "sampler: elsewhere.module:Sampler"))
    assert StudyStore.read(store.folder).trials() == []
    with pytest.raises(UsageError, match="No module named 'elsewhere'"):
        StudyStore.open(store.folder)


def test_search_whose_sampler_cannot_search_it_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = write_configs(tmp_path)
    assert run([*options, "--sampler", "optuna.samplers:CmaEsSampler"]) == 2
    assert "cannot search this: it has one objective" in capsys.readouterr().err
    assert not (tmp_path / "studies" / "quick").exists()
