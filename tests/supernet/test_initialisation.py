"""Networks of one seed start from parts of the same random tensors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas_sr.families.base import Spec
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.registry import family
from nas_sr.supernet.initialisation import initial_network

SPECS: list[Spec] = [
    ImdeceptionSpec(core=4, groups=8, gidbs=6, depth=2, split=1, head=48, nla_after=(3,)),
    ImdeceptionSpec(core=12, groups=1, gidbs=3, depth=3, split=2, head=32),
    ImdeceptionSpec(core=24, groups=4, gidbs=8, depth=4, split=3, head=64, nla_after=(2, 4)),
    ImdeceptionSpec(core=24, split=3, head=40, gidbs=2, scale=2),
    ImdeceptionSpec(core=32, split=0.5, head=100, gidbs=9, depth=5, nla_after=(8,)),
    ImdeceptionSpec(core=2, groups=1, gidbs=1, depth=1, split=0.5, head=3, scale=3),
    CompactSpec(width=8, depth=2),
    CompactSpec(width=24, depth=16, activation="relu", skip="none"),
    CompactSpec(width=64, depth=4, activation="leaky_relu", scale=3),
    CompactSpec(width=40, depth=12, branches="sum"),
    CompactSpec(width=16, depth=6, branches="expand", skip="none", scale=2),
    CompactSpec(width=80, depth=20),
    CompactSpec(width=4, depth=0),
]
SOME = pytest.mark.parametrize("spec", SPECS, ids=[f"{spec.family} {spec.label()} x{spec.scale}" for spec in SPECS])


def equal(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@SOME
def test_network_starts_near_the_interpolator(spec: Spec) -> None:
    rows = torch.linspace(0, 1, 40)
    image = (0.2 + 0.5 * rows[:, None] * rows[None, :] + 0.2 * (rows[:, None] > 0.5))[None, None].repeat(1, 3, 1, 1)
    image = image * torch.tensor([0.6, 1.0, 0.8])[:, None, None]
    with torch.no_grad():
        output = initial_network(spec, 5)(image)
        usual = build(spec, seed=0)(image)
    bicubic = nn.functional.interpolate(image, scale_factor=spec.scale, mode="bicubic")
    inner = slice(2 * spec.scale, -2 * spec.scale)
    assert (output - bicubic)[..., inner, inner].abs().mean() < 0.01
    torch.testing.assert_close(output, usual, atol=1e-4, rtol=1e-4)


@SOME
def test_weights_are_of_the_size_that_the_family_starts_with(spec: Spec) -> None:
    """Standard deviations of whole layers, over enough numbers to have one."""
    shared, usual = initial_network(spec, 5).state_dict(), build(spec, seed=0).state_dict()
    assert shared.keys() == usual.keys()
    for name, tensor in shared.items():
        assert tensor.shape == usual[name].shape
        # Branches of the last convolution start at zero here, and there at next to nothing.
        if tensor.numel() > 500 and "nlas" not in name and tensor.any():
            torch.testing.assert_close(tensor.std(), usual[name].std(), rtol=0.15, atol=2e-3, msg=name)


@SOME
def test_a_seed_gives_one_network_whatever_torchs_random_state_is(spec: Spec) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = initial_network(spec, 7)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert equal(initial_network(spec, 7), first)
    assert not equal(initial_network(spec, 8), first)
    assert all(parameter.requires_grad for parameter in first.parameters())


def test_common_channels_start_equal() -> None:
    """Channel j of 8 is channel 2j of 16, in rows and columns, at the factor of the fan-in."""
    small = initial_network(ImdeceptionSpec(core=6, groups=1, head=32, gidbs=3, depth=2), 1).state_dict()
    large = initial_network(ImdeceptionSpec(core=12, groups=1, head=64, gidbs=6, depth=4), 1).state_dict()
    # Outputs of a Gblock: 6 or 12 shallow channels, then 18 or 36 deep ones; only the last passes none on.
    name = "gidbs.1.gblocks.0.grouped.weight"
    torch.testing.assert_close(small[name], large[name][::2, ::2] * 2**0.5)
    torch.testing.assert_close(small["tail_expand.weight"], large["tail_expand.weight"][::2, ::2] * 2**0.5)
    torch.testing.assert_close(small["head.weight"][3:], large["head.weight"][::2][3:])
    last = small["gidbs.1.gblocks.1.mix.weight"]
    torch.testing.assert_close(last, large["gidbs.1.gblocks.1.mix.weight"][:12:2, :12:2] * (48 / 6) ** 0.5)


def test_a_grouped_convolution_starts_as_the_blocks_of_the_dense_one() -> None:
    dense = initial_network(ImdeceptionSpec(groups=1), 1).state_dict()["gidbs.2.gblocks.1.grouped.weight"]
    grouped = initial_network(ImdeceptionSpec(groups=4), 1).state_dict()["gidbs.2.gblocks.1.grouped.weight"]
    for group in range(4):
        rows, columns = slice(16 * group, 16 * group + 16), slice(12 * group, 12 * group + 12)
        torch.testing.assert_close(grouped[rows], dense[rows, columns] * 2)


def test_a_networks_other_layers_do_not_decide_how_one_starts() -> None:
    with_attention, without = (
        initial_network(ImdeceptionSpec(core=8, nla_after=placement), 1).state_dict() for placement in ((2,), ())
    )
    assert all(torch.equal(with_attention[name], without[name]) for name in without)


def test_equal_digests_start_equal() -> None:
    one, other = (ImdeceptionSpec(core=3, split=1, groups=groups) for groups in (2, 4))
    assert one.digest == other.digest
    assert equal(initial_network(one, 1), initial_network(other, 1))


@pytest.mark.parametrize("name", ["imdeception", "compact"])
def test_layers_are_independent(name: str) -> None:
    """No number is drawn twice."""
    network = initial_network(next(iter(family(name).presets.values())), 1)
    tensors: list[Tensor] = [value for key, value in network.state_dict().items() if key.endswith(".bias")]
    values = torch.cat([tensor[tensor != 0] for tensor in tensors])
    assert len(values.unique()) == len(values)
