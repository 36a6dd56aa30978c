"""Finds the tensors of a network of a known family inside whatever a checkpoint holds, under any prefix."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from nas_sr.families.other_networks import recognised
from nas_sr.families.registry import NAMES
from nas_sr.families.torch_file import NotLoadable
from nas_sr.file_kind import plain

_DEEPEST = 4  # mappings inside mappings that are looked at
_MOST = 10_000  # mappings
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # of torch.compile and FSDP


class Naming(NamedTuple):
    """One way in which a family's weights are named in checkpoints. A family's `foreign.py` lists them as NAMINGS.

    Attributes:
        family: its name.
        sign: matches a whole name that tells this naming; its first group is the prefix of all names.
        modules: matches the first part of every name that belongs to the network, after the prefix.
        published: whether these are the names of the family's publication, not ours.
        renamed: turns the tensors of this naming into ours.
        fits: whether tensors that carry the sign are of this family after all.
    """

    family: str
    sign: re.Pattern[str]
    modules: re.Pattern[str]
    published: bool = False
    renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda state: state
    fits: Callable[[Mapping[str, Tensor]], bool] = lambda state: True


class FoundNetwork(NamedTuple):
    """Tensors under our names, where in the checkpoint they were, and the naming that they had there."""

    state: dict[str, Tensor]
    where: str
    naming: Naming


def find_network(value: Any) -> FoundNetwork:
    """The one network of a known family in a checkpoint; of several, the averaged one, as BasicSR takes it.

    Raises:
        NotLoadable: none is in it, or several of which none is the one to take.
    """
    places = [place for place in dict.fromkeys(_where(value)) if place.naming.fits(place.tensors(value))]
    averaged = [place for place in places if "ema" in place.name.lower()]
    chosen = averaged if len(averaged) == 1 else places
    if not chosen:
        raise NotLoadable(_description(value))
    if len(chosen) > 1:
        names = ", ".join(plain(place.name) or "without a prefix" for place in chosen[:4])
        raise NotLoadable(f"a checkpoint with several networks ({names})", "save the weights of one of them alone")
    return chosen[0].network(value)


class _Place(NamedTuple):
    keys: tuple[str, ...]  # of the mappings around the tensors
    prefix: str
    naming: Naming

    @property
    def name(self) -> str:
        return "/".join([*self.keys, self.prefix.rstrip(".")]).strip("/")

    def tensors(self, value: Any) -> dict[str, Tensor]:
        for key in self.keys:
            value = value[key]
        return {
            name.removeprefix(self.prefix): tensor.detach()
            for name, tensor in _tensors(value).items()
            if name.startswith(self.prefix)
            and self.naming.modules.fullmatch(name.removeprefix(self.prefix).partition(".")[0])
        }

    def network(self, value: Any) -> FoundNetwork:
        return FoundNetwork(self.naming.renamed(self.tensors(value)), self.name, self.naming)


def _where(value: Any) -> Iterator[_Place]:
    for keys, mapping in _mappings(value):
        for name in _tensors(mapping):
            for naming in _namings():
                if match := naming.sign.fullmatch(name):
                    yield _Place(keys, match[1], naming)


@functools.cache
def _namings() -> tuple[Naming, ...]:
    modules = [importlib.import_module(f"nas_sr.families.{name}.foreign") for name in NAMES]
    return tuple(naming for module in modules for naming in module.NAMINGS)


def _mappings(value: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """The mappings in a value, each once: a pickle may hold one of them any number of times."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        keys, mapping = waiting.pop(0)
        if not isinstance(mapping, Mapping) or id(mapping) in seen:
            continue
        seen.add(id(mapping))
        yield keys, mapping
        if len(keys) < _DEEPEST:
            waiting += [((*keys, key), part) for key, part in mapping.items() if isinstance(key, str)]


def _tensors(mapping: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {
        ".".join(part for part in key.split(".") if part not in _WRAPPERS): tensor
        for key, tensor in mapping.items()
        if isinstance(key, str) and isinstance(tensor, Tensor)
    }


def _description(value: Any) -> str:
    """What a checkpoint without a network of a known family is."""
    if not isinstance(value, Mapping):
        what = "a single tensor" if isinstance(value, Tensor) else f"a Python {type(value).__name__}"
        return f"{what} of torch.save, not a dictionary of tensors"
    holder = "a Lightning checkpoint" if "pytorch-lightning_version" in value else "a checkpoint"
    states = sorted((_tensors(mapping) for _, mapping in _mappings(value)), key=len, reverse=True)
    for state in states:
        if network := recognised(state):
            return f"{holder} with weights of {network}"
    if {"optimizers", "schedulers"} <= value.keys() or {"state", "param_groups"} <= value.keys():
        return "the state of an optimizer, without the weights of the network"
    if not states or not states[0]:
        return f"{holder} without any named tensor"
    first = [f"{plain(name)} {'x'.join(map(str, tensor.shape))}" for name, tensor in list(states[0].items())[:3]]
    more = ", ..." if len(states[0]) > 3 else ""
    return f"{holder} with weights of another network ({', '.join(first)}{more})"
