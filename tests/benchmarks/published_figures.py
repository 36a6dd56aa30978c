"""The figures of the published weights (core=16 with attention, x4), and bicubic's, on every image set at hand.

    python -m tests.benchmarks.published_figures [--shared ../shared]

Set5, Set14, BSD100 and Kodak24 with 143 images take about 2 minutes on one core. Urban100, Manga109 and DIV2K are
included where their folders lie beside the others. The test suite checks Set5, Set14 and the first images of BSD100.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nas_sr.evaluate.model_comparison import compare
from nas_sr.evaluate.upscalers import network_upscaler
from nas_sr.families.weights import load_network

SETS = ("Set5", "Set14", "BSD100", "Urban100", "Manga109", "Kodak24", "DIV2K")
PAPER_PSNR_Y_DB = {"Set5": 32.14, "Set14": 28.64, "BSD100": 27.60, "Urban100": 26.20, "Manga109": 30.67}
PAPER_PSNR_RGB_DB = {"DIV2K": 29.02}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[3] / "shared")
    shared = parser.parse_args().shared
    upscaler = network_upscaler(load_network(shared / "weights" / "imdeception_core16_nla_x4_official.pth"))
    folders = [shared / "data" / name for name in SETS if (shared / "data" / name).is_dir()]
    for rounded in (False, True):
        comparison = compare({"imdeception-c16-nla": upscaler}, folders, rounded_y=rounded)
        print(comparison.to_text(), end="\n\n", flush=True)
    for name in (folder.name for folder in folders):
        if name in PAPER_PSNR_Y_DB:
            print(f"{name}: {PAPER_PSNR_Y_DB[name]} dB on Y in the paper")
        if name in PAPER_PSNR_RGB_DB:
            print(f"{name}: {PAPER_PSNR_RGB_DB[name]} dB on RGB in the paper")


if __name__ == "__main__":
    main()
