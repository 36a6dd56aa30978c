from __future__ import annotations

from pathlib import Path

import pytest

from nas_sr.errors import UsageError
from nas_sr.families.presets import preset
from nas_sr.predict.design_points import choose_design_points
from nas_sr.predict.features import Range
from nas_sr.predict.roofline import Roofline
from nas_sr.space import parse_space, read_space

ROOFLINE = Roofline(96, 96, "fp32")
SPACE = read_space("imdeception_x4_quick")


def test_fewer_are_the_beginning_of_more_and_no_network_comes_twice() -> None:
    twenty = choose_design_points(SPACE, 20, ROOFLINE)
    assert choose_design_points(SPACE, 8, ROOFLINE) == twenty[:8]
    assert len({spec.digest for spec in twenty}) == 20


def test_they_begin_with_the_cheapest_and_the_dearest_preset() -> None:
    first, second, *_ = choose_design_points(SPACE, 5, ROOFLINE)
    assert first.digest == preset("imdeception-c4").digest
    assert second.digest == preset("imdeception-c12").digest


def test_few_of_a_large_space_span_it() -> None:
    space = read_space("imdeception_x4")
    box = Range(choose_design_points(space, 20, ROOFLINE))
    networks = [space.spec(params) for params in list(space.architectures.values())[::97]]
    assert sum(box.outside(spec) == 0 for spec in networks) > 0.9 * len(networks)


def test_all_of_a_small_space_may_be_asked_for_and_no_more() -> None:
    space = parse_space({"parameters": {"core": [4, 8, 12], "depth": [2, 3]}}, Path("mine.yaml"))
    assert len(choose_design_points(space, 6, ROOFLINE)) == 6
    with pytest.raises(UsageError, match="7 networks are to be measured, but the space holds 6"):
        choose_design_points(space, 7, ROOFLINE)


def test_space_without_a_preset_has_probes_too() -> None:
    space = parse_space({"parameters": {"core": [5, 10], "depth": [2, 3], "head": [16, 32]}}, Path("mine.yaml"))
    assert len(choose_design_points(space, 5, ROOFLINE)) == 5
