"""A supernet's file: it comes back equal, and is refused where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas_sr.errors import UsageError
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import build
from nas_sr.families.weights import load_network, save_weights
from nas_sr.space import Space, parse_space
from nas_sr.supernet.stored import load_supernet, read_about, save_supernet, space_digest
from nas_sr.supernet.supernet import Supernet


def space(**changes: object) -> Space:
    values = {"family": "compact", "parameters": {"width": [4, 6], "depth": [1, 2]}, **changes}
    return parse_space(values, Path("a.yaml"))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    supernet = Supernet(space())
    supernet.initialise(3)
    path = tmp_path / "supernet.safetensors"
    save_supernet(supernet, path, steps=12, psnr_db={"w4x1": 25.5}, training={"distil": True})
    return path


def rewritten(path: Path, change: Callable[[dict, dict], None]) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = json.loads(metadata["supernet"])
    change(tensors, about)
    save_file(tensors, path, metadata={"supernet": json.dumps(about)})


def test_it_comes_back_equal(stored: Path) -> None:
    spec, image = CompactSpec(width=6, depth=1), torch.rand(1, 3, 5, 5)
    original = Supernet(space())
    original.initialise(3)
    for path in (stored, stored.parent):  # the file, or the folder of its training
        loaded = load_supernet(path, space(title="another title"))
        assert torch.equal(loaded(image, spec), original(image, spec))
    about = read_about(stored)
    assert (about.scale, about.steps, about.psnr_db) == (4, 12, {"w4x1": 25.5})
    assert about.digest == space_digest(space()) == space_digest(space(title="another title"))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (space(scale=2), "a supernet for scale 4, and the space's is 2"),
        (parse_space({"parameters": {"core": [4, 8]}}, Path("b")), "family compact, and the space's is imdeception"),
        (
            space(parameters={"width": [4, 8], "depth": [1, 2]}),
            "another space: parameters.width.1 was 6 and is now 8",
        ),
    ],
)
def test_another_space_or_scale_is_refused_with_the_difference(stored: Path, other: Space, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_supernet(stored, other)


def test_damaged_files_are_refused_with_what_is_wrong(stored: Path) -> None:
    whole = stored.read_bytes()

    def refused(said: str) -> None:
        with pytest.raises(UsageError, match=said) as error:
            load_supernet(stored)
        assert str(stored) in str(error.value)
        stored.write_bytes(whole)

    stored.write_bytes(whole[: len(whole) // 2])
    refused("cut short or broken; expected is a supernet.safetensors")
    stored.write_bytes(b"")
    refused("cut short or broken")
    rewritten(stored, lambda tensors, about: tensors.pop("last.bias"))
    refused(r"1 of \d+ parameters differ: last.bias \(absent, here 48\)")
    rewritten(stored, lambda tensors, about: tensors["last.bias"].fill_(torch.nan))
    refused("last.bias holds values that are not finite")
    rewritten(stored, lambda tensors, about: about["space"].update(parameters={}))
    refused("the space in its metadata is damaged")
    rewritten(stored, lambda tensors, about: about.update(format=9))
    refused("format 9, and this version reads 1")
    rewritten(stored, lambda tensors, about: about.pop("digest"))
    refused("metadata is damaged")
    save_weights(build(CompactSpec(), 0).state_dict(), CompactSpec(), stored)
    refused("safetensors of something else than a supernet")


def test_it_is_no_network(stored: Path) -> None:
    with pytest.raises(UsageError, match=r"a supernet, the weights of all networks of a search space; expected is"):
        load_network(stored)


def test_no_file_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no supernet there; expected is"):
        load_supernet(tmp_path)
    with pytest.raises(UsageError, match="no supernet there"):
        read_about(tmp_path / "x.safetensors")
