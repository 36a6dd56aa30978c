from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.families.imdeception.spec import ArchSpec
from nas_sr.families.presets import PRESETS
from nas_sr.predict.features import Range, features
from tests.measure.specs import specs


def test_equal_networks_lie_in_one_place() -> None:
    one, other = ArchSpec(core=4, groups=4, head=4), ArchSpec(core=4, groups=8, head=4)
    assert one.digest == other.digest
    assert features(one) == features(other)


def test_a_network_is_outside_by_octaves_and_for_a_reason() -> None:
    calibrated = Range(list(PRESETS.values()))
    inside = ArchSpec(core=12, nla_after=(3,))
    assert calibrated.outside(inside) == 0
    assert calibrated.reasons(inside) == []
    far = ArchSpec(core=32, groups=1, nla_after=(1, 2, 3))
    assert calibrated.outside(far) == pytest.approx((1 + 2**2 + 1) ** 0.5)
    assert calibrated.reasons(far) == [
        "core 32 (calibrated with 4 to 16)",
        "groups 1 (calibrated with 4)",
        "attention 3 (calibrated with 0 to 2)",
    ]


@settings(deadline=None)
@given(st.lists(specs(), min_size=1, max_size=5), specs())
def test_outside_and_its_reasons_agree(calibrated: list[ArchSpec], spec: ArchSpec) -> None:
    box = Range(calibrated)
    assert (box.outside(spec) > 0) == bool(box.reasons(spec))
    assert all(box.outside(each) == 0 for each in calibrated)
