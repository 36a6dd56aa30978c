"""Search-space files: what they hold, and what is said about a mistake in one."""

from pathlib import Path

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, IntDistribution

from nas_sr.errors import UsageError
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.space import JointSpace, parse_space, read_space, read_spaces

HERE = Path("mine.yaml")


def test_shipped_space_holds_the_presets() -> None:
    space = read_space("imdeception_x4")
    presets = space.presets()
    assert set(presets) == set(IMDECEPTION.presets)
    for name, params in presets.items():
        assert space.spec(params).digest == IMDECEPTION.presets[name].digest


def test_distinct_networks_are_counted_by_digest() -> None:
    space = parse_space({"parameters": {"core": [4, 8], "gidbs": [3, 4], "nla_after": [[], [2], [3], [2, 3]]}}, HERE)
    assert space.combinations() == 16
    # With three GIDBs attention after the third is dropped, so [3] is [] and [2, 3] is [2].
    assert len(space.architectures) == 2 * (4 + 2)
    assert space.spec({"core": 4, "gidbs": 3, "nla_after": "2+3"}) == space.spec(
        {"core": 4, "gidbs": 3, "nla_after": "2"}
    )


def test_every_distinct_network_can_be_asked_for() -> None:
    space = read_space("imdeception_x4_quick")
    for digest, params in space.architectures.items():
        assert space.spec(params).digest == digest


def test_numbers_are_drawn_in_their_order_and_all_else_as_categories() -> None:
    parameters = {
        "core": {"low": 4, "high": 12, "step": 4},
        "head": [64, 32, 48],
        "groups": [1, 8, 2, 4],
        "split": [1, 1.5, 3],
        "depth": [3],
        "nla_after": [[], [2, 4]],
    }
    space = parse_space({"parameters": parameters}, HERE)
    assert space.distributions() == {
        "core": IntDistribution(4, 12, step=4),
        "head": IntDistribution(32, 64, step=16),
        "groups_place": IntDistribution(0, 3),
        "split_place": IntDistribution(0, 2),
        "depth": IntDistribution(3, 3),
        "nla_after": CategoricalDistribution(["none", "2+4"]),
    }
    # As up to version 0.2.
    assert space.distributions(ordered=False) == {
        "core": IntDistribution(4, 12, step=4),
        "head": CategoricalDistribution([64, 32, 48]),
        "groups": CategoricalDistribution([1, 8, 2, 4]),
        "split": CategoricalDistribution([1, 1.5, 3]),
        "depth": CategoricalDistribution([3]),
        "nla_after": CategoricalDistribution(["none", "2+4"]),
    }


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("spaces", [["imdeception_x4"], ["imdeception_x4", "compact_x4"]])
def test_parameters_that_are_queued_are_those_that_a_trial_takes_up(spaces: list[str], ordered: bool) -> None:
    space = read_spaces(spaces)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for params in list(space.architectures.values())[::977]:
        study.enqueue_trial(space.as_drawn(params, ordered))
        trial = study.ask()
        assert space.suggest(trial, ordered) == params
        assert set(trial.params) == set(space.as_drawn(params, ordered))


def test_presets_take_the_scale_of_the_space() -> None:
    space = parse_space({"scale": 2, "parameters": {"core": [4, 8]}}, HERE)
    assert set(space.presets()) == {"imdeception-c4", "imdeception-c8"}
    assert space.spec(space.presets()["imdeception-c8"]).scale == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parameters: {cor: [4]}", ["unknown parameter 'cor'", "core"]),
        ("parameters: {core: [4]}\nfixd: {head: 32}", ["unknown key 'fixd'", "fixed"]),
        ("parameters: {core: []}", ["parameters.core", "no choices"]),
        ("parameters: {core: [4, 4]}", ["parameters.core", "twice"]),
        ("parameters: {core: ['4']}", ["parameters.core", "numbers", "'4'"]),
        ("parameters: {core: 4}", ["core", "list of choices", "4"]),
        ("parameters: {core: [4, 8.5]}", ["parameters.core", "integer", "8.5"]),
        ("parameters: {core: [4, 8.0]}", ["parameters.core", "integer", "8.0"]),
        ("parameters: {core: [4, true]}", ["parameters.core", "numbers", "True"]),
        ("parameters: {core: [4, 257]}", ["parameters.core", "256", "257"]),
        ("parameters: {core: [4, 0]}", ["parameters.core", "greater than or equal to 1", "0"]),
        ("parameters: {core: {low: 4, high: 1000000000}}", ["parameters.core", "256", "1000000000"]),
        ("parameters: {core: {low: 4.0, high: 8}}", ["parameters.core", "low", "integer", "4.0"]),
        ("parameters: {split: [3, 17.5]}", ["parameters.split", "16", "17.5"]),
        ("parameters: {nla_after: [[], [2.5]]}", ["parameters.nla_after", "integer", "2.5"]),
        ("parameters: {core: [4]}\nfixed: {head: 8.5}", ["fixed.head", "integer", "8.5"]),
        ("scale: 4.0\nparameters: {core: [4]}", ["scale", "integer", "4.0"]),
        ("scale: '4'\nparameters: {core: [4]}", ["scale", "integer", "'4'"]),
        ("parameters: {core: [4, 8], core: [12]}", ["line 1", "key 'core' is given twice"]),
        ("parameters: {core: {low: 8, high: 4}}", ["parameters.core", "low=8, high=4"]),
        ("parameters: {core: {low: 4, high: 9, step: 4}}", ["parameters.core", "4 to 9 by 4"]),
        ("parameters: {nla_after: [2]}", ["parameters.nla_after", "lists", "2"]),
        ("parameters: {core: [4]}\nfixed: {core: 8}", ["core", "both"]),
        ("parameters: {core: [3]}\nfixed: {split: 1.5}", ["no network", "3 * 1.5"]),
        ("parameters: {}", ["parameters", "at least 1"]),
        ("- core", ["expected keys and values"]),
        ("parameters: {core: [4", ["line", "YAML"]),
    ],
)
def test_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_space(str(path))
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message


