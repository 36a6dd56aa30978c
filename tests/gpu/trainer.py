"""A training that never ends and steps aside for measurements: `python -m tests.gpu.trainer DEVICE LOG`.

Every line of the log is "begin T" or "end T" of a step, by the machine's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from nas_sr.config import Phase, Training
from nas_sr.families.network import build
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.train.events import Stepped
from nas_sr.train.execution import Execution
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState
from tests.train.quick import SPEC, demonstration


def train_for_ever(device: str, log: Path) -> None:
    """Trains the product's way, and steps aside the product's way."""
    torch.set_num_threads(1)
    training = Training(phases=(Phase(steps=10**7, batch=4, crop_lr=16, validate_every=10**7),))
    images = demonstration().train
    with log.open("a", buffering=1) as file, SharedDevice("cpu", device) as shared:
        state = TrainingState(build(SPEC, 0), training, Execution(device=device))

        def between_steps() -> None:
            shared.step_boundary()
            file.write(f"begin {time.monotonic()}\n")

        for _ in train(
            state,
            images,
            lambda network: 25.0,
            between_steps,
            on_event=lambda event: file.write(f"end {time.monotonic()}\n") if isinstance(event, Stepped) else None,
        ):
            pass


if __name__ == "__main__":
    train_for_ever(sys.argv[1], Path(sys.argv[2]))
