"""A whole search by the command line, with small networks and a training of a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.search.quick import SPACE, finished, start


def search(folder: Path, hardware: Path, budget: int, *options: str) -> dict[str, Any]:
    """What `nas-sr search --json` answers for a target's profile; the study lies in `folder`."""
    phase = {"steps": 30, "batch": 4, "crop_lr": 16, "validate_every": 15}
    study = {"space": str(folder / "space.yaml"), "hw": str(hardware), "training": {"phases": [phase]}}
    for name, value in (("space", SPACE), ("study", study)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value))
    arguments = ["search", "--config", str(folder / "study.yaml"), "--name", "gpu", "--budget", str(budget), "--json"]
    places = ["--studies", str(folder / "studies"), "--reports", str(folder / "reports")]
    answer, _said = finished(start([*arguments, *places, *options], folder))
    assert isinstance(answer, dict)
    return answer
