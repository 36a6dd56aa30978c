"""How fast images of DIV2K's size are packed, with one worker and with more, and how fast crops come from the pack.

    python tests/benchmarks/packing.py PHOTOS [--images 24] [--workers 1 2]

Photographs are enlarged to 2040x1356 PNGs in a temporary folder, with and without LR images, and packed by
`nas-sr data prepare`'s code. Then batches are cut from the pack: 8 crops of 192x192 and of 512x512 HR pixels, from the
memory-mapped files and from tensors on the device that training would use.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2

from nas_sr.data.images import is_image, read_rgb, write_png
from nas_sr.data.pack import Pack
from nas_sr.data.packing import How
from nas_sr.data.prepare import prepare
from nas_sr.data.resize import downscale

WIDTH, HEIGHT, SCALE = 2040, 1356, 4
BATCH, BATCHES = 8, 100


def enlarged(photos: Path, folder: Path, images: int) -> None:
    """DIV2K's layout from photographs of any size."""
    files = sorted(path for path in photos.iterdir() if is_image(path))
    for number in range(images):
        hr = cv2.resize(read_rgb(files[number % len(files)]), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        hr = hr[:, :: -1 if number // len(files) % 2 else 1]
        write_png(folder / "DIV2K_train_HR" / f"{number:04}.png", hr)
        write_png(folder / "DIV2K_train_LR_bicubic" / f"X{SCALE}" / f"{number:04}x{SCALE}.png", downscale(hr, SCALE))


def _cpu_s() -> float:
    """CPU time of this process and of workers that have ended: what a busy machine does not stretch."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Prints one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        enlarged(arguments.photos, folder / "DIV2K", arguments.images)
        (folder / "alone").mkdir()
        (folder / "alone" / "HR").symlink_to(folder / "DIV2K" / "DIV2K_train_HR")
        for workers in arguments.workers:
            for source, what in (("DIV2K", "LR compared"), ("alone", "LR made")):
                start, busy = time.perf_counter(), _cpu_s()
                made = prepare([folder / source], folder / f"{source}-{workers}", SCALE, val=0, how=How(workers))
                seconds, busy, images = time.perf_counter() - start, _cpu_s() - busy, len(made.train.pack)
                print(
                    f"{images} images, {workers} workers, {what}: {images / seconds:.2f} images/s,"
                    f" {busy / images * 1e3:.0f} ms of CPU an image, digest {made.train.pack.digest}",
                    flush=True,
                )
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"peak memory: {own:.2f} GB here, {children:.2f} GB in the largest worker")
        crops(Pack(made.train.pack.folder))


def crops(pack: Pack) -> None:
    """Crops a second from a pack, which the page cache holds by now."""
    # Not above: workers import this file too, and would wait for torch.
    from nas_sr.data.batches import Batches
    from nas_sr.data.resident import ResidentPixels
    from nas_sr.train.execution import default_device

    device = default_device()
    for crop_lr in (48, 128):
        for where, resident in (("memory-mapped files", None), (f"tensors on {device}", ResidentPixels(pack, device))):
            batches = Batches(pack, crop_lr, BATCH, 0, resident)
            batches.at(0)
            start = time.perf_counter()
            for step in range(BATCHES):
                lr = batches.at(step)[0]
            lr.sum().item()  # waits for a GPU
            seconds = time.perf_counter() - start
            print(
                f"crops of {crop_lr * SCALE} HR pixels from {where}: {BATCHES * BATCH / seconds:.0f} crops/s,"
                f" {seconds / BATCHES * 1e3:.2f} ms for a batch of {BATCH}"
            )


if __name__ == "__main__":
    main()
