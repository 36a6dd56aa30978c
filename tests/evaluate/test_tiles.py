"""Tiles give the pixels of the whole image."""

import numpy as np
import pytest
import torch

from nas_sr.arch.network import Network, build
from nas_sr.arch.spec import ArchSpec
from nas_sr.evaluate.metrics import to_uint8
from nas_sr.evaluate.tiles import forward_tiled, halo


def _lively(spec: ArchSpec) -> Network:
    """Weights that make every pixel depend on all it can: the interpolator's start would hide a halo too small."""
    network = build(spec, seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.15, generator=torch.Generator().manual_seed(parameter.numel()))
    return network.eval()


@pytest.mark.parametrize("nla_after", [(), (1,), (1, 2)])
@pytest.mark.parametrize("size", [(70, 131), (97, 64), (33, 200)])
def test_tiles_equal_the_whole(nla_after: tuple[int, ...], size: tuple[int, int]) -> None:
    spec = ArchSpec(core=4, gidbs=3, depth=2, head=8, nla_after=nla_after, scale=2)
    network = _lively(spec)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = network(image)
        tiled = forward_tiled(network, image, tile=32)
    assert torch.allclose(tiled, whole, atol=1e-4, rtol=1e-4)
    # Sums in another order differ in the last bits, which rounding shows where a value lies half-way.
    differing = np.abs(to_uint8(tiled).astype(int) - to_uint8(whole))
    assert differing.max() <= 1
    assert (differing > 0).mean() < 1e-3


def test_halo_is_no_smaller_than_what_a_pixel_depends_on() -> None:
    """Moving one input pixel changes outputs up to the halo and no further."""
    spec = ArchSpec(core=4, gidbs=2, depth=2, head=8, scale=2)
    network = _lively(spec)
    image = torch.rand(1, 3, 41, 41, requires_grad=True)
    network(image)[0, :, 40, 40].sum().backward()
    assert image.grad is not None
    reached = image.grad.abs().sum(dim=1)[0].nonzero()
    assert (reached - 20).abs().max() <= halo(spec)
    assert (reached - 20).abs().max() >= halo(spec) - 1  # and the halo is not wastefully large


def test_halo_is_whole_windows_with_attention() -> None:
    assert halo(ArchSpec(core=16, nla_after=(2, 4))) == 96
    assert halo(ArchSpec(core=16)) == 27


def test_small_images_go_through_whole() -> None:
    network = build(ArchSpec(core=4, gidbs=1), seed=0).eval()
    image = torch.rand(1, 3, 5, 7)
    with torch.inference_mode():
        assert torch.equal(forward_tiled(network, image), network(image))
