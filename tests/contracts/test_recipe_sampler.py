"""CONTRIBUTING.md's "Add a sampler", followed to the letter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contracts.recipe import SEARCH, followed, recipe, run_there

_SAMPLER_OF_STUDY = """
import sys
from pathlib import Path
from nas_sr.search.store import StudyStore
print(type(StudyStore.read(Path(sys.argv[1])).study.sampler).__name__)
"""
_UNKNOWN = """
import nas_sr.search.samplers as samplers
try:
    samplers.check_sampler("mutaton")
except Exception as error:
    print(error)
"""


def test_a_sampler_is_one_file_and_two_lines(tmp_path: Path) -> None:
    told = recipe("Add a sampler")
    added = [set(step.lines.splitlines()) - set(step.replaced.splitlines()) for step in told.steps if step.replaced]
    assert sum(map(len, added)) == 2
    assert {step.path for step in told.steps if step.replaced is None} == {"nas_sr/search/mutation.py"}
    sources, study = followed("Add a sampler", tmp_path / "copy"), tmp_path / "study"
    study.mkdir()
    answer = json.loads(run_there(sources, "-c", SEARCH, str(study), '{"sampler": "mutation"}'))
    assert answer["complete"] == 2
    assert run_there(sources, "-c", _SAMPLER_OF_STUDY, answer["study_dir"]) == "MutationSampler\n"
    assert "unknown sampler 'mutaton'; known: mutation, " in run_there(sources, "-c", _UNKNOWN)
