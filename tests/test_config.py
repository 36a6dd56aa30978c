"""Configs: round trip, shortening, and what is said about a wrong key."""

from pathlib import Path

import pytest
import yaml

from nas_sr import shipped
from nas_sr.config import FullTraining, Knee, Phase, StudyConfig, flat, parse, read_yaml, write_yaml
from nas_sr.errors import UsageError
from nas_sr.train.recipes import paper_training


def test_configs_survive_their_file(tmp_path: Path) -> None:
    for config in (StudyConfig(), paper_training(4, None, None, 128)):
        write_yaml(tmp_path / "config.yaml", config)
        assert read_yaml(tmp_path / "config.yaml", type(config)) == config


def test_shipped_study_configs_are_valid() -> None:
    for name in shipped.names("studies"):
        read_yaml(shipped.find("studies", name), StudyConfig)


def test_what_a_config_leaves_out_is_as_the_shipped_default_says() -> None:
    assert read_yaml(shipped.find("studies", "default"), StudyConfig) == StudyConfig()


def test_papers_training() -> None:
    """REFERENCE: 800 minibatches an epoch; 2000 epochs of Charbonnier (eps 0.1), then 1300 of L2; 10 + 400 + 400."""
    config = paper_training(4, "DF2K", "DIV2K_valid", smallest_lr=500)
    first, second = config.training.phases
    assert (first.loss, first.charbonnier_eps, first.steps) == ("charbonnier", 0.1, 1_600_000)
    assert (second.loss, second.steps) == ("l2", 1_040_000)
    for phase, epochs in ((first, 2000), (second, 1300)):
        assert (phase.batch, phase.crop_lr, phase.learning_rate) == (8, 128, 0.5e-3)
        assert isinstance(phase.schedule, Knee)
        assert phase.schedule.warmup * epochs == pytest.approx(10)
        assert phase.schedule.hold * epochs == pytest.approx(400)
        assert phase.schedule.cooldown * epochs == pytest.approx(400)


def test_papers_crop_shrinks_to_the_smallest_image() -> None:
    assert paper_training(4, None, None, smallest_lr=75).training.phases[0].crop_lr == 72
    assert paper_training(2, None, None, smallest_lr=900).training.phases[0].crop_lr == 256


def test_shortened_training_keeps_its_proportions() -> None:
    training = paper_training(4, None, None, 128).training.shortened(330)
    assert [phase.steps for phase in training.phases] == [200, 130]
    assert training.shortened(1).steps == 2  # every phase keeps a step


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spce: quick", ["unknown key 'spce'", "space"]),
        ("training: {phases: [{steps: 0}]}", ["training.phases.0.steps", "greater than or equal to 1", "0"]),
        ("training: {phases: [{steps: 3, stepz: 4}]}", ["training.phases.0.stepz"]),
        ("training: {phases: []}", ["training.phases", "at least 1"]),
        ("val: here", ["val needs data"]),
        ("max_latency_ms: -1", ["max_latency_ms", "greater than 0"]),
        ("a: [", ["line", "YAML"]),
        ("just words", ["expected keys and values"]),
        ("training: {phases: [{steps: 8.5}]}", ["training.phases.0.steps", "integer", "8.5"]),
        ("training: {phases: [{steps: 8.0}]}", ["training.phases.0.steps", "integer", "8.0"]),
        ("training: {phases: [{steps: '8'}]}", ["training.phases.0.steps", "integer", "'8'"]),
        ("training: {phases: [{steps: true}]}", ["training.phases.0.steps", "integer", "True"]),
        ("training: {phases: [{steps: 8, learning_rate: '0.1'}]}", ["learning_rate", "number", "'0.1'"]),
        ("training: {phases: [{steps: 8, learning_rate: yes}]}", ["learning_rate", "number", "True"]),
        ("seed: 1.0", ["seed", "integer", "1.0"]),
        ("space: 4", ["space", "string", "4"]),
        ("hw: [cpu, 4]", ["hw", "string", "4"]),
        ("max_latency_ms: '20'", ["max_latency_ms", "number", "'20'"]),
        ("max_latency_ms: .inf", ["line 1", "finite", ".inf"]),
    ],
)
def test_wrong_config_is_refused_with_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_yaml(path, StudyConfig)
    assert str(raised.value).startswith(str(path))
    for word in words:
        assert word in str(raised.value)


def test_flat_names_every_leaf() -> None:
    names = flat(yaml.safe_load("{a: {b: [1, {c: 2}]}, d: 3}"))
    assert names == {"a.b.0": 1, "a.b.1.c": 2, "d": 3}


def test_exported_training_can_be_edited_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    write_yaml(path, paper_training(4, None, None, 128))
    path.write_text(path.read_text().replace("batch: 8", "batch: 4"))
    assert all(phase.batch == 4 for phase in read_yaml(path, FullTraining).training.phases)


def test_unknown_key_is_shown_in_letters_that_a_terminal_can_show() -> None:
    with pytest.raises(UsageError, match=r"unknown key '\\x7f\\x1b\[2Jsteps'; known: steps"):
        parse({"steps": 1, "\x7f\x1b[2Jsteps": 1}, Phase, "train.yaml")
