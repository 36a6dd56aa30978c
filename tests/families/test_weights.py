"""Weights files: exact round trips, and broken ones named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas_sr.errors import UsageError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.weights import load_network, save_weights

SPEC = ImdeceptionSpec(core=4, gidbs=2, head=8, nla_after=(1,))


def _same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_file_and_bundle_give_the_network_back(tmp_path: Path) -> None:
    network = build(SPEC, seed=3)
    save_weights(network.state_dict(), SPEC, tmp_path / "weights.safetensors")
    for place in (tmp_path, tmp_path / "weights.safetensors"):
        loaded = load_network(place)
        assert loaded.spec == SPEC
        assert _same(loaded, network)


def test_published_names_are_ours(official_weights: Path) -> None:
    network = load_network(official_weights)
    published = torch.load(official_weights, weights_only=True)
    assert network.spec == preset("imdeception-c16-nla")
    parts = [published[f"block2.conv1.conv0.conv2d_block.{index}.weight"] for index in range(4)]
    assert torch.equal(network.gidbs[1].gblocks[1].grouped.weight, torch.cat(parts))
    assert torch.equal(network.nlas[1].qkv.bias, published["self_attention2.conv_phi_theta_g.bias"])
    assert sum(tensor.numel() for tensor in published.values()) == 316_552


def test_broken_and_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    state = build(SPEC, seed=0).state_dict()
    save_weights(state, SPEC, good)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-100])
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, foreign)
    other = tmp_path / "other.safetensors"
    save_weights(state, ImdeceptionSpec(core=4, gidbs=2, head=9, nla_after=(1,)), other)
    missing = tmp_path / "missing.safetensors"
    save_weights({name: tensor for name, tensor in state.items() if name != "out.bias"}, SPEC, missing)
    infinite = tmp_path / "infinite.safetensors"
    save_weights({**state, "out.bias": state["out.bias"] / 0}, SPEC, infinite)
    pickled = tmp_path / "odd.pth"
    torch.save({"state": {"a": torch.zeros(2)}}, pickled)
    unsafe = tmp_path / "unsafe.pth"
    torch.save(torch.nn.Linear(2, 2), unsafe)
    nothing = tmp_path / "nothing.pth"
    nothing.write_bytes(b"")
    for path, words in [
        (cut, "a safetensors file that is cut short or broken; expected is"),
        (foreign, r"weights of another network \(weight 3\); expected is"),
        (other, r"\d+ of \d+ parameters differ: head\.weight \(8x3x3x3, here 9x3x3x3\), .*, \.\.\."),
        (missing, r"1 of \d+ parameters differ: out\.bias \(absent, here 48\)"),
        (infinite, r"out\.bias holds values that are not finite"),
        (pickled, r"weights of another network \(a 2\); expected is"),
        (unsafe, r"a pickled module .*torch.nn.modules.linear.Linear.*; expected is .*state_dict"),
        (nothing, "an empty file; expected is"),
        (tmp_path / "none.pth", "no weights there"),
        (tmp_path, "no weights there"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            load_network(path)
        assert "\n" not in str(raised.value)
        assert str(path) in str(raised.value)
