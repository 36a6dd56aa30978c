"""YAML files: what is refused, with its line, and that a file made to be expensive is not."""

import math
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr import shipped
from nas_sr.config import FullTraining, StudyConfig, read_yaml
from nas_sr.errors import UsageError
from nas_sr.measure.profile import profile
from nas_sr.space import read_space
from nas_sr.yaml_file import dump_yaml, load_yaml

CASES = Path(__file__).parents[2] / "shared" / "cases"
READERS = {
    "space": lambda path: read_space(str(path)),
    "study": lambda path: read_yaml(path, StudyConfig),
    "profile": lambda path: profile(str(path)),
    "train": lambda path: read_yaml(path, FullTraining),
}


def _refusal(read: Any, path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < len(str(path)) + 200
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("space", "parameters:\n  core: [4]\n  core: [8]\n", ", line 3: key 'core' is given twice, first in line 2"),
        ("study", "seed: 1\nhw: cpu\nseed: 2\n", ", line 3: key 'seed' is given twice, first in line 1"),
        ("study", "training:\n  phases:\n  - {steps: 3, steps: 4}\n", ", line 3: key 'steps' is given twice"),
        ("study", "a: &a\n  x: 1\n  x: 2\ntraining: *a\n", ", line 3: key 'x' is given twice"),
        ("study", "a: &a {x: 1}\ntraining:\n  <<: *a\n  <<: *a\n", ", line 4: key '<<' is given twice"),
        ("study", "a: &a {x: 1}\ntraining: {<<: [*a, {y: 1, y: 2}]}\n", ", line 2: key 'y' is given twice"),
        ("study", "'seed': 1\nseed: 2\n", ", line 2: key 'seed' is given twice"),
        ("profile", "extends: cpu\nprotocol:\n  seconds: 1\n  retries: 2\n  seconds: 2\n", ", line 5: key 'seconds'"),
        ("train", "training:\n  phases: [{steps: 4}]\n  seed: 1\n  seed: 1\n", ", line 4: key 'seed'"),
    ],
)
def test_key_given_twice_is_refused_in_every_kind_of_file(tmp_path: Path, kind: str, text: str, said: str) -> None:
    path = tmp_path / f"{kind}.yaml"
    path.write_text(text)
    assert said in _refusal(READERS[kind], path)


@pytest.mark.parametrize("kind", ["space", "study"])
def test_case_files_with_keys_given_twice(kind: str) -> None:
    path = CASES / f"duplicate-keys-{kind}.yaml"
    if not path.is_file():
        pytest.skip("../shared/cases is not beside this checkout")
    assert "is given twice" in _refusal(READERS[kind], path)


def test_merged_keys_may_be_given_again(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nboth: [*base, *base]\n")
    assert load_yaml(path)["own"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: .nan", ", line 1: numbers must be finite, but got .nan"),
        (b"x: 1\na: -.inf", ", line 2: numbers must be finite"),
        (b"a: 1e999", "numbers must be finite"),
        (b"a: 1.0e+999", "numbers must be finite"),
        (b"1: a", ", line 1: a key must be text, but got 1"),
        (b"on: a", "a key must be text, but got on"),
        (b"? [a]\n: b", "a key must be text"),
        (b"a: !!set {x, y}", "values of type set have no use in a config"),
        (b"a: !!binary aGk=", "values of type binary have no use"),
        (b"a: !!int x", ", line 1: 'x' is no int"),
        (b"a: " + b"9" * 6000, "9...' is no int"),
        (b"a: !!python/object/apply:os.getcwd []", "not valid YAML: could not determine a constructor"),
        (b"a: 1\n---\nb: 1", ", line 2: not valid YAML"),
        (b"a: [1,", "not valid YAML"),
        (b"a: \xff", "not valid YAML"),
        (b"a: \x00", "not valid YAML"),
        (b"a: *b", "undefined alias"),
        (b"a: &a [*a]", "a value contains itself"),
    ],
)
def test_value_that_no_config_has_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(text)
    assert said in _refusal(load_yaml, path)


def _laughs(values: str, merge: str) -> str:
    first, *rest = "abcdefghijklmnopqrstuvwxyz"
    lines = [f"{first}: &{first} {values}"]
    for before, name in zip([first, *rest], rest, strict=False):
        nine = ", ".join([f"*{before}"] * 9)
        lines.append(f"{name}: &{name} {merge.format(nine)}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_laughs("[x, x]", "[{}]"), "with every alias written out"),
        (_laughs("{x: 1}", "{{<<: [{}]}}"), "with every alias written out"),
        ("[" * 5000, "nested more than"),
        ("- " * 5000, "nested more than"),
        ("- x\n" * 200_000, "larger than"),
    ],
)
def test_file_made_to_be_expensive_costs_little(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    start = time.process_time()
    assert said in _refusal(load_yaml, path)
    assert time.process_time() - start < 5


def test_numbers_and_dates_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("{a: 1e-3, b: 1E5, c: 1.5e3, d: -2e+2, e: 2024-01-31, f: 1e, g: e5, h: '1e-3'}")
    found = {"a": 1e-3, "b": 1e5, "c": 1.5e3, "d": -200.0, "e": "2024-01-31", "f": "1e", "g": "e5", "h": "1e-3"}
    assert load_yaml(path) == found


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LOOK_ALIKES = st.sampled_from(["1e-3", "1E5", "on", "null", "2024-01-31", ".5e1", "<<", "1_0e3", "~", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | LOOK_ALIKES,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT | LOOK_ALIKES, each, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(dump_yaml(value), encoding="utf-8")
    assert load_yaml(path) == value


@given(st.binary(max_size=60) | st.text("abc:[]{}&*<!-?\n \"'|>%#1.e", max_size=40).map(str.encode))
def test_no_file_ends_in_anything_but_values_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    said = ""
    try:
        load_yaml(path)
    except UsageError as error:
        said = str(error)
    assert "\n" not in said


def test_shipped_files_are_read(tmp_path: Path) -> None:
    for kind in shipped.KINDS:
        for name in shipped.names(kind):
            value = load_yaml(shipped.find(kind, name))
            assert isinstance(value, dict)
            assert all(not isinstance(each, float) or math.isfinite(each) for each in value.values())


def test_yaml_is_read_in_one_place_only() -> None:
    package = Path(shipped.__file__).parent
    found = subprocess.run(
        ["grep", "-rlE", r"yaml\.(safe_|full_|unsafe_)?load", str(package), "--include=*.py"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert found == [str(package / "yaml_file.py")]
