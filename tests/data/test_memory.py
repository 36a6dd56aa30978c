"""A pack far larger than what a process may hold: neither packing nor serving crops loads it whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_sr.data.matching import Match
from nas_sr.data.packing import How, write_pack

BIG = (1356, 2040)  # DIV2K's size
COUNT = 40


class Generated(NamedTuple):
    """An image of DIV2K's size that takes no time to make; its process leaves its peak memory in `notes`."""

    name: str
    notes: str

    def stamp(self) -> list[Any]:
        return [self.name]

    def hr_pixels(self) -> int:
        return BIG[0] * BIG[1]

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        lr = np.full((BIG[0] // scale, BIG[1] // scale, 3), int(self.name), np.uint8)
        hr = np.full((*BIG, 3), int(self.name), np.uint8)
        (Path(self.notes) / f"{os.getpid()}").write_text(str(_memory()["VmHWM"]))
        return lr, hr, None


def _memory() -> dict[str, int]:
    """This process's memory, bytes: VmHWM (peak), RssAnon (its own, not the page cache's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {
        key: int(value.split()[0]) * 1024 for key, _, value in (line.partition(":") for line in lines) if "kB" in value
    }


def pack_and_serve(place: str) -> None:
    """Run by the test in a fresh process: packs, cuts crops, and prints the peaks."""
    folder = Path(place)
    notes = folder / "notes"
    notes.mkdir()
    sources = [Generated(str(number), str(notes)) for number in range(COUNT)]
    before = _memory()["VmHWM"]
    pack = write_pack(sources, 4, 24, folder / "pack", how=How(workers=2)).pack
    packing = _memory()["VmHWM"] - before
    from nas_sr.data.batches import Batches

    batches, before = Batches(pack, 48, 8, seed=0), _memory()["VmHWM"]
    own_before = _memory()["RssAnon"]
    values = {int(value) for step in range(3) for value in (batches.at(step)[0] * 255).unique()}
    peaks = {
        "pack": pack.size,
        "packing": packing,
        "workers": [int(path.read_text()) for path in notes.iterdir()],
        "serving": _memory()["VmHWM"] - before,
        "serving_own": _memory()["RssAnon"] - own_before,
        "images_seen": len(values),
    }
    print(json.dumps(peaks))


def test_pack_is_never_in_memory_whole(tmp_path: Path) -> None:
    code = "import sys; from tests.data.test_memory import pack_and_serve; pack_and_serve(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peaks = json.loads(done.stdout)
    image = BIG[0] * BIG[1] * 3
    assert peaks["pack"] > 350e6
    assert peaks["images_seen"] > COUNT / 4
    assert peaks["packing"] < 12 * image  # two workers' results, two ahead for each
    assert max(peaks["workers"]) < 250e6
    assert peaks["serving"] < peaks["pack"] / 3  # of the page cache, which the system takes back when it must
    assert peaks["serving_own"] < 5 * image
