"""Weights on disk: our safetensors with the spec inside, bundles, and the paper's published checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nas_sr.arch.network import Network, build
from nas_sr.arch.presets import preset
from nas_sr.arch.spec import ArchSpec
from nas_sr.errors import UsageError
from nas_sr.files import replacing

PUBLISHED = "imdeception-c16-nla"  # the only network whose weights were published


def save_weights(state: Mapping[str, Tensor], spec: ArchSpec, path: Path) -> None:
    """Writes a network's state as safetensors that name their own architecture."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"spec": json.dumps(spec.to_json())}))


def load_network(path: Path) -> Network:
    """The network in a bundle folder, in a .safetensors file of ours, or in the published .pth.

    Raises:
        UsageError: missing, broken, or not of that network; how many parameters differ is said, the first are named.
    """
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise UsageError(f"{path}: no weights there")
    spec, state = _published(path) if path.suffix in (".pth", ".pt", ".ckpt") else _ours(path)
    network = build(spec, seed=0)
    wrong = parameter_differences(state, network.state_dict()) or _not_finite(state)
    if wrong:
        raise UsageError(f"{path}: not weights of {spec.label()}: {wrong}")
    network.load_state_dict(state)
    return network


def _ours(path: Path) -> tuple[ArchSpec, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            spec = (file.metadata() or {}).get("spec")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path}: not a readable safetensors file: {error}") from None
    if spec is None:
        raise UsageError(f"{path}: safetensors without our spec in its metadata; which network it is cannot be known")
    try:
        value = json.loads(spec)
    except ValueError as error:
        raise UsageError(f"{path}: the spec in its metadata is broken: {error}") from None
    return ArchSpec.from_json(value, str(path)), state


def _published(path: Path) -> tuple[ArchSpec, dict[str, Tensor]]:
    """The paper's checkpoint under our names: its four separate convolutions are one grouped convolution."""
    try:
        published = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file fails in many ways inside torch: zip, pickle, end of file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError(f"{path}: not a readable checkpoint: {reason}") from None
    if isinstance(published, dict) and "format" in published:
        raise UsageError(f"{path}: a checkpoint to resume a training from; give the bundle, which holds the weights")
    if not isinstance(published, dict) or not all(isinstance(value, Tensor) for value in published.values()):
        raise UsageError(f"{path}: expected a flat dictionary of tensors, as published for {PUBLISHED}")
    state: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in published.items():
        split = re.fullmatch(r"(.*)\.conv2d_block\.(\d+)\.(weight|bias)", name)
        if split:
            parts.setdefault(f"{_our_name(split[1])}.{split[3]}", {})[int(split[2])] = tensor
        else:
            module, _, kind = name.rpartition(".")
            state[f"{_our_name(module)}.{kind}"] = tensor
    for name, tensors in parts.items():
        state[name] = torch.cat([tensors[index] for index in sorted(tensors)])
    return preset(PUBLISHED), state


_NAMES = (
    (r"feat_conv0", "head"),
    (r"conv_fuse0", "tail_fuse"),
    (r"conv_fuse1", "tail_expand"),
    (r"conv_out", "out"),
)


def _our_name(name: str) -> str:
    """`block2.conv3_shal.conv0` -> `gidbs.1.gblocks.3.grouped`; an unknown name stays as it is."""
    for pattern, ours in _NAMES:
        if re.fullmatch(pattern, name):
            return ours
    if block := re.fullmatch(r"block(\d)(?:_shal)?\.(.*)", name):
        inside = block[2]
        prefix = f"gidbs.{int(block[1]) - 1}"
        if inside == "conv_fuse0":
            return f"{prefix}.fuse"
        if gblock := re.fullmatch(r"conv(\d)(?:_shal)?\.conv([01])", inside):
            return f"{prefix}.gblocks.{gblock[1]}.{'mix' if gblock[2] == '1' else 'grouped'}"
    if attention := re.fullmatch(r"self_attention(\d)\.conv_(phi_theta_g|out)", name):
        return f"nlas.{int(attention[1]) - 1}.{'out' if attention[2] == 'out' else 'qkv'}"
    return name


def parameter_differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """How many parameters are missing, unknown or of another shape, and the first three; empty when all agree."""

    def shape(tensors: Mapping[str, Tensor], name: str) -> str:
        return "x".join(map(str, tensors[name].shape)) if name in tensors else "absent"

    names = list(dict.fromkeys([*expected, *found]))
    different = [name for name in names if shape(found, name) != shape(expected, name)]
    first = ", ".join(f"{name} ({shape(found, name)}, here {shape(expected, name)})" for name in different[:3])
    more = ", ..." if len(different) > 3 else ""
    return f"{len(different)} of {len(names)} parameters differ: {first}{more}" if different else ""


def _not_finite(found: Mapping[str, Tensor]) -> str:
    names = [name for name, tensor in found.items() if not torch.isfinite(tensor).all()]
    return f"{names[0]} holds values that are not finite" if names else ""
