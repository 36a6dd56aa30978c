"""The compact family against Real-ESRGAN's layout as spandrel reads it, and its branches against one convolution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas_sr.errors import UsageError
from nas_sr.families.compact.network import Network
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import FamilyNetwork, build
from nas_sr.families.weights import load_network, save_weights
from tests.families.compact.spandrels_reader import spandrel

SPECS = st.builds(
    CompactSpec,
    scale=st.sampled_from([2, 3, 4]),
    width=st.integers(4, 20),
    depth=st.integers(0, 4),
    activation=st.sampled_from(["prelu", "relu", "leaky_relu"]),
    skip=st.sampled_from(["nearest", "none"]),
    branches=st.sampled_from(["none", "sum", "expand"]),
)


def trained(spec: CompactSpec, seed: int = 0) -> FamilyNetwork:
    """Weights unlike the start's, in every branch."""
    network, generator = build(spec, seed=seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@settings(max_examples=40)
@given(spec=SPECS, height=st.integers(1, 9), width=st.integers(1, 9))
def test_branches_fold_into_one_convolution_exactly_to_the_borders(spec: CompactSpec, height: int, width: int) -> None:
    # In double precision: what is asked is whether the sums are the same, not how they round.
    network, generator = trained(spec).double(), torch.Generator().manual_seed(height)
    image = torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64)
    folded = network.deployed()
    assert [type(layer) for layer in folded.body[::2]] == [nn.Conv2d] * (spec.depth + 2)
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(folded(image), expected, atol=1e-9, rtol=1e-9)
        again = build(spec, seed=7).eval().double().load_deployed(folded.state_dict())
        torch.testing.assert_close(again(image), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("branches", ["sum", "expand"])
def test_branches_start_as_the_plain_chain_and_all_of_them_learn(branches: str) -> None:
    image = torch.rand(1, 3, 12, 12)
    network = build(CompactSpec(width=8, depth=2, branches=branches), seed=3)
    with torch.no_grad():
        interpolated = build(CompactSpec(width=8, depth=2), seed=3)(image)
        torch.testing.assert_close(network(image), interpolated, atol=1e-5, rtol=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.l1_loss(network(image), torch.full((1, 3, 48, 48), 0.3)).backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize(
    "spec",
    [
        *(CompactSpec(width=width, depth=depth) for width, depth in ((4, 0), (16, 4), (24, 8), (64, 16), (13, 5))),
        CompactSpec(width=16, depth=3, activation="relu", scale=2),
        CompactSpec(width=16, depth=3, activation="leaky_relu", scale=3),
        CompactSpec(width=16, depth=3, branches="sum"),
    ],
    ids=CompactSpec.label,
)
def test_spandrel_loads_an_export_without_an_adapter(spec: CompactSpec, tmp_path: Path) -> None:
    loader = spandrel().ModelLoader()
    network = trained(spec)
    save_weights(network.deployed().state_dict(), spec, tmp_path / "weights.safetensors")
    loaded = loader.load_from_file(tmp_path / "weights.safetensors")
    assert loaded.architecture.name == "RealESRGAN Compact"
    assert loaded.scale == spec.scale
    image = torch.rand(1, 3, 17, 22)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(image), network(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky_relu"])
def test_a_checkpoint_without_a_spec_is_recognised_by_its_weights(activation: str, tmp_path: Path) -> None:
    spec = CompactSpec(width=12, depth=5, activation=activation, scale=3)
    network = trained(spec)
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.spec == spec
    image = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network(image), atol=0, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("body.1.weight"),  # no slopes: a chain with ReLU, which does not say so
        lambda state: state.update({"body.2.weight": torch.rand(8, 8, 5, 5)}),
        lambda state: state.update({"body.0.weight": torch.rand(8, 1, 3, 3)}),
        lambda state: state.update({"body.6.weight": torch.rand(10, 8, 3, 3), "body.6.bias": torch.rand(10)}),
        lambda state: state.update({"body.9.weight": torch.rand(8)}),
    ],
)
def test_what_is_no_such_chain_is_refused(change, tmp_path: Path) -> None:
    state = Network(CompactSpec(width=8, depth=2)).state_dict()
    change(state)
    torch.save(dict(state), tmp_path / "net.pth")
    with pytest.raises(UsageError, match=r"net.pth: a checkpoint with weights of .*expected is a bundle"):
        load_network(tmp_path / "net.pth")


def test_relu_and_leaky_relu_have_slopes_that_do_not_learn() -> None:
    network = Network(CompactSpec(width=8, depth=1, activation="leaky_relu"))
    assert "body.1.weight" in network.state_dict()
    assert "body.1.weight" not in dict(network.named_parameters())


def test_labels_say_what_differs() -> None:
    assert CompactSpec().label() == "w24x8"
    spec = CompactSpec(width=16, depth=4, activation="relu", skip="none", branches="expand")
    assert spec.label() == "w16x4 relu no skip expand"
    assert spec.deployed.label() == "w16x4 relu no skip"
