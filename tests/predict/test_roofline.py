from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.families.counts import counts
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import preset
from nas_sr.measure.device_facts import Facts
from nas_sr.predict.roofline import TILES, Roofline, Terms
from tests.measure.specs import specs

UNIT = Roofline(256, 256, "fp32")
SIDES = st.integers(1, 200)


def compute_ms(terms: Terms) -> float:
    return terms.grouped + terms.padding + terms.spatial + terms.pointwise


@settings(deadline=None)
@given(specs().filter(lambda spec: not spec.nla_after))
def test_arithmetic_without_padding_is_what_the_counts_say(spec: ImdeceptionSpec) -> None:
    # At the unit rate a multiply-accumulate is 1e-9 ms.
    assert compute_ms(UNIT.terms(spec, tile=1)) == pytest.approx(counts(spec).macs_g)


def test_attention_adds_its_matrix_products() -> None:
    with_nla, without = (UNIT.terms(preset(f"imdeception-c16{end}"), 1) for end in ("-nla", ""))
    macs_g = counts(preset("imdeception-c16-nla")).macs_g - counts(preset("imdeception-c16")).macs_g
    # Two blocks; query times key and score times value; 12 channels; each token meets 64 others.
    products = 2 * 2 * 256 * 256 * 12 * 64 / 1e9
    assert with_nla.pointwise - without.pointwise == pytest.approx(macs_g + products)


def test_core_12_costs_a_padding_kernel_as_much_grouped_arithmetic_as_core_16() -> None:
    c12, c16 = (UNIT.terms(preset(name), tile=8) for name in ("imdeception-c12", "imdeception-c16"))
    assert c12.grouped < c16.grouped
    assert c12.grouped + c12.padding == pytest.approx(c16.grouped + c16.padding)


def test_only_parts_that_do_not_begin_on_the_tile_are_copied() -> None:
    copies = {name: UNIT.terms(spec, tile=8).copies for name, spec in IMDECEPTION.presets.items()}
    assert {name for name, cost in copies.items() if cost == 0} == {
        "imdeception-c16-nla",
        "imdeception-c16",
        "imdeception-c8",
    }
    assert copies["imdeception-c12"] > copies["imdeception-c4"] > 0


def test_attention_pays_for_whole_windows() -> None:
    spec = preset("imdeception-c8").model_copy(update={"nla_after": (2,)})
    small, padded, whole = (Roofline(side, side, "fp32").terms(spec, 8).attention for side in (32, 33, 64))
    assert padded == whole == pytest.approx(4 * small)


def test_facts_turn_work_into_time_at_the_peaks() -> None:
    facts = Facts(fp32_tflops=10.1, fp16_tflops=80.5, bandwidth_gb_s=448)
    spec = preset("imdeception-c16")
    fp32, fp16 = (Roofline(256, 512, precision, facts).terms(spec, 8) for precision in ("fp32", "fp16"))
    unit = Roofline(256, 512, "fp16").terms(spec, 8)
    assert fp16.grouped == pytest.approx(unit.grouped / 40.25)
    assert fp32.grouped == pytest.approx(unit.grouped / 5.05)
    assert fp16.traffic == pytest.approx(unit.traffic / 448)
    assert fp32.traffic == pytest.approx(2 * fp16.traffic)
    assert fp16.launches == 58


def test_tile_is_a_fact_or_open() -> None:
    assert Roofline(8, 8, "fp16", Facts(channel_tile=32)).tiles == (32,)
    assert UNIT.tiles == TILES


def test_only_known_peaks_count_as_peaks() -> None:
    assert UNIT.at_peak == ()
    assert "grouped" in Roofline(8, 8, "fp16", Facts(fp16_tflops=1)).at_peak
    assert "grouped" not in Roofline(8, 8, "fp32", Facts(fp16_tflops=1)).at_peak
    assert "traffic" not in Roofline(8, 8, "fp16", Facts(fp16_tflops=1)).at_peak


@settings(deadline=None)
@given(specs(), SIDES, SIDES, st.integers(0, 100), st.integers(0, 100), st.sampled_from(TILES))
def test_larger_images_never_cost_less(
    spec: ImdeceptionSpec, height: int, width: int, taller: int, wider: int, tile: int
) -> None:
    small = Roofline(height, width, "fp32").terms(spec, tile)
    large = Roofline(height + taller, width + wider, "fp32").terms(spec, tile)
    assert all(0 <= one <= other for one, other in zip(small, large, strict=True))
    assert small.traffic > 0
    assert small.launches > 0


@settings(deadline=None)
@given(specs(), st.sampled_from([(1, 4), (4, 8), (8, 16), (16, 32)]))
def test_coarser_tiles_never_cost_less(spec: ImdeceptionSpec, tiles: tuple[int, int]) -> None:
    fine, coarse = (UNIT.terms(spec, tile) for tile in tiles)
    assert all(one <= other * (1 + 1e-12) for one, other in zip(fine, coarse, strict=True))


def test_equal_networks_have_equal_terms() -> None:
    one, other = ImdeceptionSpec(core=4, groups=4, head=4), ImdeceptionSpec(core=4, groups=8, head=4)
    assert one.digest == other.digest
    assert UNIT.terms(one, 8) == UNIT.terms(other, 8)
