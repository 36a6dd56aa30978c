"""Bundles of the smallest networks, whose weights are unlike any start's; their figures are made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nas_sr.config import FullTraining, StudyConfig
from nas_sr.export.bundle import Written, write_bundle
from nas_sr.export.formats import wanted
from nas_sr.families.base import Spec
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import FamilyNetwork, build
from nas_sr.families.weights import save_weights
from tests.report.study_records import measurement, study, trial

COMPACT = CompactSpec(width=8, depth=1)
WITHOUT_SKIP = CompactSpec(width=8, depth=1, skip="none", scale=2)
PLAIN = ImdeceptionSpec(core=4, groups=2, gidbs=2, depth=1, head=8)
ATTENTION = PLAIN.model_copy(update={"nla_after": (1,), "nla_window": 16})
SIZE = (24, 40)


def trained(spec: Spec) -> FamilyNetwork:
    """A network with random weights in every layer."""
    network, generator = build(spec, seed=0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def write_small(
    folder: Path, spec: Spec, asked: Sequence[str] = (), target: dict[str, Any] | None = None, **more: Any
) -> Written:
    """A bundle of a study with this one network, for a small input."""
    latency = measurement(10.0, lr_height=SIZE[0], lr_width=SIZE[1])
    record = study([trial(0, latency=latency).model_copy(update={"spec": spec})])
    profile = {"lr_height": SIZE[0], "lr_width": SIZE[1], **(target or {})}
    record = record.model_copy(update={"study_dir": str(folder.with_name(f"{folder.name}-study")), "profile": profile})
    weights = record.weights(record.trials[0])
    weights.parent.mkdir(parents=True)
    save_weights(trained(spec).state_dict(), spec, weights)
    training = FullTraining(training=StudyConfig().training)
    return write_bundle(record, record.trials[0], training, folder, asked=wanted(asked), **more)
