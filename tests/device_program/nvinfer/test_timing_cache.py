from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.device_program.nvinfer.timing_cache import cache_file, facts, read, write


def test_one_file_for_each_gpu_and_version():
    assert cache_file("", "NVIDIA GeForce RTX 2080", "7.5", "8.6.1") is None
    path = cache_file("/c", "NVIDIA GeForce RTX 2080", "7.5", "8.6.1")
    assert path == Path("/c/nvidia-geforce-rtx-2080-cc7.5-tensorrt-8.6.1.timing")
    others = {
        cache_file("/c", gpu, capability, version)
        for gpu in ("RTX 2080", "RTX 2080 Super")
        for capability in ("7.5", "8.6")
        for version in ("8.6.1", "10.3.0")
    }
    assert len(others) == 8
    assert cache_file("/c", "../../etc/x", "7.5", "8.6.1").parent == Path("/c")


def test_missing_file_is_an_empty_cache(tmp_path):
    assert read(tmp_path / "none.timing") == (b"", None)


@given(content=st.binary(max_size=300))
def test_what_was_written_is_read(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("caches") / "new folder" / "a.timing"
    write(path, content)
    assert read(path) == (content, None)
    assert [each.name for each in path.parent.iterdir()] == ["a.timing"]


@given(data=st.data())
def test_any_changed_byte_and_any_missing_end_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("caches") / "a.timing"
    write(path, data.draw(st.binary(min_size=1, max_size=100)))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    content, ignored = read(path)
    assert content == b""
    assert ignored.startswith("corrupt")


def test_facts_name_what_was_used_and_left():
    digest = hashlib.sha256(b"cache").hexdigest()
    assert facts(b"", b"cache", None, True) == {"used": None, "left": digest, "ignored": None, "fresh": True}
    assert facts(b"cache", b"", "why", False)["used"] == digest


def test_folder_that_cannot_be_written_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "a.timing", b"x")
