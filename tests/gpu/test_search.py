"""A whole search of four candidates, trained and timed on the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gpu import here
from tests.gpu.conftest import skip_without
from tests.gpu.figures import Figures
from tests.gpu.profiles import written
from tests.gpu.study import search

pytestmark = pytest.mark.gpu


def test_search_of_four_candidates(figures: Figures, found: dict[str, Any], tmp_path: Path) -> None:
    usable = [name for name in here.PRODUCTS if "versions" in found["backends"][name]]
    if not usable:
        pytest.skip("; ".join(found["backends"][name]["lacks"] for name in here.PRODUCTS))
    skip_without(usable[0], found)
    hardware = written(tmp_path, usable[:1], (64, 96), seconds=1.0, final_builds=1, final_runs=1)
    result = search(tmp_path, hardware, budget=4)
    assert result["complete"] == 4, result
    assert result["front"]
    study = Path(result["study_dir"])
    assert json.loads((study / "environment.json").read_text())["execution"]["device"] == "cuda"
    for number in range(4):
        latency = json.loads((study / "trials" / str(number) / "latency.json").read_text())
        assert latency["backend"] == usable[0]
        assert not [label for label in latency["labels"] if "other processes computed" in label]
    figures.record("search of four small candidates on this GPU", result["wall_s"], "s", usable[0])