def test_whole_numbers_serve_where_any_number_does() -> None:
    space = parse_space({"fixed": {"split": 3}, "parameters": {"core": [4], "nla_after": [[], [2]]}}, HERE)
    assert space.combinations() == len(space.architectures) == 2


def test_unknown_space_lists_the_shipped_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown search space 'imdeception_4'; known: imdeception_x4"):
        read_space("imdeception_4")
    with pytest.raises(UsageError, match="no search space file"):
        read_space("nowhere/mine.yaml")


def test_shipped_files_are_yaml_that_users_can_copy(tmp_path: Path) -> None:
    from nas_sr import shipped

    for name in shipped.names("search_spaces"):
        copy = tmp_path / f"{name}.yaml"
        copy.write_text(yaml.safe_dump(yaml.safe_load(shipped.find("search_spaces", name).read_text())))
        assert read_space(str(copy)) == read_space(name)


COMPACT = {"family": "compact", "parameters": {"width": [8, 16], "activation": ["prelu", "relu"]}}
GIDBS = {"parameters": {"core": [2, 4], "gidbs": [2, 3], "nla_after": [[], [2]]}}


def test_space_of_another_family_has_that_familys_parameters() -> None:
    space = parse_space(COMPACT, HERE)
    assert {space.spec(params).label() for params in space.architectures.values()} == {
        "w8x8",
        "w16x8",
        "w8x8 relu",
        "w16x8 relu",
    }
    with pytest.raises(UsageError, match=r"unknown parameter 'core'; known: .*width"):
        parse_space({"family": "compact", "parameters": {"core": [4]}}, HERE)
    with pytest.raises(UsageError, match=r"unknown family 'compat'; known: compact"):
        parse_space({"family": "compat", "parameters": {"width": [8]}}, HERE)
    with pytest.raises(UsageError, match=r"parameters.activation: .*'prelu', 'relu' or 'leaky_relu', but got 'gelu'"):
        parse_space({"family": "compact", "parameters": {"activation": ["gelu"]}}, HERE)


def test_joint_space_asks_for_a_family_and_then_for_its_parameters_alone() -> None:
    joint = JointSpace([parse_space(GIDBS, HERE), parse_space(COMPACT, HERE)])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    families = set()
    for _ in range(20):
        trial = study.ask()
        params = joint.suggest(trial)
        name = str(params["family"])
        assert all(key == "family" or key.startswith(f"{name}.") for key in trial.params)
        spec = joint.spec(params)
        assert spec.family == name
        families.add(name)
    assert families == {"imdeception", "compact"}


def test_joint_space_holds_the_networks_and_presets_of_both() -> None:
    first, second = read_space("imdeception_x4_quick"), read_space("compact_x4")
    joint = read_spaces(["imdeception_x4_quick", "compact_x4"])
    assert joint.architectures.keys() == first.architectures.keys() | second.architectures.keys()
    assert joint.presets().keys() == first.presets().keys() | second.presets().keys()
    for digest, params in joint.architectures.items():
        assert joint.spec(params).digest == digest
    assert read_spaces(["compact_x4"]) == second


def test_spaces_that_cannot_be_searched_together_are_refused() -> None:
    with pytest.raises(UsageError, match="one space a family can be searched, but got imdeception, imdeception"):
        read_spaces(["imdeception_x4", "imdeception_x4_quick"])
    with pytest.raises(UsageError, match=r"one scale, but got \[2, 4\]"):
        JointSpace([parse_space(GIDBS, HERE), parse_space({**COMPACT, "scale": 2}, HERE)])
