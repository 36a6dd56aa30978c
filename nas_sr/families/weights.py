"""Weights on disk: our safetensors with the spec inside, bundles, and checkpoints of others with our network inside."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.marks import without_mark
from nas_sr.families.network import FamilyNetwork, build, parameter_differences, shapes
from nas_sr.families.registry import NAMES, parse_spec
from nas_sr.families.state_dict import FoundNetwork, find_network
from nas_sr.families.torch_file import NotLoadable, read_torch_file
from nas_sr.file_kind import file_kind
from nas_sr.files import replacing

WEIGHTS = "weights.safetensors"  # in a bundle and in a trial's folder
SUPERNET = "supernet"  # the key of a supernet's metadata
EXPECTED = (
    "expected is a bundle, its weights.safetensors, or a checkpoint (.pth, .ckpt, .safetensors) that holds the weights"
    f" of a network of a known family ({', '.join(NAMES)})"
)


def save_weights(state: Mapping[str, Tensor], spec: Spec, path: Path) -> None:
    """Writes a network's state as safetensors that name their own architecture."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"spec": json.dumps(spec.to_json())}))


def load_network(path: Path) -> FamilyNetwork:
    """The network in a bundle folder, in a file of ours, or in a checkpoint that holds the weights of one.

    Such a checkpoint may be of torch.save or safetensors, with the published names or ours, under any prefix and inside
    any dictionaries, as Lightning and BasicSR have them. Weights do not tell where a network's attention is: spec.json
    beside the file does, and of the paper's own networks it is known. A file may hold the deployed form of a
    network that is trained in another; then that is what it gives.

    Raises:
        UsageError: missing, broken, or without such a network: what the file is, and what is expected.
    """
    if path.is_dir():
        path = _inside(path)
    if not path.is_file():
        raise UsageError(
            f"{path}: {'neither a file nor a folder' if path.exists() else 'no weights there'}; {EXPECTED}"
        )
    try:
        spec, state = _read(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or 'input error'}") from None
    except NotLoadable as found:
        raise refusal(path, found, EXPECTED) from None
    if parameter_differences(state, shapes(spec)) and not parameter_differences(state, shapes(spec.deployed)):
        spec = spec.deployed
    wrong = parameter_differences(state, shapes(spec)) or unusable(state)
    if wrong:
        raise UsageError(f"{path}: not weights of {spec.label()}: {wrong}")
    network = build(spec, seed=0)
    network.load_state_dict(state)
    return network


def refusal(path: Path, found: NotLoadable, expected: str) -> UsageError:
    """The error for a file that is something else than what is expected."""
    return UsageError(f"{path}: {'; '.join(filter(None, (found.what, expected, found.remedy)))}")


def _inside(folder: Path) -> Path:
    """The weights of a bundle or trial."""
    if (folder / WEIGHTS).exists():
        return folder / WEIGHTS
    if (folder / "study.yaml").is_file():
        raise UsageError(f"{folder}: a study, not one network; name a trial of it by STUDY:TRIAL")
    others = sorted(each.name for each in folder.iterdir() if each.suffix in (".pth", ".pt", ".ckpt", ".safetensors"))
    there = f"; give one of the files in it ({', '.join(others[:3])})" if others else ""
    raise UsageError(f"{folder}: a folder, but no weights there ({WEIGHTS} is missing); {EXPECTED}{there}")


def _read(path: Path) -> tuple[Spec, dict[str, Tensor]]:
    kind = file_kind(path)
    if kind.kind == "safetensors":
        text, tensors = _safetensors(path)
        if text is not None:
            return _spec_in(text, path), tensors
        found = find_network(tensors)
    else:
        value = read_torch_file(path, kind)
        if isinstance(value, dict) and {"format", "run", "execution"} <= value.keys():
            raise NotLoadable("a checkpoint to resume a training from", "give the bundle, which holds the weights")
        found = find_network(value)
    return _spec_of(found, path), found.state


def _safetensors(path: Path) -> tuple[str | None, dict[str, Tensor]]:
    """The text of our spec, where it is there, and the tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if SUPERNET in metadata:
                raise NotLoadable("a supernet, the weights of all networks of a search space", "extract one of them")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return metadata.get("spec"), without_mark(tensors)
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError):
        raise NotLoadable("a safetensors file that is cut short or broken", "copy or download it again") from None


def _spec_in(text: str, path: Path) -> Spec:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise NotLoadable("a safetensors file with a broken spec in its metadata") from None
    return parse_spec(value, str(path))


def _spec_of(found: FoundNetwork, path: Path) -> Spec:
    foreign = importlib.import_module(f"nas_sr.families.{found.naming.family}.foreign")
    spec: Spec = foreign.spec_of(found, path.with_name("spec.json"))
    return spec


def unusable(found: Mapping[str, Tensor]) -> str:
    """Which parameter holds no usable numbers, and why; empty when all do."""
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.is_quantized or not tensor.is_floating_point():
            return f"{name} is of type {str(tensor.dtype).removeprefix('torch.')}, not of floating-point numbers"
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            return f"{name} does not hold all its values"
        if not torch.isfinite(tensor.float()).all():
            return f"{name} holds values that are not finite"
    return ""
