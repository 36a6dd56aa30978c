"""CONTRIBUTING.md's recipes, followed to the letter in one copy of the sources: none of them knows of the others."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.contracts.recipe import follow, recipe, sources

RECIPES = ("Add a family", "Add a runtime", "Add an objective", "Add a sampler")


class Followed(NamedTuple):
    """What `follow_recipes.py` found with the changed sources, and the folder with its studies."""

    found: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("recipes")
    copy = sources(folder / "copy")
    for heading in RECIPES:
        follow(recipe(heading), copy)
    (folder / "work").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.follow_recipes", str(folder / "work")],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Followed(json.loads((folder / "work" / "found.json").read_text()), folder / "work")


def test_a_family_is_one_folder_one_line_and_one_space_file(followed: Followed) -> None:
    told = recipe("Add a family")
    assert [len(step.lines.splitlines()) for step in told.changes] == [1]
    new = {step.path for step in told.steps if step.replaced is None}
    assert all(path.startswith(("nas_sr/families/espcn/", "search_spaces/")) for path in new)
    assert followed.found["passed"]["test_families.py"] > 30
    assert {point["spec"]["family"] for point in followed.found["family and sampler"]["front"]} == {"espcn"}
    assert followed.found["families"]["complete"] == 2


def test_a_runtime_is_one_module_one_entry_and_one_profile(followed: Followed) -> None:
    told = recipe("Add a runtime")
    assert sum(len(step.lines.splitlines()) - len((step.replaced or "").splitlines()) for step in told.changes) == 1
    assert {step.path for step in told.steps if step.replaced is None} == {
        "nas_sr/device_program/backends/onnxruntime_plain.py",
        "hw_profiles/cpu-plain.yaml",
    }
    found = followed.found["runtime"]
    assert found["device"] == "cpu"
    assert (found["backend"], found["precision"], found["again"]) == ("onnxruntime-plain", "fp32", True)
    assert "onnxruntime-plain" in found["rows"]
    assert found["checks"] == ["ok"]
    assert followed.found["passed"]["test_backends.py"] > 2


def test_an_objective_is_one_entry_in_one_file(followed: Followed) -> None:
    assert {step.path for step in recipe("Add an objective").steps} == {"nas_sr/objectives.py"}
    answer = followed.found["objective"]
    assert answer["objectives"] == ["psnr_db", "latency_ms", "convs"]
    assert answer["complete"] + answer["infeasible"] == 2
    with (followed.folder / "objective" / "reports" / "quick" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all((row["state"] == "infeasible") == (float(row["convs"]) > 16) for row in rows)


def test_a_sampler_is_one_file_and_two_lines(followed: Followed) -> None:
    told = recipe("Add a sampler")
    added = [set(step.lines.splitlines()) - set(step.replaced.splitlines()) for step in told.steps if step.replaced]
    assert sum(map(len, added)) == 2
    assert {step.path for step in told.steps if step.replaced is None} == {"nas_sr/search/mutation.py"}
    assert followed.found["family and sampler"]["complete"] == 2
    assert followed.found["family and sampler"]["sampler"] == "MutationSampler"
    assert followed.found["passed"]["test_samplers.py"] == 5
    assert "unknown sampler 'mutaton'; known: mutation, " in followed.found["unknown sampler"]
