"""A supernet's members: every one extracts to a plain network that computes the same."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.sharing import sharing, strided
from nas_sr.space import Space, parse_space, read_space
from nas_sr.supernet.members import cheapest, choices, costliest
from nas_sr.supernet.supernet import Supernet

USERS_SPACES: list[dict[str, Any]] = [
    {
        "parameters": {
            "core": [2, 6, 10],
            "groups": [1, 3, 4],
            "gidbs": {"low": 1, "high": 4},
            "depth": {"low": 1, "high": 3},
            "split": [0.5, 1.5, 2],
            "nla_after": [[], [1], [2, 3]],
            "nla_window": [8, 16],
            "head": [20, 41],
        },
    },
    {
        "scale": 2,
        "family": "compact",
        "parameters": {
            "width": [6, 10, 31],
            "depth": [0, 1, 3, 4],
            "activation": ["prelu", "relu", "leaky_relu"],
            "skip": ["nearest", "none"],
            "branches": ["none", "sum", "expand"],
        },
    },
]
SPACES = [read_space("imdeception_x4"), read_space("compact_x4")] + [
    parse_space(values, Path("my_space.yaml")) for values in USERS_SPACES
]
EACH = pytest.mark.parametrize("space", SPACES, ids=["imdeception_x4", "compact_x4", "imdeception", "compact"])
SMALL = SPACES[2]


def drawn(space: Space, count: int) -> list[Spec]:
    """Random networks of a space, and its largest."""
    choice, found = random.Random(4), {costliest(space).digest: costliest(space)}
    while len(found) < count:
        try:
            spec = space.spec({key: choice.choice(space.values(key)) for key in space.parameters})
        except UsageError:
            continue
        found[spec.digest] = spec
    return list(found.values())


def lively(space: Space, own_groups: bool = False) -> Supernet:
    """Weights of which every one counts; the interpolator's start would hide what is wrong."""
    supernet = Supernet(space, own_groups)
    supernet.initialise(1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.03)
    return supernet


@pytest.mark.parametrize(("space", "count"), [(SPACES[0], 24), (SPACES[1], 40), (SPACES[2], 86), (SPACES[3], 60)])
def test_extracted_network_equals_the_member(space: Space, count: int) -> None:
    supernet, image = lively(space), torch.rand(1, 3, 5, 4)
    outputs = []
    for spec in drawn(space, count):
        network = supernet.extract(spec).eval()
        assert network.spec == spec
        with torch.no_grad():
            member = supernet(image, spec)
            torch.testing.assert_close(network(image), member, atol=1e-5, rtol=0)
        outputs.append(member)
    # They are different networks: no two of them compute the same.
    assert len({tuple(output.flatten()[:20].tolist()) for output in outputs}) == len(outputs)


@EACH
def test_members_start_near_the_interpolator(space: Space) -> None:
    supernet = Supernet(space)
    supernet.initialise(1)
    rows = torch.linspace(0, 1, 24)
    image = (0.2 + 0.5 * rows[:, None] * rows[None, :])[None, None] * torch.tensor([0.6, 1.0, 0.8])[:, None, None]
    bicubic = nn.functional.interpolate(image, scale_factor=space.scale, mode="bicubic")
    inner = slice(2 * space.scale, -2 * space.scale)
    for spec in drawn(space, 8):
        with torch.no_grad():
            assert (supernet(image, spec) - bicubic)[..., inner, inner].abs().max() < 0.02


def test_learning_of_a_member_reaches_others_that_share_its_channels() -> None:
    supernet = lively(SMALL)
    taught, other = (ImdeceptionSpec(core=core, groups=1, gidbs=2, depth=2, split=2, head=20) for core in (10, 2))
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        before = supernet(image, other)
    supernet(image, taught).square().mean().backward()
    with torch.no_grad():
        for parameter in supernet.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
        assert (supernet(image, other) - before).abs().max() > 1e-4


