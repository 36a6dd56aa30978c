"""The start of an untrained network: an interpolator, with a body that learns."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset

SPECS = st.builds(
    ImdeceptionSpec,
    scale=st.sampled_from([2, 3, 4]),
    core=st.sampled_from([4, 8, 12, 24]),
    groups=st.sampled_from([1, 2, 8]),
    gidbs=st.integers(1, 8),
    depth=st.integers(1, 4),
    split=st.sampled_from([1.0, 2.0, 3.0]),
    head=st.sampled_from([3, 32, 64]),
)


def picture() -> Tensor:
    """Smooth, mid-grey, with edges: (1, 3, 48, 48)."""
    rows = torch.linspace(0, 1, 48)
    image = 0.2 + 0.5 * rows[:, None] * rows[None, :] + 0.2 * (rows[:, None] > 0.5)
    return torch.stack([image, image.T, 1 - image])[None]


def contrasts(network: Network) -> list[float]:
    """Spread over pixels, a mean over channels, behind the head and behind each GIDB but the last."""
    found: list[float] = []
    handles = [
        layer.register_forward_hook(lambda layer, seen, output: found.append(output.std(dim=(2, 3)).mean().item()))
        for layer in (network.head, *network.gidbs[:-1])
    ]
    with torch.no_grad():
        network(picture())
    for handle in handles:
        handle.remove()
    return found


@settings(max_examples=15, deadline=None)
@given(spec=SPECS)
def test_every_untrained_network_is_the_same_interpolator(spec: ImdeceptionSpec) -> None:
    with torch.no_grad():
        output = build(spec, seed=0)(picture())
        other = build(ImdeceptionSpec(scale=spec.scale, core=4, head=32), seed=1)(picture())
    torch.testing.assert_close(output, other, atol=1e-5, rtol=0)
    means = nn.functional.avg_pool2d(output, spec.scale)[..., 2:-2, 2:-2]
    assert (means - picture()[..., 2:-2, 2:-2]).abs().mean() < 0.02


@pytest.mark.parametrize("name", sorted(IMDECEPTION.presets))
def test_the_signal_keeps_its_size_down_the_chain_where_torchs_default_loses_it(name: str) -> None:
    spec = preset(name)
    head, *behind = contrasts(build(spec, seed=0))
    assert all(0.4 * head < each < 2.5 * head for each in behind)
    head, *behind = contrasts(Network(spec))
    assert behind[-1] < 0.2 * head


@settings(max_examples=15, deadline=None)
@given(spec=SPECS)
def test_the_body_learns_from_the_first_step(spec: ImdeceptionSpec) -> None:
    """The output convolution's zeros hold the body back for one step only."""
    network = build(spec, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        output = network(picture())
        nn.functional.l1_loss(output, torch.full_like(output, 0.3)).backward()
        optimizer.step()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and (spec.head > 3 or name in ("head", "out")):
            assert layer.weight.grad is not None, name
            assert layer.weight.grad.abs().sum() > 0, name


def test_a_seed_gives_the_same_network_and_leaves_torchs_random_state() -> None:
    before = torch.get_rng_state()
    first, second = build(ImdeceptionSpec(), seed=3), build(ImdeceptionSpec(), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    other = build(ImdeceptionSpec(), seed=4).state_dict()
    assert not torch.equal(first.state_dict()["gidbs.0.fuse.weight"], other["gidbs.0.fuse.weight"])
