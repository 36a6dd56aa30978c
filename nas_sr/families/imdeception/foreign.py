"""How IMDeception's weights look in checkpoints: under our names, or under those of the published ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nas_sr.families.imdeception import FAMILY
from nas_sr.families.imdeception.inferred_spec import attentions, inferred_spec
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import parameter_differences, shapes
from nas_sr.families.registry import read_spec
from nas_sr.families.state_dict import FoundNetwork, Naming
from nas_sr.families.torch_file import NotLoadable
from nas_sr.file_kind import plain

_PAPERS_ATTENTION = (2, 4)  # the only places that the published network has it at


def spec_of(found: FoundNetwork, beside: Path) -> ImdeceptionSpec:
    """From the shapes; for attention, also from the spec.json `beside` the file, or from the paper's networks.

    Raises:
        NotLoadable: the weights are no whole network, or do not tell which.
    """
    where = f" (under {found.where})" if found.where else ""
    spec = inferred_spec(found.state)
    if spec is None:
        first = ", ".join(list(found.state)[:3])
        raise NotLoadable(
            f"a checkpoint with a part of an IMDeception network, or of one with another structure{where}: its"
            f" {len(found.state)} tensors, {first}, ..., do not make up a network"
        )
    number = attentions(found.state)
    if not number:
        return spec
    if beside.is_file() and not found.naming.published:
        stated = read_spec(beside)
        if isinstance(stated, ImdeceptionSpec) and not parameter_differences(found.state, shapes(stated)):
            return stated
    if number == len(_PAPERS_ATTENTION) and spec.gidbs > max(_PAPERS_ATTENTION) and spec.deep >= 4:
        papers = ImdeceptionSpec.model_validate({**spec.model_dump(), "nla_after": _PAPERS_ATTENTION})
        known = {each.digest for each in FAMILY.presets.values()}
        if found.naming.published or papers.at_scale(FAMILY.presets["imdeception-c16-nla"].scale).digest in known:
            return papers
    raise NotLoadable(
        f"a checkpoint with an IMDeception network {spec.label()} and {number} attentions{where}, of which the weights"
        " do not tell the places",
        "put its spec.json beside the file",
    )


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


NAMINGS = (
    Naming(
        "imdeception",
        re.compile(r"(|.*\.)gidbs\.\d+\.(gblocks\.\d+\.(grouped|mix)|fuse)\.(weight|bias)"),
        re.compile(r"head|gidbs|nlas|tail_fuse|tail_expand|out"),
    ),
    Naming(
        "imdeception",
        re.compile(r"(|.*\.)block\d+(_shal)?\.conv\d+(_shal)?\.conv[01]\.(conv2d_block\.\d+\.)?(weight|bias)"),
        re.compile(r"feat_conv0|conv_fuse[01]|conv_out|block\d+(_shal)?|self_attention\d+"),
        published=True,
        renamed=_under_our_names,
    ),
)
