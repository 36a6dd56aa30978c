from __future__ import annotations

import pytest
import yaml

from nas_sr import shipped
from nas_sr.errors import UsageError
from nas_sr.latency.profile import profile


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
        (lambda value: value.update(backend="tflite"), "onnxruntime"),
        (lambda value: value["protocol"].update(limit_s=1), "limit_s must leave time for warm-up and window"),
        (lambda value: value.update(name="../elsewhere"), "name"),
    ],
)
def test_wrong_value_is_refused_with_what_is_allowed(tmp_path, change, text):
    with pytest.raises(UsageError, match=text):
        profile(_changed(tmp_path, change))
