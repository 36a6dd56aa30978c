"""Finds the tensors of a network of ours inside whatever a checkpoint holds, under any prefix, in either naming."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nas_sr.families.other_networks import recognised
from nas_sr.families.torch_file import NotLoadable
from nas_sr.file_kind import plain

_DEEPEST = 4  # mappings inside mappings that are looked at
_MOST = 10_000  # mappings
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # of torch.compile and FSDP
# What tells each naming, after any prefix, and the modules that belong to it.
_OURS = re.compile(r"(|.*\.)gidbs\.\d+\.(gblocks\.\d+\.(grouped|mix)|fuse)\.(weight|bias)")
_OUR_MODULES = re.compile(r"head|gidbs|nlas|tail_fuse|tail_expand|out")
_PUBLISHED = re.compile(r"(|.*\.)block\d+(_shal)?\.conv\d+(_shal)?\.conv[01]\.(conv2d_block\.\d+\.)?(weight|bias)")
_PUBLISHED_MODULES = re.compile(r"feat_conv0|conv_fuse[01]|conv_out|block\d+(_shal)?|self_attention\d+")


class FoundNetwork(NamedTuple):
    """Tensors under our names, where in the checkpoint they were, and whether they had the published names there."""

    state: dict[str, Tensor]
    where: str
    published: bool


def find_network(value: Any) -> FoundNetwork:
    """The one network of ours in a checkpoint; of several, the averaged one, as BasicSR takes it.

    Raises:
        NotLoadable: none is in it, or several of which none is the one to take.
    """
    found = list(dict.fromkeys(_where(value)))
    averaged = [place for place in found if "ema" in place.name.lower()]
    chosen = averaged if len(averaged) == 1 else found
    if not chosen:
        raise NotLoadable(_description(value))
    if len(chosen) > 1:
        names = ", ".join(plain(place.name) or "without a prefix" for place in chosen[:4])
        raise NotLoadable(f"a checkpoint with several networks ({names})", "save the weights of one of them alone")
    return chosen[0].network(value)


class _Place(NamedTuple):
    keys: tuple[str, ...]  # of the mappings around the tensors
    prefix: str
    published: bool

    @property
    def name(self) -> str:
        return "/".join([*self.keys, self.prefix.rstrip(".")]).strip("/")

    def network(self, value: Any) -> FoundNetwork:
        for key in self.keys:
            value = value[key]
        modules = _PUBLISHED_MODULES if self.published else _OUR_MODULES
        state = {
            name.removeprefix(self.prefix): tensor.detach()
            for name, tensor in _tensors(value).items()
            if name.startswith(self.prefix) and modules.fullmatch(name.removeprefix(self.prefix).partition(".")[0])
        }
        return FoundNetwork(_under_our_names(state) if self.published else state, self.name, self.published)


def _where(value: Any) -> Iterator[_Place]:
    for keys, mapping in _mappings(value):
        for name in _tensors(mapping):
            for published, pattern in ((False, _OURS), (True, _PUBLISHED)):
                if match := pattern.fullmatch(name):
                    yield _Place(keys, match[1], published)


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
    """What a checkpoint without a network of ours is."""
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


def _under_our_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The paper's naming turned into ours: its separate convolutions of a group are one grouped convolution."""
    state: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in published.items():
        split = re.fullmatch(r"(.*)\.conv2d_block\.(\d{1,3})\.(weight|bias)", name)
        if split:
            parts.setdefault(f"{_our_name(split[1])}.{split[3]}", {})[int(split[2])] = tensor
        else:
            module, _, kind = name.rpartition(".")
            state[f"{_our_name(module)}.{kind}"] = tensor
    for name, tensors in parts.items():
        if len({tensor.shape[1:] for tensor in tensors.values()}) > 1 or not tensors[min(tensors)].dim():
            raise NotLoadable(f"a checkpoint with grouped convolutions of different shapes ({plain(name)})")
        state[name] = torch.cat([tensors[index] for index in sorted(tensors)])
    return state


_NAMES = {"feat_conv0": "head", "conv_fuse0": "tail_fuse", "conv_fuse1": "tail_expand", "conv_out": "out"}


def _our_name(name: str) -> str:
    """`block2.conv3_shal.conv0` -> `gidbs.1.gblocks.3.grouped`; an unknown name stays as it is."""
    if name in _NAMES:
        return _NAMES[name]
    if block := re.fullmatch(r"block(\d{1,3})(?:_shal)?\.(.*)", name):
        inside = block[2]
        prefix = f"gidbs.{int(block[1]) - 1}"
        if inside == "conv_fuse0":
            return f"{prefix}.fuse"
        if gblock := re.fullmatch(r"conv(\d{1,3})(?:_shal)?\.conv([01])", inside):
            return f"{prefix}.gblocks.{int(gblock[1])}.{'mix' if gblock[2] == '1' else 'grouped'}"
    if attention := re.fullmatch(r"self_attention(\d{1,3})\.conv_(phi_theta_g|out)", name):
        return f"nlas.{int(attention[1]) - 1}.{'out' if attention[2] == 'out' else 'qkv'}"
    return name
