"""What nas-sr relies on of every family, shown on random networks of the space that it ships."""

from __future__ import annotations

import importlib
import json
import math
import random
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args, get_origin

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from nas_sr.errors import UsageError
from nas_sr.evaluate.tiles import network_tiling
from nas_sr.evaluate.upscalers import network_upscaler
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.families.network import FamilyNetwork, build, empty
from nas_sr.families.presets import PRESETS, preset_name
from nas_sr.families.registry import NAMES, SpecField, family, family_of, parse_spec, read_spec
from nas_sr.families.weights import load_network, save_weights
from nas_sr.measure.onnx_export import export_onnx, export_untrained
from nas_sr.predict.features import matrix
from nas_sr.predict.roofline import Roofline
from nas_sr.space import Space, read_space

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)


class Holder(BaseModel):
    """A record with a spec in it."""

    spec: SpecField


def space(name: str) -> Space:
    """The family's own space file."""
    return read_space(f"{name}_x4")


def members(name: str, count: int, seed: int = 0) -> list[Spec]:
    """The cheapest third of some random networks of the family's space, and one at each other scale."""
    opened = space(name)
    known = sorted(opened.architectures)
    drawn = random.Random(seed).sample(known, min(3 * count, len(known)))
    specs = [opened.spec(opened.architectures[digest]) for digest in drawn]
    specs = sorted(specs, key=lambda spec: counts(spec).macs_g)[:count]
    return [*specs, specs[0].at_scale(2), specs[-1].at_scale(3)]


def variants(name: str) -> list[Spec]:
    """The family's smallest preset, and one for each other value of every field of named choices (relu, no skip, ...):
    spaces may leave those out."""
    smallest = min(family(name).presets.values(), key=lambda spec: counts(spec).macs_g)
    found = [smallest]
    for field, described in type(smallest).model_fields.items():
        for choice in get_args(described.annotation) if get_origin(described.annotation) is Literal else ():
            if choice != getattr(smallest, field):
                found.append(smallest.model_copy(update={field: choice}))
    return found


