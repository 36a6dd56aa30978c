"""Everything a training needs to go on after it was stopped."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from nas_sr.config import Training
from nas_sr.families.network import FamilyNetwork
from nas_sr.train.adam import Adam
from nas_sr.train.execution import Execution
from nas_sr.train.loss_record import LossRecord
from nas_sr.train.losses import Objective, hopeless_loss, pixel_objective


class TrainingState:
    """Network, averaged weights, optimizer, position, losses, and the best weights so far.

    Batches and learning rates are functions of the position, so nothing else is needed to continue exactly.
    """

    def __init__(
        self,
        network: FamilyNetwork,
        training: Training,
        execution: Execution,
        objective: Objective = pixel_objective,
    ) -> None:
        self.training = training
        self.execution = execution
        self.spec = network.spec
        self.network = execution.place(network)
        self.forward = execution.forward(self.network)
        self.objective = objective
        self.micro_batch = training.micro_batch  # halved when memory runs out
        self.position = 0  # steps done, over all phases
        self.start_psnr_db = math.nan
        self.best_psnr_db = -math.inf
        self.best = _copied(self.network)
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
        # Fused: one operation instead of ten for each tensor, 3 to 7 % of a step on the CPU.
        self.optimizer = Adam(self.network.parameters(), betas=(0.9, 0.999), fused=True)
        self.scaler = self.execution.scaler()
        self.losses = LossRecord(hopeless_loss(phase))

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

    def values(self) -> dict[str, Any]:
        """All that changes during a training, as tensors and plain values."""
        return {
            "position": self.position,
            "micro_batch": self.micro_batch,
            "start_psnr_db": self.start_psnr_db,
            "best_psnr_db": self.best_psnr_db,
            "losses": asdict(self.losses),
            "best": self.best,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Continues from the values of another state of the same network, training and precision."""
        self.position = values["position"]
        self.begin_phase()
        self.micro_batch = values["micro_batch"]
        self.start_psnr_db, self.best_psnr_db = values["start_psnr_db"], values["best_psnr_db"]
        # Older checkpoints have only the mean of the first losses.
        self.losses = replace(self.losses, **{"worst_first": values["losses"]["first"], **values["losses"]})
        self.best = {name: tensor.to(self.execution.device) for name, tensor in values["best"].items()}
        self.network.load_state_dict(values["network"])
        if self.averaged is not None:
            self.averaged.load_state_dict(values["averaged"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.scaler.load_state_dict(values["scaler"])


def _copied(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
