"""Batches: aligned, reproducible, and cut from the whole of every image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_sr.data.batches import Batches
from nas_sr.data.pack import Pack
from nas_sr.data.packing import write_pack
from nas_sr.data.resident import ResidentPixels, resident_pixels
from nas_sr.errors import UsageError
from tests.data.pictures import Picture

SCALE = 4


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Every HR pixel says where it is; every LR pixel says where its HR block begins."""
    sources = []
    for number, (height, width) in enumerate([(12, 20), (30, 10)]):
        rows, columns = np.mgrid[: height * SCALE, : width * SCALE]
        hr = np.stack([rows % 256, columns % 256, np.full_like(rows, number)], axis=2).astype(np.uint8)
        sources.append(Picture(str(number), hr, np.ascontiguousarray(hr[::SCALE, ::SCALE])))
    return write_pack(sources, SCALE, 1, tmp_path / "pack").pack


def test_step_decides_the_batch(pack: Pack) -> None:
    batches = Batches(pack, 8, 4, seed=5)
    for step in (0, 3, 1000):
        again = Batches(pack, 8, 4, seed=5)
        assert all(torch.equal(a, b) for a, b in zip(batches.at(step), again.at(step), strict=True))
    assert not torch.equal(batches.at(0)[0], batches.at(1)[0])
    assert not torch.equal(batches.at(0)[0], Batches(pack, 8, 4, seed=6).at(0)[0])


def test_hr_crop_is_that_of_its_lr_crop(pack: Pack) -> None:
    lr, hr = (batch.mul(255).round().long() for batch in Batches(pack, 8, 64, seed=0).at(0))
    assert lr.shape == (64, 3, 8, 8)
    assert hr.shape == (64, 3, 32, 32)
    for small, large in zip(lr, hr, strict=True):
        blocks = large.reshape(3, 8, SCALE, 8, SCALE).amin(dim=(2, 4))  # each block's first row and column
        assert torch.equal(blocks, small)


def test_every_image_and_place_is_reached(pack: Pack) -> None:
    seen: dict[int, set[tuple[int, int]]] = {0: set(), 1: set()}
    batches = Batches(pack, 8, 64, seed=1)
    for step in range(40):
        lr = batches.at(step)[0].mul(255).round().long()
        for crop in lr:
            seen[int(crop[2, 0, 0])].add((int(crop[0].min()) // SCALE, int(crop[1].min()) // SCALE))
    assert len(seen[0]) == (12 - 7) * (20 - 7)
    assert len(seen[1]) == (30 - 7) * (10 - 7)


def test_all_eight_symmetries_occur(pack: Pack) -> None:
    batches = Batches(pack, 8, 64, seed=2)
    corners = {
        (
            int(crop[0, 0, 0] > crop[0, -1, -1]),
            int(crop[1, 0, 0] > crop[1, -1, -1]),
            int(crop[0, 0, 0] == crop[0, 0, -1]),
        )
        for step in range(4)
        for crop in batches.at(step)[0]
    }
    assert len(corners) == 8


def test_crop_larger_than_an_image_is_refused(pack: Pack) -> None:
    with pytest.raises(UsageError, match="crops of 11 LR pixels do not fit an image of 10"):
        Batches(pack, 11, 4, seed=0)


@given(crop=st.integers(1, 10), batch=st.integers(1, 9), seed=st.integers(0, 2**32), step=st.integers(0, 2**40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_crops_cut_on_a_device_are_those_of_the_files(pack: Pack, crop: int, batch: int, seed: int, step: int) -> None:
    resident = ResidentPixels(pack, "cpu")
    mapped, cut = Batches(pack, crop, batch, seed).at(step), Batches(pack, crop, batch, seed, resident).at(step)
    for ours, theirs in zip(cut, mapped, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


def test_crops_are_cut_on_the_device_where_that_is_possible_and_pays(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule, on a machine without a GPU: what memory it has is said by the test, and the copy goes to the CPU."""
    monkeypatch.setattr("nas_sr.data.resident.ResidentPixels", lambda pack, device: device)
    for free, crop_bytes, expected in [
        (pack.size * 2, pack.size + 1, "cuda"),
        (pack.size * 2, pack.size, None),  # a training so brief that copying would take longer
        (pack.size * 1.6, pack.size + 1, None),  # 60 % of what is free
    ]:
        monkeypatch.setattr("nas_sr.data.resident._free", lambda device, free=free: free)
        assert resident_pixels(pack, "cuda", "auto", crop_bytes) == expected
    assert resident_pixels(pack, "cpu", "auto", pack.size + 1) is None
    assert resident_pixels(pack, "cuda", "memory_map", pack.size + 1) is None
    assert resident_pixels(pack, "cpu", "device", 0) == "cpu"
