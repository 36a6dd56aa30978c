"""Which start of the output convolution's other weights gives the best networks after brief training.

    python tests/benchmarks/interpolator_start.py TRAINING_IMAGES VALIDATION_IMAGES [PRESET ...]

Each network is trained by the default recipe (300 steps) from starts whose other weights are a tenth, a thirtieth, or
none of torch's default; two seeds. RGB PSNR before and after.
"""

from __future__ import annotations

import sys

from nas_sr import shipped
from nas_sr.arch.network import Network, build
from nas_sr.arch.presets import preset
from nas_sr.config import StudyConfig, read_yaml
from nas_sr.data.image_sets import image_sets
from nas_sr.evaluate.evaluate import validation_psnr_rgb
from nas_sr.train.execution import Execution
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState

SHARES = (0.1, 0.03, 0.0)
SEEDS = (0, 1)


def main(data: str, val: str, presets: list[str]) -> None:
    training = read_yaml(shipped.find("studies", "default"), StudyConfig).training
    sets = image_sets(data, val, 4, training.phases[0].crop_lr)
    print(f"{sets.description}\n{'preset':<22}{'share':>6}{'seed':>6}{'start':>9}{'after':>9}")
    for name in presets:
        for share in SHARES:
            for seed in SEEDS:
                network = build(preset(name), seed)
                default = Network(network.spec).out.weight.data
                network.out.weight.data[:, 3:] = share * default[:, 3:]
                before = validation_psnr_rgb(network, sets.val)
                state = TrainingState(
                    network, training.model_copy(update={"seed": seed}), Execution(memory_format="channels_last")
                )
                for _ in train(state, sets.train, lambda judged: validation_psnr_rgb(judged, sets.val)):
                    pass
                print(f"{name:<22}{share:>6}{seed:>6}{before:>9.3f}{state.best_psnr_db:>9.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:] or ["imdeception-c8", "imdeception-c16"])
