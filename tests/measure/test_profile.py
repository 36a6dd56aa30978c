from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nas_sr import shipped
from nas_sr.errors import UsageError
from nas_sr.measure.profile import _laid_over, profile


@pytest.mark.parametrize("name", shipped.names("hw_profiles"))
def test_shipped_profile_is_valid_and_bears_its_file_name(name):
    assert profile(name).name == name


def test_unknown_hardware_lists_what_there_is():
    with pytest.raises(UsageError, match=r"unknown hardware 'cpuu'; known: cpu"):
        profile("cpuu")


def _changed(tmp_path, change):
    value = yaml.safe_load(shipped.find("hw_profiles", "cpu").read_text())
    change(value)
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(value))
    return str(path)


def test_own_file_is_read(tmp_path):
    path = _changed(tmp_path, lambda value: value.update(name="mine", threads=1))
    assert (profile(path).name, profile(path).threads) == ("mine", 1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda value: value["protocol"].update(iteration=3), "protocol.iteration"),
        (lambda value: value.update(threads="all"), "physical"),
        (lambda value: value.update(backends=["tflite"]), r"backends: unknown backend 'tflite'; known: .*onnxruntime"),
        (
            lambda value: value.update(backends=["onnxruntime", "tensorrt"]),
            "backends: must occupy one device, but onnxruntime occupies cpu, tensorrt occupies cuda:0",
        ),
        (lambda value: value.update(precision="int8"), "precision: .*'fp32', 'fp16' or 'bf16'"),
        (lambda value: value.update(backends=[]), "backends"),
        (lambda value: value.update(backend="onnxruntime"), "unknown key 'backend'; known: backends, "),
        (lambda value: value.update(ssh={"host": "-oProxyCommand=x"}), "ssh.0.host: .*-oProxy"),
        (lambda value: value.update(ssh={"host": "d", "jump": "-oProxyCommand=x"}), "ssh.0.jump: .*-oProxy"),
        (lambda value: value.update(ssh={"host": "a b"}), "ssh.0.host"),
        (lambda value: value.update(ssh={"port": 22}), "ssh.0.host: Field required"),
        (lambda value: value.update(ssh="drone"), "ssh: .*drone"),
        (
            lambda value: value.update(ssh={"host": "d", "user": "me"}),
            "unknown key 'ssh.0.user'; known: ssh.0.",
        ),
        (lambda value: value.update(extends="no-such-profile"), "unknown hardware 'no-such-profile'; known: "),
        (lambda value: value["protocol"].update(limit_s=1), "limit_s must leave time for warm-up and window"),
        (lambda value: value.update(name="../elsewhere"), "name"),
    ],
)
def test_wrong_value_is_refused_with_what_is_allowed(tmp_path, change, text):
    with pytest.raises(UsageError, match=text):
        profile(_changed(tmp_path, change))


def _written(path, **values):
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_profile_may_extend_one_that_extends_one(tmp_path):
    near = _written(tmp_path / "near.yaml", extends="cpu", name="near", ssh={"host": "a"}, protocol={"seconds": 5})
    far = _written(
        tmp_path / "folder" / "far.yaml", extends="../near.yaml", name="far", ssh={"port": 9}, protocol={"retries": 0}
    )
    found, cpu = profile(far), profile("cpu")
    assert (found.name, found.title, found.lr_height) == ("far", cpu.title, cpu.lr_height)
    assert (found.ssh[0].host, found.ssh[0].port) == ("a", 9)
    assert found.protocol == cpu.protocol.model_copy(update={"seconds": 5, "retries": 0})
    assert profile(near).ssh[0].port is None


def test_profile_that_extends_itself_is_refused(tmp_path):
    for name, other in (("one", "../folder/other.yaml"), ("other", "../folder/one.yaml")):
        path = _written(tmp_path / "folder" / f"{name}.yaml", extends=other, name=name)
    with pytest.raises(UsageError, match=r"other\.yaml: extends itself, by way of .*other\.yaml and .*one\.yaml"):
        profile(path)


def test_several_devices_of_one_kind_are_units_of_their_own(tmp_path):
    both = [{"host": "me@a"}, {"host": "me@b", "port": 2222}]
    found = profile(_written(tmp_path / "both.yaml", extends="cpu", name="both", ssh=both))
    assert found.where == "me@a, me@b:2222"
    assert [(unit.where, unit.device) for unit in found.units] == [("me@a", "me@a"), ("me@b:2222", "me@b:2222")]
    here = profile("cpu")
    assert (here.units, here.device, here.where) == ([here], "cpu", "this machine")


KEYS = st.sampled_from("abcd")
SECTIONS = st.recursive(
    st.none() | st.integers() | st.lists(st.integers(), max_size=2),
    lambda values: st.dictionaries(KEYS, values, min_size=1, max_size=3),
    max_leaves=8,
)


def _leaves(value, path=()):
    """Path -> value of everything that is no section."""
    if not isinstance(value, dict):
        return {path: value}
    return {where: leaf for key, each in value.items() for where, leaf in _leaves(each, (*path, key)).items()}


@given(st.dictionaries(KEYS, SECTIONS, max_size=3), st.dictionaries(KEYS, SECTIONS, max_size=3))
def test_extending_changes_what_is_given_and_nothing_else(base, own):
    found, given_leaves = _leaves(_laid_over(base, own)), _leaves(own)
    assert given_leaves.items() <= found.items()
    kept = {
        path: leaf
        for path, leaf in _leaves(base).items()
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in given_leaves)
    }
    assert kept.items() <= found.items()
