"""Which file becomes which, and every mistake found before any work."""

import os
from pathlib import Path

import numpy as np
import pytest

from nas_sr.data.images import write_png
from nas_sr.errors import UsageError
from nas_sr.evaluate.jobs import UpscaleJob, plan_jobs

IMAGE = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "photos/deep/c.png", "one.png"):
        write_png(Path(name), IMAGE)
    for name in ("photos/b.jpg", "photos/d.tif", "photos/.hidden.png", "photos/notes.txt"):
        Path(name).write_bytes(b"")
    return tmp_path


def _planned(*arguments: str, **options: str) -> list[tuple[str, str]]:
    jobs = plan_jobs(arguments[:-1], arguments[-1], **options)  # type: ignore[arg-type]
    return [(str(job.source), str(job.target)) for job in jobs]


@pytest.mark.usefixtures("here")
def test_files_folders_and_patterns() -> None:
    assert _planned("one.png", "large.webp") == [("one.png", "large.webp")]
    assert _planned("one.png", "out") == [("one.png", "out/one.png")]
    assert _planned("one.png", "v1.5/") == [("one.png", "v1.5/one.png")]
    assert _planned("photos", "out") == [
        ("photos/a.png", "out/a.png"),
        ("photos/b.jpg", "out/b.png"),
        ("photos/d.tif", "out/d.png"),
    ]
    assert _planned("photos/*.jpg", "one.png", "out") == [("photos/b.jpg", "out/b.png"), ("one.png", "out/one.png")]
    assert [source for source, _ in _planned("photos/**/*.png", "out")] == ["photos/a.png", "photos/deep/c.png"]
    assert _planned("photos", "photos/a.png", "out") == _planned("photos", "out")  # named twice, done once


@pytest.mark.usefixtures("here")
def test_output_formats() -> None:
    assert [target for _, target in _planned("photos", "out", output_format="webp")] == [
        "out/a.webp",
        "out/b.webp",
        "out/d.webp",
    ]
    assert [target for _, target in _planned("photos", "out", output_format="same")] == [
        "out/a.png",
        "out/b.jpg",
        "out/d.png",
    ]


@pytest.mark.usefixtures("here")
def test_name_with_brackets_is_a_file_before_it_is_a_pattern() -> None:
    write_png(Path("scan[1].png"), IMAGE)
    assert _planned("scan[1].png", "out") == [("scan[1].png", "out/scan[1].png")]


def test_existing_files(here: Path) -> None:
    write_png(here / "out" / "a.png", IMAGE)
    with pytest.raises(UsageError, match=r"out/a\.png would be overwritten; say --overwrite .* --skip-existing"):
        plan_jobs(["photos"], "out")
    assert [target for _, target in _planned("photos", "out", existing="skip")] == ["out/b.png", "out/d.png"]
    assert len(_planned("photos", "out", existing="overwrite")) == 3


def test_mistakes_are_found_before_anything_is_written(here: Path) -> None:
    write_png(here / "twice" / "x.png", IMAGE)
    (here / "twice" / "x.jpg").write_bytes(b"")
    (here / "empty").mkdir()
    before = sorted(here.rglob("*"))
    for sources, target, words in [
        (["none.png"], "out", r"none\.png: no such image or folder"),
        (["none/*.png"], "out", r"none/\*\.png: no image matches; read are png, jpg"),
        (["empty"], "out", "empty: no images; read are png, jpg"),
        (["photos"], "out.png", "several images, a folder or a pattern need a folder"),
        (["one.png", "photos/a.png"], "out.png", "several images, a folder or a pattern need a folder"),
        (["one.png"], "out.gif", "unknown output format 'gif'; known: png, jpg, jpeg, webp; a folder ends with /"),
        (["twice"], "out", r"x\.jpg and twice/x\.png would both become out/x\.png"),
        (["one.png"], "one.png", r"one\.png would replace an image that is read"),
        (["one.png"], "photos/../", "would replace an image that is read"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            plan_jobs(sources, target)
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="unknown output format 'gif'; known: png, jpg, webp, same"):
        plan_jobs(["photos"], "out", "gif")
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_source_is_never_replaced(here: Path, existing: str) -> None:
    for target in ("one.png", "."):
        with pytest.raises(UsageError, match="would replace an image that is read"):
            plan_jobs(["one.png"], target, existing=existing)  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(here: Path) -> None:
    (here / "locked").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot write to locked"):
        plan_jobs(["one.png"], "locked/")


def test_place_that_is_a_file(here: Path) -> None:
    (here / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="cannot write to file"):
        plan_jobs(["one.png"], "file/")
    assert plan_jobs(["one.png"], "new/folder/large.png") == [UpscaleJob(Path("one.png"), Path("new/folder/large.png"))]
