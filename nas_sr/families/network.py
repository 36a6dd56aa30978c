"""A family's network in PyTorch: what training, export and upscaling ask of it."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nas_sr.families.base import ConvPlan, Spec


class FamilyNetwork(nn.Module):
    """RGB in [0, 1], (n, 3, h, w) -> (n, 3, scale * h, scale * w), not clamped, for any h and w.

    A family's `network.py` defines `Network`, which is one, made from a spec alone.
    """

    spec: Spec

    @abstractmethod
    def initialise(self) -> None:
        """Gives every layer new weights, from torch's random state, such that the network starts as an interpolator."""

    def deployed(self) -> FamilyNetwork:
        """The network that leaves for a device: computes the same (to 1e-5), of the spec `spec.deployed`.

        Where training needs no more than that, itself.
        """
        return self

    def load_deployed(self, state: Mapping[str, Tensor]) -> Self:
        """Takes over the weights of `deployed()`, so that it computes what they compute."""
        self.load_state_dict(dict(state))
        return self


def empty(spec: Spec) -> FamilyNetwork:
    """A network as PyTorch makes its layers."""
    module = importlib.import_module(f"nas_sr.families.{spec.family}.network")
    network: FamilyNetwork = module.Network(spec)
    return network


def build(spec: Spec, seed: int | None = None) -> FamilyNetwork:
    """A network at its start as an interpolator; with a seed, always the same one, without touching torch's state."""
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        network = empty(spec)
        network.initialise()
    return network


def without_memory(spec: Spec) -> FamilyNetwork:
    """A network whose weights have names and shapes, but no values."""
    with torch.device("meta"), _NoInitialisation():
        return empty(spec)


def shapes(spec: Spec) -> dict[str, Tensor]:
    """The names and shapes of a network's weights, without their memory."""
    return without_memory(spec).state_dict()


class _NoInitialisation(TorchFunctionMode):
    """Leaves out torch.nn.init, which takes most of the time of making a network."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def parameter_differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """How many parameters are missing, unknown or of another shape, and the first three; empty when all agree."""

    def shape(tensors: Mapping[str, Tensor], name: str) -> str:
        return "x".join(map(str, tensors[name].shape)) if name in tensors else "absent"

    names = list(dict.fromkeys([*expected, *found]))
    different = [name for name in names if shape(found, name) != shape(expected, name)]
    first = ", ".join(f"{name} ({shape(found, name)}, here {shape(expected, name)})" for name in different[:3])
    more = ", ..." if len(different) > 3 else ""
    return f"{len(different)} of {len(names)} parameters differ: {first}{more}" if different else ""


def conv(plan: ConvPlan) -> nn.Conv2d:
    """A size-preserving convolution with bias."""
    return nn.Conv2d(plan.inputs, plan.outputs, plan.kernel, padding=plan.kernel // 2, groups=plan.groups)


def interpolation_kernels(scale: int) -> Tensor:
    """(scale^2, 3, 3): for each sub-pixel, row-major, the separable 3-tap cubic (a = -0.5) kernel, summing to one."""
    offsets = (torch.arange(scale) + 0.5) / scale - 0.5
    distance = (offsets[:, None] - torch.tensor([-1.0, 0.0, 1.0])).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = torch.where(distance <= 1, near, far)
    taps = taps / taps.sum(dim=1, keepdim=True)
    return torch.einsum("ra,cb->rcab", taps, taps).reshape(scale**2, 3, 3)


def bias(layer: nn.Module) -> Tensor:
    """A convolution's bias, which every one of the families here has."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    return layer.bias
