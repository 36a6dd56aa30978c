from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.families.compact import FAMILY as COMPACT
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.features import features
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.predict.features import OTHER_FAMILY_OCTAVES, Range, matrix
from nas_sr.predict.regression import LENGTH
from tests.measure.specs import specs


def test_equal_networks_lie_in_one_place() -> None:
    one, other = ImdeceptionSpec(core=4, groups=4, head=4), ImdeceptionSpec(core=4, groups=8, head=4)
    assert one.digest == other.digest
    assert features(one) == features(other)


def test_a_network_is_outside_by_octaves_and_for_a_reason() -> None:
    calibrated = Range(list(IMDECEPTION.presets.values()))
    inside = ImdeceptionSpec(core=12, nla_after=(3,))
    assert calibrated.outside(inside) == 0
    assert calibrated.reasons(inside) == []
    far = ImdeceptionSpec(core=32, groups=1, nla_after=(1, 2, 3))
    assert calibrated.outside(far) == pytest.approx((1 + 2**2 + 1) ** 0.5)
    assert calibrated.reasons(far) == [
        "core 32 (calibrated with 4 to 16)",
        "groups 1 (calibrated with 4)",
        "attention 3 (calibrated with 0 to 2)",
    ]


@settings(deadline=None)
@given(st.lists(specs(), min_size=1, max_size=5), specs())
def test_outside_and_its_reasons_agree(calibrated: list[ImdeceptionSpec], spec: ImdeceptionSpec) -> None:
    box = Range(calibrated)
    assert (box.outside(spec) > 0) == bool(box.reasons(spec))
    assert all(box.outside(each) == 0 for each in calibrated)


def test_a_network_of_a_family_that_was_not_calibrated_is_far_outside_and_says_so() -> None:
    calibrated = Range(list(IMDECEPTION.presets.values()))
    assert calibrated.outside(CompactSpec()) == OTHER_FAMILY_OCTAVES
    assert calibrated.reasons(CompactSpec()) == ["family compact (calibrated with imdeception)"]
    both = Range([*IMDECEPTION.presets.values(), CompactSpec(width=16), CompactSpec(width=32)])
    assert both.outside(CompactSpec(width=24)) == 0
    assert both.reasons(CompactSpec(width=64)) == ["width 64 (calibrated with 16 to 32)"]


def test_families_lie_further_apart_than_a_fit_looks() -> None:
    """One family's errors say nothing about another's."""
    rows = matrix([*IMDECEPTION.presets.values(), *COMPACT.presets.values()])
    first, second = rows[: len(IMDECEPTION.presets)], rows[len(IMDECEPTION.presets) :]
    assert min(np.linalg.norm(a - b) for a in first for b in second) > 2 * LENGTH
