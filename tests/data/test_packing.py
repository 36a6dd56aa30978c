"""Packs: what is in them, how they survive kills, company, full disks and limits, and what they refuse."""

import multiprocessing
import os
import random
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_sr.data.images import UnreadableImage
from nas_sr.data.matching import Match
from nas_sr.data.pack import HR, INDEX, LR, Pack
from nas_sr.data.packing import BadImages, How, write_pack
from nas_sr.errors import UsageError, WorkError
from tests.data.pictures import Picture, picture

PICTURES = [picture(f"{number}", 32 + 4 * number, 48) for number in range(12)]


class Broken(NamedTuple):
    """A file that cannot be read now."""

    name: str

    def stamp(self) -> list[Any]:
        return [self.name]

    def hr_pixels(self) -> int:
        return 0

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        raise UnreadableImage(Path(self.name), "cut short or corrupt")


class Fatal(Broken):
    """What ends its process, as the memory's end does."""

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Stop(Exception):
    """A kill, as far as files can tell."""


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def part(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def stopped_after(count: int) -> How:
    def progress(done: int, total: int) -> None:
        if done == count:
            raise Stop

    return How(workers=1, progress=progress)


def test_pack_holds_the_pixels_of_every_image(tmp_path: Path) -> None:
    originals = [picture("a", 32, 48, 2), picture("b", 64, 16, 2)]
    pack = write_pack(originals, 2, 1, tmp_path / "pack").pack
    for index, original in enumerate(originals):
        assert np.array_equal(pack.hr(index), original.hr)
        assert np.array_equal(pack.lr(index), original.lr)
    assert pack.smallest_lr == 8
    with pytest.raises(ValueError, match="read-only"):
        pack.hr(0)[0] = 0


def test_pack_cut_short_or_of_another_version_is_refused(tmp_path: Path) -> None:
    pack = write_pack([picture("a", 64, 96)], 4, 1, tmp_path / "pack").pack
    content = (pack.folder / HR).read_bytes()
    (pack.folder / HR).write_bytes(content[:-1])
    with pytest.raises(UsageError, match="cut short"):
        Pack(pack.folder)
    (pack.folder / HR).write_bytes(content)
    index = (pack.folder / INDEX).read_text()
    (pack.folder / INDEX).write_text(index.replace('"format": 3', '"format": 99'))
    with pytest.raises(UsageError, match="format 99; this version reads 3"):
        Pack(pack.folder)
    (pack.folder / INDEX).write_text(index[:20])
    with pytest.raises(UsageError, match="not a pack"):
        Pack(pack.folder)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_do_not_change_the_pack(tmp_path: Path, workers: int) -> None:
    alone = write_pack(PICTURES, 4, 1, tmp_path / "alone", how=How(workers=1)).pack
    together = write_pack(PICTURES, 4, 1, tmp_path / "together", how=How(workers=workers)).pack
    assert together.digest == alone.digest
    assert files(together.folder) == files(alone.folder)


def test_digest_names_names_order_and_pixels(tmp_path: Path) -> None:
    a, b, c = PICTURES[:3]
    changed_lr = Picture(b.name, b.hr, c.lr[: b.lr.shape[0]])
    variants = [[a, b], [b, a], [a, c], [a, b._replace(name="other")], [a, changed_lr]]
    digests = [write_pack(sources, 4, 1, tmp_path / str(number)).pack.digest for number, sources in enumerate(variants)]
    assert len(set(digests)) == len(variants)


@given(stop=st.integers(1, len(PICTURES)), lost=st.integers(0, 300), garbage=st.integers(0, 5000), data=st.randoms())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_interrupted_packing_ends_as_an_unbroken_one(
    tmp_path_factory: pytest.TempPathFactory, stop: int, lost: int, garbage: int, data: random.Random
) -> None:
    """Whatever a kill leaves: a journal that ends in the middle of a line, pixels that no journal names."""
    folder = tmp_path_factory.mktemp("packs")
    whole = write_pack(PICTURES, 4, 1, folder / "whole").pack
    with pytest.raises(Stop):
        write_pack(PICTURES, 4, 1, folder / "killed", how=stopped_after(stop))
    journal = part(folder / "killed") / "packed.jsonl"
    journal.write_bytes(journal.read_bytes()[: -lost or None])
    known = max(0, journal.read_bytes().count(b"\n") - 1)
    for name in (HR, LR):
        with (part(folder / "killed") / name).open("ab") as file:
            file.write(data.randbytes(garbage))
    packed = write_pack(PICTURES, 4, 1, folder / "killed")
    assert packed.decoded == len(PICTURES) - known
    assert files(packed.pack.folder) == files(whole.folder)
    assert not part(folder / "killed").exists()


def test_pixels_that_never_reached_the_disk_are_packed_again(tmp_path: Path) -> None:
    """The journal says they are there, as it may after a power cut."""
    with pytest.raises(Stop):
        write_pack(PICTURES, 4, 1, tmp_path / "pack", how=stopped_after(8))
    hr = part(tmp_path / "pack") / HR
    hr.write_bytes(hr.read_bytes()[:-5000])
    lr = part(tmp_path / "pack") / LR
    lr.write_bytes(b"\0" * 100 + lr.read_bytes()[100:])
    packed = write_pack(PICTURES, 4, 1, tmp_path / "pack")
    assert packed.decoded == len(PICTURES) - 6  # the last and the first of the eight
    assert packed.pack.digest == write_pack(PICTURES, 4, 1, tmp_path / "whole").pack.digest
    for index, original in enumerate(PICTURES):
        assert np.array_equal(packed.pack.hr(index), original.hr)
        assert np.array_equal(packed.pack.lr(index), original.lr)


def test_bad_images_are_all_named_and_the_others_kept(tmp_path: Path) -> None:
    sources = [PICTURES[0], Broken("1"), *PICTURES[2:5], Broken("5")]
    with pytest.raises(BadImages, match="2 of 6 images cannot be packed; the first: 1: cut short") as raised:
        write_pack(sources, 4, 1, tmp_path / "pack", how=How(leave_out_bad=False))
    assert raised.value.lines == ["1: cut short or corrupt", "5: cut short or corrupt"]
    assert not (tmp_path / "pack").exists()
    mended = [PICTURES[index] for index in range(6)]
    packed = write_pack(mended, 4, 1, tmp_path / "pack", how=How(leave_out_bad=False))
    assert packed.decoded == 2
    assert packed.problems == ()
    assert packed.pack.names == tuple(source.name for source in mended)
    assert packed.pack.digest == write_pack(mended, 4, 1, tmp_path / "whole").pack.digest
    for index, original in enumerate(mended):
        assert np.array_equal(packed.pack.hr(index), original.hr)


def test_picture_that_comes_twice_is_packed_once(tmp_path: Path) -> None:
    sources = [*PICTURES[:3], PICTURES[1]._replace(name="copy"), PICTURES[3]]
    packed = write_pack(sources, 4, 1, tmp_path / "pack")
    assert packed.pack.names == ("0", "1", "2", "3")
    assert packed.problems == ("copy: the same picture as 1",)


def test_worker_that_is_killed_ends_it_with_what_is_done_kept(tmp_path: Path) -> None:
    sources = [*PICTURES[:10], Fatal("fatal"), PICTURES[10]]
    with pytest.raises(WorkError, match=r"killed \(out of memory\?\); run again with fewer --workers"):
        write_pack(sources, 4, 1, tmp_path / "pack", how=How(workers=2))
    packed = write_pack([*PICTURES[:10], PICTURES[10]], 4, 1, tmp_path / "pack")
    assert packed.decoded < 11
    assert len(packed.pack) == 11


class Usage(NamedTuple):
    """Of a disk."""

    free: int


def test_too_small_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(p.hr.nbytes + p.lr.nbytes for p in PICTURES)
    usage = Usage(free=needed + PICTURES[0].hr.nbytes)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(WorkError, match=rf"\({needed * 2} bytes\) are needed and .* \({usage.free} bytes\) are free"):
        write_pack(PICTURES, 4, 1, tmp_path / "pack", next_to_it=PICTURES)
    assert list(tmp_path.iterdir()) == []
    assert len(write_pack(PICTURES, 4, 1, tmp_path / "pack").pack) == len(PICTURES)


def test_disk_that_fills_up_meanwhile_loses_nothing(tmp_path: Path) -> None:
    """Files that may not grow, which a process meets as it meets a full disk: in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = sum(p.hr.nbytes for p in PICTURES[:5]) + 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(WorkError, match="5 images are packed and kept: make room and run again"):
            write_pack(PICTURES, 4, 1, tmp_path / "pack", how=How(workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    packed = write_pack(PICTURES, 4, 1, tmp_path / "pack")
    assert packed.decoded == len(PICTURES) - 5
    assert files(packed.pack.folder) == files(write_pack(PICTURES, 4, 1, tmp_path / "whole").pack.folder)


def test_pack_of_other_images_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    digest = write_pack(PICTURES[:3], 4, 1, folder).pack.digest
    assert write_pack(PICTURES[:3], 4, 1, folder).decoded == 0
    b = PICTURES[1]
    for sources, scale, min_lr, excluded, words in [
        (PICTURES[:2], 4, 1, {}, r"of 3 images, not 2"),
        ([*PICTURES[:2], PICTURES[3]], 4, 1, {}, r"with 2 instead of 3"),
        ([PICTURES[0], b._replace(hr=255 - b.hr), PICTURES[2]], 4, 1, {}, r"1 has changed since"),
        (PICTURES[:3], 2, 1, {}, r"its scale is 4, not 2"),
        (PICTURES[:3], 4, 2, {}, r"its shortest side in LR pixels is 1, not 2"),
        (PICTURES[:3], 4, 1, {"f" * 16: "v"}, r"other validation images are kept out"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            write_pack(sources, scale, min_lr, folder, excluded=excluded)
        assert str(raised.value).endswith("delete it, or choose another place")
    assert Pack(folder).digest == digest


def test_other_things_and_packs_of_another_scale_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "thesis.txt").write_text("not to be lost")
    with pytest.raises(UsageError, match="is there already and is not a pack"):
        write_pack(PICTURES, 4, 1, tmp_path / "pack")
    assert (tmp_path / "pack" / "thesis.txt").read_text() == "not to be lost"
    with pytest.raises(Stop):
        write_pack(PICTURES, 4, 1, tmp_path / "half", how=stopped_after(5))
    with pytest.raises(UsageError, match="unfinished pack of format 3 and scale 4, not 3 and 2; delete it"):
        write_pack(PICTURES, 2, 1, tmp_path / "half")
    assert write_pack(PICTURES, 4, 1, tmp_path / "half").decoded == len(PICTURES) - 5


def test_two_who_pack_the_same_at_once_work_once(tmp_path: Path) -> None:
    waited: list[Path] = []
    release = multiprocessing.Event()

    def slow(done: int, total: int) -> None:
        release.wait(timeout=60)

    def waiting(folder: Path) -> None:
        waited.append(folder)
        release.set()

    with ThreadPoolExecutor(2) as pool:
        how = How(workers=1, progress=slow, waiting=waiting)
        both = [pool.submit(write_pack, PICTURES, 4, 1, tmp_path / "pack", how=how) for _ in range(2)]
        packed = [one.result() for one in both]
    assert sorted(one.decoded for one in packed) == [0, len(PICTURES)]
    assert waited == [part(tmp_path / "pack")]
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert set(files(tmp_path / "pack")) == {INDEX, HR, LR, "origin.json"}
