"""A supernet as what the training loop trains: whose loss a step minimises, and which members it is judged by."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from nas_sr.config import Phase, SupernetTraining
from nas_sr.data.pack import Pack
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.registry import parse_spec
from nas_sr.space import Space
from nas_sr.supernet.members import Pool, pool, pool_of
from nas_sr.supernet.stored import save_supernet
from nas_sr.supernet.supernet import Supernet
from nas_sr.train.losses import pixel_loss
from nas_sr.train.session import Subject


def members_of(config: SupernetTraining) -> Pool:
    """The members that a training draws from."""
    if config.members:
        return pool_of([parse_spec(each, "members") for each in config.members])
    return pool(Space.model_validate(config.space), config.training.seed, max_macs_g=config.max_macs_g)


class MemberLosses:
    """The objective of a step: the mean loss of its members, each on its own part of the batch.

    With distillation the costliest member is among them, and learns from the images alone; the others' loss is half of
    that against the images and half of that against what the costliest member makes of the same crops.
    """

    def __init__(self, supernet: Supernet, config: SupernetTraining, members: Pool) -> None:
        self._supernet, self._config, self._members = supernet, config, members

    def __call__(
        self, forward: Callable[..., Tensor], phase: Phase, lr: Tensor, hr: Tensor, step: int, first: int
    ) -> Tensor:
        """See nas_sr.train.losses.Objective."""
        self._give_all_gradients()
        config = self._config
        drawn = self._members.drawn(
            config.training.seed, step, config.members_per_step, config.draw, largest_first=config.distil
        )
        crops = phase.batch // config.members_per_step
        total = torch.zeros((), device=lr.device)
        start = 0
        while start < len(lr):
            index, within = divmod(first + start, crops)
            part = slice(start, min(start + crops - within, len(lr)))
            total = total + self._loss(forward, phase, lr[part], hr[part], drawn[index]) * len(lr[part])
            start = part.stop
        return total / len(lr)

    def _loss(self, forward: Callable[..., Tensor], phase: Phase, lr: Tensor, hr: Tensor, spec: Spec) -> Tensor:
        output = forward(lr, spec).float()
        loss = pixel_loss(phase, output, hr)
        costliest = self._members.specs[-1]
        if not self._config.distil or spec == costliest:
            return loss
        with torch.no_grad():
            taught = forward(lr, costliest).float()
        return (loss + pixel_loss(phase, output, taught)) / 2

    def _give_all_gradients(self) -> None:
        """Every weight has a gradient, if zero, so that all processes of a group add up the same ones."""
        for parameter in self._supernet.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


class SupernetSubject(Subject):
    """A supernet, judged by the mean PSNR of a few members that are spread evenly over cost."""

    def __init__(self, config: SupernetTraining) -> None:
        self.config = config

    @functools.cached_property
    def members(self) -> Pool:
        """What steps draw from."""
        return members_of(self.config)

    def network(self, spec: Spec, weights: dict[str, Tensor]) -> FamilyNetwork:
        """See `Subject`. The objective follows from it."""
        supernet = Supernet(Space.model_validate(self.config.space), self.config.own_groups)
        supernet.load_state_dict(weights)
        self.objective = MemberLosses(supernet, self.config, self.members)
        return supernet

    def psnr_db(self, judged: nn.Module, validation: Pack, give_way: Callable[[], None]) -> dict[str, float]:
        """Of the watched members, with inherited weights, on the crops that a search's candidates are validated on."""
        assert isinstance(judged, Supernet)
        images = bounded(validation, self.config.validation_megapixels)
        return {
            spec.label(): validation_psnr_rgb(judged.extract(spec).eval(), images, give_way)
            for spec in self.members.spread(self.config.watched)
        }

    def save(self, weights: dict[str, Tensor], spec: Spec, path: Path) -> None:
        """As a supernet's file, without what only the end of a training tells."""
        supernet = Supernet(Space.model_validate(self.config.space), self.config.own_groups)
        supernet.load_state_dict(weights)
        save_supernet(supernet, path)