def lively(network: FamilyNetwork) -> FamilyNetwork:
    """Weights that make every pixel depend on all it can; the interpolator's start would hide what is wrong."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            spread = 1.0 if parameter.dim() < 2 else math.sqrt(2 / math.prod(parameter.shape[1:]))
            parameter.normal_(std=spread if parameter.dim() > 1 else 0.1, generator=generator)
    return network.eval()


FAMILY = pytest.mark.parametrize("name", NAMES)
DRAWN = [spec for name in NAMES for spec in [*members(name, 2), *variants(name)[1:]]]
SOME = pytest.mark.parametrize("spec", DRAWN, ids=[f"{spec.family} {spec.label()}" for spec in DRAWN])


def test_one_of_them_has_attention() -> None:
    """Whose windows make sizes and tiles special."""
    assert any(getattr(spec, "nla_after", ()) for spec in DRAWN)


@FAMILY
def test_family_is_named_like_its_folder_and_has_presets_and_a_space(name: str) -> None:
    assert family(name).name == name
    assert all(preset_name(spec) == preset and spec.family == name for preset, spec in family(name).presets.items())
    assert space(name).family == name
    assert space(name).presets()
    assert set(family(name).table_fields) <= set(family(name).spec_type.model_fields)


def test_presets_of_all_families_have_names_and_digests_of_their_own() -> None:
    assert len(PRESETS) == sum(len(family(name).presets) for name in NAMES)
    assert len({spec.digest for spec in PRESETS.values()}) == len(PRESETS)


@SOME
def test_spec_comes_back_from_json_and_from_a_record(spec: Spec, tmp_path: Path) -> None:
    assert parse_spec(json.loads(json.dumps(spec.to_json()))) == spec
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    assert read_spec(tmp_path / "spec.json") == spec
    held = Holder.model_validate_json(Holder(spec=spec).model_dump_json())
    assert held.spec == spec
    assert type(held.spec) is type(spec)


def test_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"spec: unknown family 'compct'; known: compact, imdeception"):
        parse_spec({"family": "compct"})
    with pytest.raises(UsageError, match=r"trial 3: .*width"):
        parse_spec({"family": "compact", "width": 1}, "trial 3")


@FAMILY
def test_equal_digests_are_equal_networks(name: str) -> None:
    """Of all pairs of some networks, each with all that differ from it in one parameter: one digest only where the
    modules have the same layers, and two only where these differ or, with the same weights, what is computed."""
    opened, random_ = space(name), random.Random(1)
    specs = variants(name)
    for _ in range(8):
        drawn = {key: random_.choice(opened.values(key)) for key in opened.parameters}
        for key in opened.parameters:
            for value in opened.values(key):
                with suppress(UsageError):
                    specs.append(opened.spec({**drawn, key: value}))
    layers: dict[str, set[str]] = {}
    alike: dict[str, dict[str, Spec]] = {}  # by layers, then by digest
    for spec in specs:
        with torch.device("meta"):
            modules = "\n".join(f"{place}: {module}" for place, module in empty(spec).named_modules() if place)
        layers.setdefault(spec.digest, set()).add(modules)
        alike.setdefault(modules, {})[spec.digest] = spec
    assert len(layers) > 10
    assert all(len(each) == 1 for each in layers.values())
    image = torch.rand(1, 3, 8, 8)
    for several in (list(each.values()) for each in alike.values() if len(each) > 1):
        with torch.no_grad():
            outputs = {lively(empty(spec))(image).numpy().tobytes() for spec in several}
        assert len(outputs) == len(several), f"equal networks, several digests: {several}"


def test_digest_of_a_network_tells_what_it_computes() -> None:
    """Of specs that differ in one named choice, which may have no layer of its own."""
    for name in NAMES:
        found = variants(name)
        assert len({spec.digest for spec in found}) == len(found)


@SOME
def test_counts_are_those_of_the_deployed_module(spec: Spec) -> None:
    """Against hooks on the module that torch builds, at an odd size."""
    network, height, width = build(spec, seed=0).deployed(), 32, 64
    convs = macs = activations = 0

    def seen(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal convs, macs, activations
        assert isinstance(layer, nn.Conv2d)
        convs += 1
        macs += output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        activations += output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(seen)
    with torch.no_grad():
        network(torch.rand(1, 3, height, width))
    found = counts(spec, height, width)
    assert found.params == sum(parameter.numel() for parameter in network.parameters())
    assert found.convs == convs
    assert found.macs_g == pytest.approx(macs / 1e9)
    assert found.activations_m == pytest.approx(activations / 1e6)


@SOME
def test_untrained_network_is_near_bicubic_interpolation(spec: Spec) -> None:
    rows = torch.linspace(0, 1, 40)
    image = (0.2 + 0.5 * rows[:, None] * rows[None, :] + 0.2 * (rows[:, None] > 0.5))[None, None].repeat(1, 3, 1, 1)
    with torch.no_grad():
        output = build(spec, seed=0)(image)
    bicubic = nn.functional.interpolate(image, scale_factor=spec.scale, mode="bicubic")
    inner = slice(2 * spec.scale, -2 * spec.scale)
    assert (output - bicubic)[..., inner, inner].abs().mean() < 0.01


@SOME
def test_deployed_network_computes_the_same_and_gives_its_weights_back(spec: Spec) -> None:
    network = lively(build(spec, seed=0)).double()  # so that only a wrong fold differs, not the order of sums
    deployed, image = network.deployed(), torch.rand(1, 3, 13, 22, dtype=torch.float64)
    assert deployed.spec == spec.deployed
    assert deployed.spec.deployed == deployed.spec
    with torch.no_grad():
        torch.testing.assert_close(deployed(image), network(image), atol=1e-5, rtol=1e-5)
        again = build(spec, seed=1).eval().double().load_deployed(deployed.state_dict())
        torch.testing.assert_close(again(image), network(image), atol=1e-5, rtol=1e-5)


@SOME
def test_onnx_equals_pytorch_on_odd_sizes(spec: Spec, tmp_path: Path) -> None:
    network = build(spec, seed=0)
    export_onnx(network, tmp_path / "n.onnx")
    assert len([node for node in onnx.load(tmp_path / "n.onnx").graph.node if node.op_type == "Conv"]) == (
        counts(spec).convs
    )
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx", providers=["CPUExecutionProvider"])
    for height, width in ((1, 1), (31, 17), (40, 67)):
        image = torch.rand(1, 3, height, width)
        with torch.no_grad():
            expected = network(image).numpy()
        (found,) = session.run(None, {"input": image.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-4)


@SOME
def test_tiles_equal_the_whole_image(spec: Spec) -> None:
    network = lively(build(spec, seed=0))
    image = np.random.default_rng(0).integers(0, 256, (70, 97, 3), dtype=np.uint8)
    tiled = network_upscaler(network, tile=32)(image)
    differing = np.abs(tiled.astype(int) - network_upscaler(network, tile=512)(image))
    assert differing.max() <= 1  # rounding, where sums are in another order
    assert (differing > 0).mean() < 1e-3


@SOME
def test_reach_is_not_stated_too_small(spec: Spec) -> None:
    """A pixel further away than the halo changes nothing."""
    network, tiling = lively(build(spec, seed=0)), network_tiling(spec)
    side = 2 * tiling.halo + 2 * tiling.step
    image = torch.rand(1, 3, side, side)
    other = image.clone()
    other[..., 0, 0] += 1
    with torch.no_grad():
        changed = (network(other) - network(image)).abs().sum(dim=1)[0]
    beyond = (tiling.halo + tiling.step) * spec.scale
    assert float(changed[beyond:, :].sum() + changed[:, beyond:].sum()) == 0
    assert float(changed.sum()) > 0


@SOME
def test_weights_come_back_from_our_file_and_from_a_bare_checkpoint(spec: Spec, tmp_path: Path) -> None:
    network = lively(build(spec, seed=0))
    save_weights(network.state_dict(), spec, tmp_path / "weights.safetensors")
    loaded = load_network(tmp_path / "weights.safetensors")
    assert loaded.spec == spec
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True)
    )
    # The deployed form under the trained one's name, as a bundle has it.
    save_weights(network.deployed().state_dict(), spec, tmp_path / "deployed.safetensors")
    assert load_network(tmp_path / "deployed.safetensors").spec.digest == spec.deployed.digest
    if not importlib.import_module(f"nas_sr.families.{spec.family}.foreign").NAMINGS:
        return
    # As others keep weights: no spec inside, a prefix, a dictionary around.
    inside = {f"module.{key}": tensor for key, tensor in network.deployed().state_dict().items()}
    torch.save({"params_ema": inside}, tmp_path / "bare.pth")
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    assert load_network(tmp_path / "bare.pth").spec.digest == spec.deployed.digest


@FAMILY
def test_features_have_one_set_of_names_and_are_equal_for_equal_networks(name: str) -> None:
    specs = [*members(name, 10), *variants(name)]
    names = {tuple(family_of(spec).features(spec)) for spec in specs}
    assert len(names) == 1
    assert all(math.isfinite(value) for spec in specs for value in family_of(spec).features(spec).values())
    rows = matrix([*specs, *specs])
    np.testing.assert_array_equal(rows[: len(specs)], rows[len(specs) :])


@FAMILY
def test_terms_of_a_prediction_grow_with_the_image(name: str) -> None:
    spec = members(name, 1)[0]
    small, large = (np.array(Roofline(side, side, "fp32").terms(spec, 8)) for side in (64, 128))
    assert (large >= small).all()
    assert large[0] + large[2] > 3.9 * (small[0] + small[2])


@FAMILY
def test_tensorrt_for_rtx_builds_the_smallest_preset(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX, which is there for Linux on x86_64")
    from nas_sr.measure.ahead_of_time import build_ahead

    smallest = min(family(name).presets.values(), key=lambda spec: counts(spec).macs_g)
    export_untrained(smallest, tmp_path / "n.onnx", (64, 96))
    built = build_ahead(tmp_path / "n.onnx", "8.6", "fp16", 64, 96)
    assert len(built.layers) > 3
