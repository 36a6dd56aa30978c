"""Two trainings on the card step aside for a measurement on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas_sr.families.presets import preset
from tests.gpu.figures import Figures
from tests.gpu.profiles import this_gpu, timed
from tests.gpu.sharing import beside

pytestmark = pytest.mark.gpu


def test_trainings_step_aside_and_change_no_latency(
    product: str, figures: Figures, found: dict[str, Any], tmp_path: Path
) -> None:
    alone = timed(preset("imdeception-c8"), this_gpu(product))
    done = beside(this_gpu(product), preset("imdeception-c8"), "cuda", tmp_path)
    name = f"imdeception-c8 512x256 fp16, {product}"
    figures.record(f"{name}: alone", alone.latency_ms, "ms", "; ".join(alone.labels))
    figures.record(f"{name}: beside two trainings that step aside", done.taken.latency_ms, "ms")
    figures.record(f"{name}: ratio to the reference alone", alone.relative_latency)
    figures.record(f"{name}: ratio to the reference beside them", done.taken.relative_latency)
    assert done.steps_before > 0
    assert done.steps_after > 0
    assert done.steps_within == 0
    assert done.were_visitors
    assert not [label for label in done.taken.labels if "other processes computed" in label]
    assert done.taken.relative_latency == pytest.approx(alone.relative_latency, rel=0.1)
