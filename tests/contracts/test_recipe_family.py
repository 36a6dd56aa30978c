"""CONTRIBUTING.md's "Add a family", followed to the letter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contracts.recipe import SEARCH, followed, recipe, run_there


def test_a_family_is_one_folder_one_line_and_one_space_file(tmp_path: Path) -> None:
    told = recipe("Add a family")
    assert [len(step.lines.splitlines()) for step in told.changes] == [1]
    new = {step.path for step in told.steps if step.replaced is None}
    assert all(path.startswith(("nas_sr/families/espcn/", "search_spaces/")) for path in new)
    sources = followed("Add a family", tmp_path / "copy")
    contracts = run_there(
        sources, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "tests/contracts/test_families.py",
        "-k", "espcn and not tensorrt",
    )  # fmt: skip
    assert contracts.count(".") > 30
    (tmp_path / "study").mkdir()
    answer = json.loads(run_there(sources, "-c", SEARCH, str(tmp_path / "study"), '{"space": ["espcn_x4"]}'))
    assert {point["spec"]["family"] for point in answer["front"]} == {"espcn"}
    joint = '{"space": ["compact_x4", "espcn_x4"]}'
    (tmp_path / "joint").mkdir()
    answer = json.loads(run_there(sources, "-c", SEARCH, str(tmp_path / "joint"), joint))
    assert answer["complete"] == 2
