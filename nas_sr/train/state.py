"""Everything a training needs to go on after it was stopped."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_sr.arch.network import Network
from nas_sr.config import Training, flat
from nas_sr.errors import UsageError
from nas_sr.files import replacing
from nas_sr.train.execution import Execution


class TrainingState:
    """Network, averaged weights, optimizer, position, and the best weights so far.

    Batches and learning rates are functions of the position, so nothing else is needed to continue exactly.
    """

    def __init__(self, network: Network, training: Training, execution: Execution) -> None:
        self.training = training
        self.execution = execution
        self.spec = network.spec
        self.network = execution.place(network)
        self.position = 0  # steps done, over all phases
        self.best_psnr_db = -math.inf
        self.best = _copied(self.network)
        self.first_loss = math.nan
        self.crops_cut_on = ""  # what the loop decided: a device, or the pack's files
        self.begin_phase()

    @property
    def phase(self) -> int:
        """Index of the phase that holds the next step; the number of phases when all are done."""
        return self._located()[0]

    @property
    def step(self) -> int:
        """Steps done in that phase."""
        return self._located()[1]

    def _located(self) -> tuple[int, int]:
        left = self.position
        for index, phase in enumerate(self.training.phases):
            if left < phase.steps:
                return index, left
            left -= phase.steps
        return len(self.training.phases), 0

    def begin_phase(self) -> None:
        """A fresh optimizer and fresh averaged weights, from the best weights so far."""
        self.network.load_state_dict(self.best)
        phase = self.training.phases[min(self.phase, len(self.training.phases) - 1)]
        self.averaged = copy.deepcopy(self.network).requires_grad_(False) if phase.ema else None
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.999))

    @property
    def judged(self) -> nn.Module:
        """The network that validation looks at: the averaged one where there is one."""
        return self.averaged if self.averaged is not None else self.network

    def keep_if_best(self, psnr_db: float) -> bool:
        """Remembers the judged weights if none were better."""
        if not psnr_db > self.best_psnr_db:  # NaN is never the best
            return False
        self.best_psnr_db = psnr_db
        self.best = _copied(self.judged)
        return True

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all."""
        values = {
            "training": self.training.model_dump_json(),
            "execution": self.execution.model_dump_json(),
            "spec": self.spec.model_dump_json(),
            "position": self.position,
            "best_psnr_db": self.best_psnr_db,
            "first_loss": self.first_loss,
            "best": self.best,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(path) as temporary:
            torch.save(values, temporary)

    def restore(self, path: Path) -> None:
        """Continues from a checkpoint of the same network and training.

        Raises:
            UsageError: not a checkpoint, or one of another network or training.
        """
        values = _read_checkpoint(path)
        if values["spec"] != self.spec.model_dump_json():
            raise UsageError(f"{path}: checkpoint of another network; expected {self.spec.label()}")
        if values["training"] != self.training.model_dump_json():
            saved = Training.model_validate_json(values["training"])
            raise UsageError(f"{path}: {_difference(saved, self.training)}; resume with the same config, or start anew")
        self.position = int(values["position"])
        self.begin_phase()
        self.network.load_state_dict(values["network"])
        if self.averaged is not None:
            self.averaged.load_state_dict(values["averaged"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.best = values["best"]
        self.best_psnr_db = float(values["best_psnr_db"])
        self.first_loss = float(values["first_loss"])


def saved_run(path: Path) -> tuple[Training, Execution]:
    """The config inside a checkpoint, and how its steps ran: resuming must not choose another way.

    Raises:
        UsageError: not a checkpoint.
    """
    values = _read_checkpoint(path)
    return Training.model_validate_json(values["training"]), Execution.model_validate_json(values["execution"])


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(values, dict) or "position" not in values:
            raise ValueError("not written by nas-sr train")
    except Exception as error:  # a broken file fails in many ways inside torch: zip, pickle, key, type
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError(f"{path}: not a usable checkpoint: {reason}") from None
    return values


def _difference(saved: Training, wanted: Training) -> str:
    """The first differing value of two training configs, by its dotted name."""
    before, after = flat(saved.model_dump()), flat(wanted.model_dump())
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            return f"the checkpoint has {key} = {before.get(key)}, the config {after.get(key)}"
    return "the checkpoint's config differs"


def _copied(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
