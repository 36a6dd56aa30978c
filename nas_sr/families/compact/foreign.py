"""How compact networks look in checkpoints: Real-ESRGAN's names are ours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nas_sr.families.compact.network import LEAK
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import parameter_differences, shapes
from nas_sr.families.registry import read_spec
from nas_sr.families.state_dict import FoundNetwork, Naming


def spec_of(found: FoundNetwork, beside: Path) -> CompactSpec:
    """From the shapes. That the enlarged image is added, as in the published layout, leaves no trace in the weights;
    a spec.json `beside` the file may say otherwise.
    """
    if beside.is_file():
        spec = read_spec(beside)
        if isinstance(spec, CompactSpec) and not parameter_differences(found.state, shapes(spec.deployed)):
            return spec.deployed
    return _inferred(found.state)


def _inferred(state: Mapping[str, Tensor]) -> CompactSpec:
    last = max(_places(state))
    slopes = torch.cat([state[f"body.{place}.weight"].float() for place in range(1, last, 2)])
    fixed = next((name for name, slope in (("relu", 0.0), ("leaky_relu", LEAK)) if bool((slopes == slope).all())), None)
    return CompactSpec.from_json(
        {
            "scale": math.isqrt(len(state[f"body.{last}.weight"]) // 3),
            "width": len(state["body.0.weight"]),
            "depth": last // 2 - 1,
            "activation": fixed or "prelu",
        }
    )


def _places(state: Mapping[str, Tensor]) -> set[int]:
    matches = (re.fullmatch(r"body\.(\d{1,3})\.(weight|bias)", name) for name in state)
    return {int(match[1]) for match in matches if match}


def _is_chain(state: Mapping[str, Tensor]) -> bool:
    """Whether all of the weights are a chain from 3 channels to 3 * scale^2, with slopes between its convolutions."""
    places = _places(state)
    last = max(places, default=0)
    if last < 2 or last % 2 or places != set(range(last + 1)):
        return False
    shapes_ = {name: tuple(tensor.shape) for name, tensor in state.items()}
    width = shapes_["body.0.weight"][0] if shapes_.get("body.0.weight") else 0
    wanted: dict[str, tuple[int, ...]] = {}
    for place in range(0, last + 1, 2):
        outputs = shapes_.get(f"body.{last}.bias", (0,))[0] if place == last else width
        wanted[f"body.{place}.weight"] = (outputs, 3 if place == 0 else width, 3, 3)
        wanted[f"body.{place}.bias"] = (outputs,)
        if place < last:
            wanted[f"body.{place + 1}.weight"] = (width,)
    outputs = wanted[f"body.{last}.bias"][0]
    return width >= 4 and outputs in (12, 27, 48) and shapes_ == wanted


NAMINGS = (
    Naming(
        "compact",
        re.compile(r"(|.*\.)body\.0\.weight"),
        re.compile(r"body"),
        fits=_is_chain,
    ),
)
