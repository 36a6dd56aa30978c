"""The file that keeps how long kernels took, so that the next similar network is built several times faster.

TensorRT's own check of a cache covers its version and GPU, not its bytes: the file begins with their digest.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

_DIGEST_BYTES = 32


def cache_file(folder: str, gpu: str, compute_capability: str, version: str) -> Path | None:
    """One file for each GPU and version; None where no folder is given."""
    if not folder:
        return None
    name = "{}-cc{}-tensorrt-{}.timing".format(gpu, compute_capability, version)
    return Path(folder) / re.sub(r"[^A-Za-z0-9.]+", "-", name).lower()


def read(path: Path) -> tuple[bytes, str | None]:
    """The cache's bytes (none, where there is no file) and, of one that is corrupt and ignored, what is wrong."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b"", None
    stored, cache = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(cache).digest() != stored:
        return b"", "corrupt: its digest is not that of its {} bytes".format(len(cache))
    return cache, None


def write(path: Path, cache: bytes) -> None:
    """Leaves the cache there whole; whoever reads at this moment has the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("{}.{}.part".format(path.name, os.getpid()))
    temporary.write_bytes(hashlib.sha256(cache).digest() + cache)
    os.replace(str(temporary), str(path))


def facts(used: bytes, left: bytes, ignored: str | None, fresh: bool) -> dict[str, str | bool | None]:
    """For the record: sha256 of the cache that a build used and of what it left, why one was ignored, and whether the
    build was to start from an empty one."""
    digests = {
        name: hashlib.sha256(cache).hexdigest() if cache else None for name, cache in (("used", used), ("left", left))
    }
    return {**digests, "ignored": ignored, "fresh": fresh}
