"""Every family's network for chaiNNer, as the real spandrel loads it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from nas_sr.families.base import Spec
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.marks import MARK, marked
from nas_sr.families.network import shapes
from nas_sr.families.presets import PRESETS, preset
from nas_sr.families.weights import load_network, save_weights
from tests.export.small_bundles import ATTENTION, COMPACT, PLAIN, WITHOUT_SKIP, trained
from tests.families.compact.spandrels_reader import spandrel

SPECS = {
    "compact": COMPACT,
    "without skip": WITHOUT_SKIP,
    "plain": PLAIN,
    "attention": ATTENTION,
    "two attentions": ImdeceptionSpec(
        core=4, groups=2, gidbs=4, depth=1, head=8, nla_after=(1, 3), nla_patch=2, nla_window=8, scale=3
    ),
    "x2": ImdeceptionSpec(core=3, groups=3, gidbs=1, depth=2, head=6, scale=2),
}
IMAGE = torch.rand(1, 3, 19, 34, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def reader() -> Any:
    """spandrel; the test is skipped where it is not installed."""
    return spandrel()


@pytest.fixture(scope="module")
def architecture(reader: Any) -> ModuleType:
    """Our module, which imports spandrel."""
    return importlib.import_module("nas_sr.spandrel_architecture")


def _registry(reader: Any, architecture: ModuleType) -> Any:
    registry = reader.MAIN_REGISTRY.copy()
    architecture.install(registry)
    return registry


def _saved(spec: Spec, path: Path) -> torch.Tensor:
    """Writes a network as a bundle's chainner folder has it; its output of IMAGE."""
    network = trained(spec).deployed()
    save_weights(marked(network.state_dict(), network.spec), network.spec, path)
    with torch.inference_mode():
        return network(IMAGE)


@pytest.mark.parametrize("name", SPECS)
def test_spandrel_loads_it_with_our_architecture(name: str, reader, architecture, tmp_path: Path) -> None:
    spec = SPECS[name]
    expected = _saved(spec, tmp_path / "net.safetensors")
    loaded = reader.ModelLoader(registry=_registry(reader, architecture)).load_from_file(tmp_path / "net.safetensors")
    assert isinstance(loaded, reader.ImageModelDescriptor)
    assert loaded.architecture.id == ("Compact" if name == "compact" else architecture.ID)
    assert (loaded.scale, loaded.input_channels, loaded.output_channels) == (spec.scale, 3, 3)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model.eval()(IMAGE), expected, atol=1e-6, rtol=0)
        upscaled = loaded.eval()(IMAGE)  # as programs call it: clamped
    torch.testing.assert_close(upscaled, expected.clamp(0, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["without skip", "attention", "plain"])
def test_never_other_pixels_in_silence_without_our_architecture(name: str, reader, tmp_path: Path) -> None:
    registry = reader.ArchRegistry()
    registry.add(*[each for each in reader.MAIN_REGISTRY if each.architecture.id != "nas-sr"])
    _saved(SPECS[name], tmp_path / "net.safetensors")
    # The second is spandrel's own refusal of a tensor that its Compact has not.
    with pytest.raises((reader.UnsupportedModelError, RuntimeError)):
        reader.ModelLoader(registry=registry).load_from_file(tmp_path / "net.safetensors")


def test_attention_without_its_places_is_refused(reader, architecture, tmp_path: Path) -> None:
    network = trained(ATTENTION)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"not a network of nas-sr: .* do not tell the places"):
        reader.ModelLoader(registry=_registry(reader, architecture)).load_from_file(tmp_path / "net.pth")


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("imdeception")])
def test_no_other_architecture_takes_a_preset_for_its_own(name: str, reader, architecture) -> None:
    state = shapes(preset(name))
    detected = [
        each.architecture.id
        for each in _registry(reader, architecture).architectures("detection")
        if each.detect(state)
    ]
    assert detected[0] == architecture.ID


def test_install_twice_and_tiles(reader, architecture, tmp_path: Path) -> None:
    registry = _registry(reader, architecture)
    architecture.install(registry)
    assert sum(each.architecture.id == architecture.ID for each in registry) == 1
    for name, tiling in (("plain", "SUPPORTED"), ("attention", "DISCOURAGED")):
        _saved(SPECS[name], tmp_path / f"{name}.safetensors")
        loaded = reader.ModelLoader(registry=registry).load_from_file(tmp_path / f"{name}.safetensors")
        assert loaded.tiling.name == tiling


@pytest.mark.parametrize("name", SPECS)
def test_we_load_the_file_too(name: str, tmp_path: Path) -> None:
    expected = _saved(SPECS[name], tmp_path / "net.safetensors")
    network = load_network(tmp_path / "net.safetensors").eval()
    assert network.spec == SPECS[name].deployed
    with torch.inference_mode():
        assert torch.equal(network(IMAGE), expected)


@pytest.mark.parametrize("name", SPECS)
def test_only_weights_that_do_not_tell_the_network_have_a_mark(name: str) -> None:
    network = trained(SPECS[name]).deployed()
    assert (MARK in marked(network.state_dict(), network.spec)) == ("attention" in name or name == "without skip")


def test_broken_mark_is_refused(reader, architecture, tmp_path: Path) -> None:
    for content in (b"{", b'{"family": "compact", "width": -1}'):
        state = {**trained(PLAIN).state_dict(), MARK: torch.frombuffer(bytearray(content), dtype=torch.uint8)}
        with pytest.raises(ValueError, match=r"not a network of nas-sr: .*nas_sr\.spec"):
            reader.ModelLoader(registry=_registry(reader, architecture)).load_from_state_dict(state)
