"""The digest is that of the layers, and of what has no layer of its own."""

from __future__ import annotations

from nas_sr.families.imdeception.spec import ImdeceptionSpec


def test_groups_that_are_lowered_to_the_same_number_everywhere_are_one_network() -> None:
    spec = ImdeceptionSpec(core=3, split=1, groups=4)
    assert spec.digest == spec.model_copy(update={"groups": 8}).digest
    assert spec.digest != spec.model_copy(update={"groups": 1}).digest


def test_windows_are_told_apart_where_there_is_attention() -> None:
    attentive, other = ImdeceptionSpec(core=4, nla_after=(2,)), ImdeceptionSpec(core=4)
    changes = ({}, {"nla_window": 16}, {"nla_patch": 8})
    assert len({attentive.model_copy(update=change).digest for change in changes}) == 3
    assert len({other.model_copy(update=change).digest for change in changes}) == 1
