"""Where the time of a training step goes, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from nas_sr.data.batches import Batches

# The first beginning that fits the name of an outermost operation decides.
PARTS = (
    ("input", ("input", "enumerate(DataLoader)")),
    ("convolutions, forward", ("aten::conv2d",)),
    ("convolutions, backward", ("autograd::engine::evaluate_function: Convolution",)),
    ("the rest, backward", ("autograd::",)),
    ("gradient norm and its limit", ("clip",)),
    ("Adam", ("Optimizer",)),
    ("the rest, forward", ("aten::",)),
)
BETWEEN = "Python between the operations"


def step_profile(take: Callable[[], int]) -> dict[str, float]:
    """Milliseconds of each part of a step on the CPU; `take` takes some steps and returns how many.

    Every operation takes some microseconds longer while it is watched, so small networks' parts come out too long.
    """
    # What is not an operation of torch's gets a name here.
    with (
        patch.object(Batches, "at", _named("input", Batches.at)),
        patch.object(torch.nn.utils, "clip_grad_norm_", _named("clip", torch.nn.utils.clip_grad_norm_)),
        profile(activities=[ProfilerActivity.CPU]) as watched,
    ):
        start = time.perf_counter()
        count = take()
        wall_us = (time.perf_counter() - start) * 1e6
    parts_us = dict.fromkeys([name for name, _ in PARTS], 0.0)
    for event in watched.events():
        if event.cpu_parent is None:
            part = next((name for name, beginnings in PARTS if event.name.startswith(beginnings)), None)
            if part:
                parts_us[part] += event.cpu_time_total
    parts_us[BETWEEN] = wall_us - sum(parts_us.values())
    return {name: us / count / 1e3 for name, us in parts_us.items()}


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def named(*arguments: Any, **options: Any) -> Any:
        with record_function(name):
            return function(*arguments, **options)

    return named
