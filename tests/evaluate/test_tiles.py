"""Tiles give the pixels of the whole image, and no more is computed at once than a tile and its halo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.data.images import read_rgb
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.tiles import Tiling, network_tiling
from nas_sr.evaluate.upscalers import Upscaler, network_upscaler
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.weights import load_network

RANDOM = np.random.default_rng(0)


def _lively(spec: ImdeceptionSpec) -> Network:
    """Weights that make every pixel depend on all it can: the interpolator's start would hide a halo too small."""
    network = build(spec, seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.15, generator=torch.Generator().manual_seed(parameter.numel()))
    return network.eval()


def _nearly_equal(tiled: np.ndarray, whole: np.ndarray) -> None:
    """Equal but for sums in another order on some processors, which rounding shows where a value lies half-way."""
    differing = np.abs(tiled.astype(int) - whole)
    assert differing.max() <= 1
    assert (differing > 0).mean() < 1e-3


@pytest.mark.parametrize("nla_after", [(), (1,), (1, 2)])
@pytest.mark.parametrize("size", [(70, 131), (97, 64), (33, 200)])
def test_tiles_equal_the_whole(nla_after: tuple[int, ...], size: tuple[int, int]) -> None:
    network = _lively(ImdeceptionSpec(core=4, gidbs=3, depth=2, head=8, nla_after=nla_after, scale=2))
    image = RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)
    told: list[tuple[int, int]] = []
    tiled = network_upscaler(network, tile=32)(image, lambda done, total: told.append((done, total)))
    assert len(told) > 5
    assert told[-1][0] == told[-1][1] == len(told)
    _nearly_equal(tiled, network_upscaler(network, tile=512)(image))


def test_tiles_equal_the_whole_for_published_weights_and_a_photograph(images: Path, official_weights: Path) -> None:
    network = load_network(official_weights)
    photograph = read_rgb(images / "Set14" / "LRx4" / "img_013.png")
    assert photograph.shape[0] % 32  # odd sizes
    assert photograph.shape[1] % 32
    tiled = network_upscaler(network, tile=64)(photograph)
    _nearly_equal(tiled, network_upscaler(network)(photograph))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([2, 3, 4]), st.sampled_from([np.uint8, np.uint16]))
def test_bicubic_in_tiles_is_bit_exact(height: int, width: int, scale: int, kind: type) -> None:
    image = RANDOM.integers(0, np.iinfo(kind).max + 1, (height, width, 3)).astype(kind)
    whole = bicubic(scale)
    tiled = Upscaler(whole.tiling._replace(side=7), whole.enlarge)
    assert np.array_equal(tiled(image), whole(image))


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([(0, 1), (27, 1), (96, 32), (64, 64)]))
def test_tiles_cover_the_image_once_and_stay_small(height: int, width: int, reach: tuple[int, int]) -> None:
    halo, step = reach
    tiling = Tiling(scale=2, halo=halo, step=step, side=512)
    covered = np.zeros((height, width), np.uint8)
    for inner, outer in tiling.tiles(height, width):
        covered[inner] += 1
        for axis, length in enumerate((height, width)):
            assert inner[axis].start % step == 0
            assert outer[axis].start % step == 0  # attention sees the windows of the whole image
            assert outer[axis].start == max(inner[axis].start - halo, 0)
            assert outer[axis].stop == min(inner[axis].stop + halo, length)
            assert inner[axis].stop - inner[axis].start <= 512
    assert (covered == 1).all()
    if height <= 512 and width <= 512:
        assert len(list(tiling.tiles(height, width))) == 1


def test_no_more_than_a_tile_and_its_halo_is_computed_at_once() -> None:
    computed: list[tuple[int, ...]] = []

    def enlarge(image: np.ndarray) -> np.ndarray:
        computed.append(image.shape)
        return image.repeat(2, axis=0).repeat(2, axis=1)

    image = RANDOM.integers(0, 256, (700, 1100, 3), dtype=np.uint8)
    upscaler = Upscaler(Tiling(scale=2, halo=96, step=32, side=128), enlarge)
    assert np.array_equal(upscaler(image), image.repeat(2, axis=0).repeat(2, axis=1))
    assert len(computed) == 6 * 9
    assert max(max(shape) for shape in computed) <= 128 + 2 * 96


def test_halo_is_no_smaller_than_what_a_pixel_depends_on() -> None:
    """Moving one input pixel changes outputs up to the halo and no further."""
    spec = ImdeceptionSpec(core=4, gidbs=2, depth=2, head=8, scale=2)
    halo = network_tiling(spec).halo
    network = _lively(spec)
    image = torch.rand(1, 3, 41, 41, requires_grad=True)
    network(image)[0, :, 40, 40].sum().backward()
    assert image.grad is not None
    reached = image.grad.abs().sum(dim=1)[0].nonzero()
    assert (reached - 20).abs().max() <= halo
    assert (reached - 20).abs().max() >= halo - 1  # and the halo is not wastefully large


def test_halo_is_whole_windows_with_attention() -> None:
    assert network_tiling(ImdeceptionSpec(core=16, nla_after=(2, 4))).halo == 96
    assert network_tiling(ImdeceptionSpec(core=16)).halo == 27
