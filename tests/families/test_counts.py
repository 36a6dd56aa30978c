"""The six presets against the paper's table and against the modules that torch builds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas_sr.errors import UsageError
from nas_sr.families.counts import counts
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.plan import plan, usable_groups
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import PRESETS, preset, preset_name, spec_from

TABLE = {  # params, conv MACs [G], NTIRE FLOPs [G], activations [M], convolutions, at 256x256
    "imdeception-c16-nla": (316_552, 20.5395, 20.7052, 206.05, 62),
    "imdeception-c16": (311_776, 20.2375, 20.4032, 195.04, 58),
    "imdeception-c12": (198_236, 12.8424, 12.9677, 149.16, 58),
    "imdeception-c8": (113_352, 7.3254, 7.4103, 103.28, 58),
    "imdeception-c4-nla": (57_454, 3.7051, 3.7497, 60.16, 62),
    "imdeception-c4": (57_124, 3.6863, 3.7308, 57.41, 58),
}

SPECS = st.builds(
    dict,
    scale=st.integers(2, 4),
    core=st.integers(1, 12),
    groups=st.integers(1, 8),
    gidbs=st.integers(1, 4),
    depth=st.integers(1, 4),
    split=st.sampled_from([1, 2, 3, 4]),
    head=st.sampled_from([3, 16, 33]),
    attention=st.booleans(),
).map(
    lambda values: ImdeceptionSpec(
        nla_after=(1,)
        if values.pop("attention") and values["gidbs"] > 1 and values["core"] * values["split"] > 3
        else (),
        **values,
    )
)


@pytest.mark.parametrize("name", TABLE)
def test_preset_has_the_published_counts(name: str) -> None:
    params, macs_g, flops_g, activations_m, convs = TABLE[name]
    found = counts(preset(name))
    assert found.params == params
    assert found.convs == convs
    assert found.macs_g == pytest.approx(macs_g, abs=6e-5)
    assert found.ntire_flops_g == pytest.approx(flops_g, abs=6e-5)
    assert found.activations_m == pytest.approx(activations_m, abs=6e-3)


@settings(max_examples=30, deadline=None)
@given(SPECS)
def test_counts_are_those_of_the_modules(spec: ImdeceptionSpec) -> None:
    network = Network(spec)
    height, width = 8, 12
    seen = {"macs": 0, "activations": 0, "convs": 0}

    def watch(module: nn.Conv2d, inputs: object, output: torch.Tensor) -> None:
        seen["macs"] += module.weight.numel() * output.shape[2] * output.shape[3]
        seen["activations"] += output.shape[1] * height * width
        seen["convs"] += 1

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(watch)
    output = network(torch.rand(1, 3, height, width))
    assert output.shape == (1, 3, height * spec.scale, width * spec.scale)
    found = counts(spec, height, width)
    assert found.params == sum(parameter.numel() for parameter in network.parameters())
    assert found.convs == seen["convs"]
    assert found.activations_m == pytest.approx(seen["activations"] / 1e6)
    if not spec.nla_after:  # attention's convolutions run on the image, its hooks see the padded one only after them
        assert found.macs_g == pytest.approx(seen["macs"] / 1e9)


@settings(max_examples=50, deadline=None)
@given(SPECS)
def test_spec_survives_json_and_its_digest_is_stable(spec: ImdeceptionSpec) -> None:
    again = ImdeceptionSpec.from_json(spec.to_json())
    assert again == spec
    assert again.digest == spec.digest
    assert len(spec.digest) == 12


def test_digests_are_those_of_every_earlier_version() -> None:
    """Studies and caches on disk name networks by these."""
    assert preset("imdeception-c16-nla").digest == "16a87d06dba7"
    assert preset("imdeception-c4").digest == "59989cc791dc"


def test_equal_networks_have_one_digest() -> None:
    assert ImdeceptionSpec(core=4, nla_patch=8).digest == ImdeceptionSpec(core=4).digest  # no attention to be patched
    # 5 and 15 channels share no divisor with 4 groups: every grouped convolution becomes a dense one.
    assert ImdeceptionSpec(core=5, groups=4, head=15).digest == ImdeceptionSpec(core=5, groups=2, head=15).digest
    assert (
        ImdeceptionSpec(core=4, groups=8).digest != ImdeceptionSpec(core=4, groups=4).digest
    )  # the first one reads 64 channels
    assert len({spec.digest for spec in IMDECEPTION.presets.values()}) == len(IMDECEPTION.presets)


def test_another_scale_is_another_network() -> None:
    spec = preset("imdeception-c8")
    assert spec.digest != spec.at_scale(2).digest
    assert spec.at_scale(2).at_scale(4) == spec


def test_group_rule_takes_the_largest_divisor_that_fits() -> None:
    assert usable_groups(8, 36, 48) == 4
    assert usable_groups(8, 48, 48) == 8
    assert usable_groups(4, 64, 63) == 1
    groups = [conv.groups for conv in plan(ImdeceptionSpec(core=12, groups=8)).convs() if conv.kernel == 3]
    assert set(groups) == {1, 4, 8}


def test_uneven_split_keeps_the_chain_connected() -> None:
    spec = ImdeceptionSpec(core=8, split=1.5, gidbs=2)
    assert spec.deep == 12
    assert build(spec)(torch.rand(1, 3, 5, 7)).shape == (1, 3, 20, 28)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (31, 33), (32, 32), (70, 45)])
def test_any_input_size_works(size: tuple[int, int]) -> None:
    network = build(preset("imdeception-c4-nla"), seed=0)
    assert network(torch.rand(1, 3, *size)).shape == (1, 3, size[0] * 4, size[1] * 4)


def test_padding_of_the_attention_leaves_whole_windows_alone() -> None:
    """A window's output does not depend on its neighbours in the attention itself."""
    network = build(preset("imdeception-c4-nla"), seed=0)
    attention = network.nlas[0]
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_(std=0.2)
        x = torch.randn(1, 12, 64, 96)
        whole = attention(x)
        assert torch.allclose(whole[:, :, 32:64, 64:96], attention(x[:, :, 32:64, 64:96]), atol=1e-5)


def test_seeded_networks_are_equal_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second = (build(preset("imdeception-c4"), seed=3).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"cor": 8}, ["unknown key 'cor'", "core"]),
        ({"core": 0}, ["core", "greater than or equal to 1", "0"]),
        ({"core": "8"}, ["core", "integer", "'8'"]),
        ({"core": 5, "split": 1.5}, ["whole number", "5 * 1.5 = 7.5"]),
        ({"nla_after": [6]}, ["nla_after", "1 to 5", "6"]),
        ({"core": 1, "nla_after": [1]}, ["at least 4 deep channels", "3"]),
        ({"nla_after": [1], "nla_patch": 5}, ["nla_patch", "5", "32"]),
        ({"scale": 5}, ["scale", "less than or equal to 4", "5"]),
        ([], ["spec"]),
    ],
)
def test_wrong_spec_is_refused_in_one_line(value: object, words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        ImdeceptionSpec.from_json(value)
    text = str(raised.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_unknown_preset_lists_all_nearest_first() -> None:
    with pytest.raises(UsageError) as raised:
        spec_from("imdecepton-c16")
    known = str(raised.value).split("known: ")[1].split(", ")
    assert known[0] == "imdeception-c16"
    assert sorted(known) == sorted(PRESETS)


def test_preset_is_recognised_under_other_parameters() -> None:
    assert preset_name(ImdeceptionSpec(core=8, nla_window=64)) == "imdeception-c8"
    assert preset_name(ImdeceptionSpec(core=8, groups=2)) is None
