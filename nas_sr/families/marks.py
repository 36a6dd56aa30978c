"""A network's spec as one tensor beside its weights, where these alone do not tell it: for readers that see nothing but
tensors."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nas_sr.families.base import Spec
from nas_sr.families.registry import parse_spec
from nas_sr.families.state_dict import find_network
from nas_sr.families.torch_file import NotLoadable

MARK = "nas_sr.spec"  # the spec's JSON as bytes


def marked(state: Mapping[str, Tensor], spec: Spec) -> dict[str, Tensor]:
    """A deployed network's weights, with a mark where they do not tell the network: what weights never tell is where
    attention is, and whether a compact network adds the enlarged image."""
    try:
        if marked_network(state)[0].digest == spec.digest:
            return dict(state)
    except NotLoadable:
        pass
    content = json.dumps(spec.to_json()).encode()
    return {**state, MARK: torch.frombuffer(bytearray(content), dtype=torch.uint8)}


def without_mark(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights alone."""
    return {name: tensor for name, tensor in state.items() if name != MARK}


def marked_network(state: Mapping[str, Tensor]) -> tuple[Spec, dict[str, Tensor]]:
    """The spec of a network from its mark, else from its weights; and the weights under our names.

    Raises:
        NotLoadable: no network of a known family, or its weights do not tell which and there is no mark.
        UsageError: the mark names what is no network.
    """
    if MARK in state:
        try:
            value = json.loads(bytes(state[MARK].to(torch.uint8).tolist()))
        except (ValueError, RecursionError):
            raise NotLoadable(f"weights with a broken {MARK}") from None
        return parse_spec(value, MARK), without_mark(state)
    found = find_network(dict(state))
    foreign = importlib.import_module(f"nas_sr.families.{found.naming.family}.foreign")
    spec: Spec = foreign.spec_of(found, Path())
    return spec, found.state
