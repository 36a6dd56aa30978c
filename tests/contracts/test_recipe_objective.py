"""CONTRIBUTING.md's "Add an objective", followed to the letter."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.contracts.recipe import SEARCH, followed, recipe, run_there


def test_an_objective_is_one_entry_in_one_file(tmp_path: Path) -> None:
    told = recipe("Add an objective")
    assert {step.path for step in told.steps} == {"nas_sr/objectives.py"}
    sources, folder = followed("Add an objective", tmp_path / "copy"), tmp_path / "study"
    folder.mkdir()
    wanted = {"objectives": ["psnr_db", "latency_ms", "convs"], "limits": {"convs": 16}}
    answer = json.loads(run_there(sources, "-c", SEARCH, str(folder), json.dumps(wanted)))
    assert answer["objectives"] == ["psnr_db", "latency_ms", "convs"]
    assert answer["complete"] + answer["infeasible"] == 2
    with (folder / "reports" / "quick" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all((row["state"] == "infeasible") == (float(row["convs"]) > 16) for row in rows)
