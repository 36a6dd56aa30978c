"""A supernet on disk: one safetensors file that says of which space it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nas_sr.config import Config, differences
from nas_sr.digest import digest
from nas_sr.errors import UsageError
from nas_sr.families.network import parameter_differences
from nas_sr.families.weights import SUPERNET as METADATA_KEY
from nas_sr.families.weights import unusable
from nas_sr.files import replacing
from nas_sr.space import Space
from nas_sr.supernet.supernet import Supernet, shared_names, state_names

SUPERNET = "supernet.safetensors"  # in the folder of a training
_FORMAT = 1
_EXPECTED = f"expected is a {SUPERNET} that `nas-sr supernet train` has written, or its folder"


class About(Config):
    """What a file says of its weights."""

    format: int = _FORMAT
    space: dict[str, Any]
    digest: str  # of the space, without its title
    scale: int
    own_groups: bool = False
    steps: int = 0
    psnr_db: dict[str, float] = Field({})  # of the members that its training watched, by label
    training: dict[str, Any] = Field({})  # how it was trained, without the space
    images: str = ""  # the digest of what it was trained on


def space_digest(space: Space) -> str:
    """Names a space by what it holds, whatever its title."""
    return digest(_content(space))


def save_supernet(
    supernet: Supernet,
    path: Path,
    *,
    steps: int = 0,
    psnr_db: Mapping[str, float] | None = None,
    training: Mapping[str, Any] | None = None,
    images: str = "",
) -> None:
    """Writes shared weights, and where they are from."""
    about = About(
        space=supernet.space.frozen(),
        digest=space_digest(supernet.space),
        scale=supernet.space.scale,
        own_groups=supernet.own_groups,
        steps=steps,
        psnr_db=dict(psnr_db or {}),
        training=dict(training or {}),
        images=images,
    )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in shared_names(supernet.state_dict()).items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={METADATA_KEY: about.model_dump_json()}))


def read_about(path: Path) -> About:
    """What a file says of its weights, without reading them.

    Raises:
        UsageError: missing, broken, or no supernet.
    """
    return _read(path, with_tensors=False)[0]


def load_supernet(path: Path, space: Space | None = None) -> Supernet:
    """The supernet in a file, or in the folder of a training; of `space`, where that is given.

    Raises:
        UsageError: missing, broken, no supernet, or of another space or scale; what is different.
    """
    about, tensors = _read(path, with_tensors=True)
    own = _space(about, path)
    if space is not None:
        refuse_other_space(about, space, path)
    supernet = Supernet(own, about.own_groups)
    wrong = parameter_differences(tensors, shared_names(supernet.state_dict())) or unusable(tensors)
    if wrong:
        raise UsageError(f"{path}: damaged, or of another version of nas-sr: {wrong}")
    supernet.load_state_dict(state_names(tensors))
    return supernet


def refuse_other_space(about: About, space: Space, path: Path) -> None:
    """Whether a stored supernet is one of `space`.

    Raises:
        UsageError: it is not: what is different.
    """
    own = _space(about, path)
    if own.scale != space.scale:
        raise UsageError(f"{path}: a supernet for scale {own.scale}, and the space's is {space.scale}")
    if own.family != space.family:
        raise UsageError(f"{path}: a supernet of family {own.family}, and the space's is {space.family}")
    if space_digest(own) != space_digest(space):
        changed = "; ".join(differences(_content(own), _content(space)))
        raise UsageError(f"{path}: a supernet of another space: {changed}")


def _content(space: Space) -> dict[str, Any]:
    return {key: value for key, value in space.frozen().items() if key != "title"}


def _space(about: About, path: Path) -> Space:
    try:
        return Space.model_validate(about.space)
    except ValidationError:
        raise UsageError(f"{path}: the space in its metadata is damaged, or of another version of nas-sr") from None


def _read(path: Path, with_tensors: bool) -> tuple[About, dict[str, Tensor]]:
    if path.is_dir():
        path = path / SUPERNET
    if not path.is_file():
        raise UsageError(f"{path}: no supernet there; {_EXPECTED}")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError):
        raise UsageError(f"{path}: no safetensors file, or one that is cut short or broken; {_EXPECTED}") from None
    if text is None:
        raise UsageError(f"{path}: safetensors of something else than a supernet; {_EXPECTED}")
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise UsageError(f"{path}: a supernet of format {value['format']}, and this version reads {_FORMAT}")
        return About.model_validate(value), tensors
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UsageError(f"{path}: a supernet whose metadata is damaged; {_EXPECTED}") from None