def test_gradients_are_those_of_the_plain_network_at_its_places() -> None:
    supernet, image = lively(SMALL), torch.rand(2, 3, 6, 6)
    spec = ImdeceptionSpec(core=6, groups=4, gidbs=3, depth=2, split=1.5, head=20, nla_after=(2,), nla_window=8)
    supernet(image, spec).square().mean().backward()
    network = supernet.extract(spec)
    network(image).square().mean().backward()
    expected = dict(network.named_parameters())
    for name, part in sharing("imdeception").parts(spec, supernet.extent).items():
        gradient, plain = supernet.shared[part.shared.replace(".", "/")].grad, expected[name].grad
        assert gradient is not None
        assert plain is not None
        torch.testing.assert_close(gradient.norm(), plain.norm() * part.gain, rtol=1e-4, atol=1e-7)
        assert (gradient != 0).sum() <= plain.numel()


def test_own_groups_share_nothing_between_numbers_of_groups() -> None:
    supernet = lively(SMALL, own_groups=True)
    one, four = (ImdeceptionSpec(core=10, groups=groups, gidbs=2, split=2, depth=2, head=20) for groups in (1, 4))
    name = "gidbs.1.gblocks.0.grouped.weight"
    dense, blocks = (supernet.extract(spec).state_dict()[name] for spec in (one, four))
    assert one.digest != four.digest
    assert not torch.allclose(blocks[0], dense[0, : blocks.shape[1]] * 2, atol=1e-3)
    for spec in drawn(SMALL, 10):
        with torch.no_grad():
            torch.testing.assert_close(
                supernet.extract(spec)(torch.ones(1, 3, 6, 6)), supernet(torch.ones(1, 3, 6, 6), spec)
            )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"core": 4}, r"core is 4, outside the supernet's space; allowed: 2, 6, 10"),
        ({"groups": 2}, r"groups is 2, .*allowed: 1, 3, 4"),
        ({"gidbs": 5}, r"gidbs is 5, .*allowed: 1, 2, 3, 4"),
        ({"depth": 4}, r"depth is 4, .*allowed: 1, 2, 3"),
        ({"split": 3.0}, r"split is 3, .*allowed: 0\.5, 1\.5, 2"),
        ({"head": 64}, r"head is 64, .*allowed: 20, 41"),
        ({"nla_after": (3,)}, r"nla_after is \[3\], .*allowed: \[\], \[1\], \[2, 3\]"),
        ({"nla_after": (1,), "nla_patch": 2}, r"nla_patch is 2, .*allowed: 4"),
        ({"scale": 2}, r"scale is 2, .*allowed: 4"),
    ],
)
def test_a_network_outside_the_space_is_refused_by_its_parameter(change: dict[str, Any], said: str) -> None:
    inside = {"core": 6, "groups": 1, "gidbs": 4, "depth": 2, "split": 2.0, "head": 20, "nla_window": 8}
    supernet = lively(SMALL)
    supernet.extract(ImdeceptionSpec(**inside))
    with pytest.raises(UsageError, match=said):
        supernet.extract(ImdeceptionSpec(**{**inside, **change}))


def test_fields_without_effect_are_inside() -> None:
    """The digest names a network: without attention no window is outside."""
    lively(SMALL).extract(ImdeceptionSpec(core=6, groups=1, gidbs=4, depth=2, split=2, head=20, nla_window=64))


def test_attention_that_a_family_drops_is_inside_and_another_family_is_not() -> None:
    supernet = lively(SMALL)
    values = {"core": 6, "groups": 1, "depth": 2, "split": 2.0, "head": 20, "nla_window": 8}
    supernet.extract(ImdeceptionSpec(**values, gidbs=3, nla_after=(2,)))  # of [2, 3], where there are 3 GIDBs
    with pytest.raises(UsageError, match="family is compact, and the supernet's is imdeception"):
        supernet.extract(CompactSpec())


@EACH
def test_the_extremes_bound_what_is_drawn(space: Space) -> None:
    costs = [counts(spec).macs_g for spec in drawn(space, 40)]
    assert counts(cheapest(space)).macs_g <= min(costs)
    assert counts(costliest(space)).macs_g >= max(costs)
    assert set(choices(space)) == set(type(costliest(space)).model_fields) - {"family"}


def test_strided_channels_are_in_the_same_group_at_every_width() -> None:
    for count in range(4, 65, 4):
        places = strided(count, 64).places
        assert len(set(places)) == count
        assert [place * 4 // 64 for place in places] == [index * 4 // count for index in range(count)]
        assert {0, 2, 4} <= set(strided(count, 64, (0, 2, 4)).places)
        assert len(strided(count, 64, (0, 2, 4)).places) == count
