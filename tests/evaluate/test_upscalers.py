"""One network in two runtimes, 8 and 16 bits, grey and colour, and files that cannot be run."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from nas_sr.errors import UsageError
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.models import model_upscaler
from nas_sr.evaluate.onnx_upscaler import onnx_upscaler
from nas_sr.evaluate.upscalers import CannotUpscale, network_upscaler
from nas_sr.export.bundle import write_weights
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.measure.onnx_export import export_onnx

RANDOM = np.random.default_rng(0)
SPEC = ImdeceptionSpec(core=4, gidbs=3, depth=1, head=8, nla_after=(1, 2), scale=2)
IMAGE = RANDOM.integers(0, 256, (71, 45, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    network = build(SPEC, seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.05)
    write_weights(folder, network)
    return folder


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_both_runtimes_give_the_same_pixels_in_tiles_and_whole(bundle: Path, kind: type) -> None:
    image = IMAGE.astype(kind) * (257 if kind is np.uint16 else 1)
    expected = model_upscaler(bundle)(image)
    largest = 1e-4 * np.iinfo(kind).max + 1  # of what an export may differ, and a half-way value rounded up or down
    for tile in (32, 512):
        for path in (bundle, bundle / "model.onnx"):
            found = model_upscaler(path, "onnxruntime", tile=tile)(image)
            assert found.dtype == kind
            assert found.shape == (142, 90, 3)
            assert np.abs(found.astype(int) - expected).max() <= largest
    whole, tiled = (onnx_upscaler(bundle / "model.onnx", tile)(image) for tile in (512, 32))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_onnx_file_alone_knows_how_to_be_tiled(bundle: Path, tmp_path: Path) -> None:
    alone = tmp_path / "renamed.onnx"
    alone.write_bytes((bundle / "model.onnx").read_bytes())
    assert onnx_upscaler(alone).tiling == network_upscaler(build(SPEC, 0)).tiling


def test_onnx_file_of_an_older_bundle_has_its_spec_beside_it(bundle: Path, tmp_path: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(UsageError, match=r"no spec in its metadata and no spec\.json beside it"):
        onnx_upscaler(tmp_path / "model.onnx")
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_json()))
    assert onnx_upscaler(tmp_path / "model.onnx").scale == 2
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.at_scale(4).to_json()))
    with pytest.raises(UsageError, match="does not enlarge by 4"):
        onnx_upscaler(tmp_path / "model.onnx")


def test_sixteen_bits_are_more_than_eight(bundle: Path) -> None:
    """A ramp finer than 8 bits stays finer than 8 bits."""
    ramp = np.linspace(20_000, 22_000, 64).astype(np.uint16)
    image = np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy()
    for upscaler in (network_upscaler(build(SPEC.at_scale(4), seed=0)), bicubic(4)):
        large = upscaler(image)
        assert large.dtype == np.uint16
        assert len(np.unique(large)) > 60
        assert (
            np.abs(large[100, 8:-8, 1].astype(int) - np.interp(np.arange(8, 248) / 4 - 0.375, range(64), ramp)).max()
            < 40
        )


def test_grey_is_the_luminance_of_what_the_network_makes_of_it(bundle: Path) -> None:
    upscaler = model_upscaler(bundle)
    grey = IMAGE[:, :, :1]
    large = upscaler(grey)
    assert large.shape == (142, 90, 1)
    colour = upscaler(np.repeat(grey, 3, axis=2))
    assert np.array_equal(large[:, :, 0], np.rint(colour @ [0.299, 0.587, 0.114]).astype(np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_images_of_a_few_pixels(bundle: Path, size: tuple[int, int]) -> None:
    image = RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)
    for upscaler in (model_upscaler(bundle), model_upscaler(bundle, "onnxruntime"), bicubic(2)):
        assert upscaler(image).shape == (2 * size[0], 2 * size[1], 3)


def test_output_that_is_not_finite_is_said(bundle: Path) -> None:
    network = build(SPEC, seed=0)
    with torch.no_grad():
        network.out.bias[0] = float("inf")
    with pytest.raises(CannotUpscale, match="not finite"):
        network_upscaler(network)(IMAGE)


def test_what_cannot_be_run_is_said_in_a_line(bundle: Path, tmp_path: Path) -> None:
    export_onnx(build(SPEC, 0), tmp_path / "fixed.onnx", (32, 48))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_json()))
    for path, words in [
        (tmp_path / "fixed.onnx", "takes images of 48x32 pixels; a file for any height and width"),
        (tmp_path / "broken.onnx", r"plain text, or an ONNX file that is broken; expected is an ONNX file"),
        (tmp_path / "none.onnx", "no ONNX file there"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            model_upscaler(path)
        assert str(raised.value).startswith(str(path))
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match=r"takes a bundle or an \.onnx file"):
        model_upscaler(bundle / "weights.safetensors", "onnxruntime")
    with pytest.raises(UsageError, match="device 'abacus' cannot be used"):
        model_upscaler(bundle, device="abacus")
