"""What a network's weights do not tell about it, as tensors beside them: for readers that see nothing but tensors.

A family's `foreign.py` says which fields of a spec these are (`untold`), and takes them back (`completed`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType

import torch
from torch import Tensor

from nas_sr.families.base import Spec
from nas_sr.families.state_dict import find_network

PREFIX = "nas_sr."  # of the names of such tensors


def marks(spec: Spec) -> dict[str, Tensor]:
    """The tensors for a deployed network; none where its weights tell everything."""
    values: Mapping[str, list[int]] = _foreign(spec.family).untold(spec)
    return {f"{PREFIX}{name}": torch.tensor(value, dtype=torch.int64) for name, value in values.items()}


def without_marks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights alone."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def marked_network(state: Mapping[str, Tensor]) -> tuple[Spec, dict[str, Tensor]]:
    """The spec of a network, from its weights and marks, and the weights under our names.

    Raises:
        NotLoadable: no network of a known family, or its weights do not tell which and no marks do.
    """
    found = find_network(without_marks(state))
    values = {name.removeprefix(PREFIX): state[name].tolist() for name in state if name.startswith(PREFIX)}
    spec: Spec = _foreign(found.naming.family).completed(found, values)
    return spec, found.state


def _foreign(family: str) -> ModuleType:
    return importlib.import_module(f"nas_sr.families.{family}.foreign")
