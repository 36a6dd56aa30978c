"""Checkpoints as people have them: ours inside anything loads, all else is refused in words of our own."""

from __future__ import annotations

import collections
import io
import json
import pathlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from nas_sr.errors import UsageError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.torch_file import NotLoadable, read_torch_file
from nas_sr.families.weights import EXPECTED, load_network, save_weights
from tests.conftest import BESIDE

SPEC = ImdeceptionSpec(core=4, gidbs=2, depth=2, head=8, groups=2)
STATE = {name: tensor.clone() for name, tensor in build(SPEC, seed=3).state_dict().items()}
SMALL = st.builds(
    ImdeceptionSpec,
    scale=st.integers(2, 4),
    core=st.integers(1, 6).map(lambda n: 2 * n),
    groups=st.sampled_from([1, 2, 4, 6]),
    gidbs=st.integers(1, 3),
    depth=st.integers(1, 3),
    split=st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]),
    head=st.integers(3, 12),
)


def _under(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def _published_names(state: dict[str, Tensor], spec: ImdeceptionSpec) -> dict[str, Tensor]:
    """A state as the paper's code names it, with each group's convolution of its own."""
    names = {"head": "feat_conv0", "tail_fuse": "conv_fuse0", "tail_expand": "conv_fuse1", "out": "conv_out"}
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        path = module.split(".")
        if path[0] in names:
            found[f"{names[path[0]]}.{kind}"] = tensor
        elif path[2] == "fuse":
            found[f"block{int(path[1]) + 1}.conv_fuse0.{kind}"] = tensor
        else:
            place = f"block{int(path[1]) + 1}.conv{path[3]}{'_shal' if int(path[3]) == spec.depth - 1 else ''}"
            if path[4] == "mix":
                found[f"{place}.conv1.{kind}"] = tensor
            else:
                for group, part in enumerate(tensor.chunk(spec.groups)):
                    found[f"{place}.conv0.conv2d_block.{group}.{kind}"] = part.clone()
    return found


LIGHTNING = {"epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.4.0", "loops": {"fit_loop": {"state": {}}}}
OPTIMIZER = torch.optim.Adam([nn.Parameter(torch.zeros(3))]).state_dict()

HOLDERS: dict[str, Any] = {
    "flat": STATE,
    "Lightning": {
        **LIGHTNING,
        "state_dict": {
            **_under("model."),
            "loss.vgg.features.0.weight": torch.zeros(4, 3, 3, 3),
            "metric.sum": torch.zeros(()),
        },
        "optimizer_states": [OPTIMIZER],
        "callbacks": {
            "ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(3.0), "best_model_path": "a"}
        },
        "hyper_parameters": {"lr": 1e-3, "betas": (0.9, 0.99), "seed": 2**62},
    },
    "Lightning, compiled": {**LIGHTNING, "state_dict": _under("net._orig_mod.")},
    "BasicSR": {"params": STATE},
    "BasicSR, averaged": {"params": {name: tensor + 1 for name, tensor in STATE.items()}, "params_ema": STATE},
    "DataParallel": _under("module."),
    "compiled DataParallel": _under("_orig_mod.module."),
    "AveragedModel": {**_under("module."), "n_averaged": torch.tensor(3)},
    "net_g": _under("net_g."),
    "the same twice": {"model": STATE, "state_dict": STATE},
    "GAN": {"generator": STATE, "discriminator": {"conv.weight": torch.zeros(3)}, "optimizer": OPTIMIZER},
    "deep": {"checkpoint": {"model": {"state_dict": _under("student.body.")}}},
    "published": _published_names(STATE, SPEC),
    "published in Lightning": {**LIGHTNING, "state_dict": _under("model.", _published_names(STATE, SPEC))},
    "ordered, as parameters": collections.OrderedDict((name, nn.Parameter(tensor)) for name, tensor in STATE.items()),
    "double": {name: tensor.double() for name, tensor in STATE.items()},
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("new_format", [True, False])
def test_our_network_loads_from_whatever_holds_it(holder: str, new_format: bool, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.ckpt"
    torch.save(HOLDERS[holder], path, _use_new_zipfile_serialization=new_format)
    network = load_network(path)
    assert network.spec.digest == SPEC.digest
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in network.state_dict().items())


def test_safetensors_of_others_load_too(tmp_path: Path) -> None:
    save_file(_under("model."), tmp_path / "model.safetensors")
    assert load_network(tmp_path / "model.safetensors").spec.digest == SPEC.digest


def test_name_that_is_no_text_loads(tmp_path: Path) -> None:
    path = tmp_path / b"weights\xff.pth".decode(errors="surrogateescape")
    torch.save(STATE, tmp_path / "plain")
    (tmp_path / "plain").rename(path)
    assert load_network(path).spec.digest == SPEC.digest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(spec=SMALL)
def test_shapes_tell_every_network_without_attention(spec: ImdeceptionSpec, tmp_path: Path) -> None:
    torch.save(build(spec, 0).state_dict(), tmp_path / "a.pth")
    assert load_network(tmp_path / "a.pth").spec.digest == spec.digest


def test_places_of_attention_come_from_the_paper_or_from_a_spec_beside(tmp_path: Path) -> None:
    papers = preset("imdeception-c4-nla")
    path = tmp_path / "a.pth"
    torch.save(build(papers, 0).state_dict(), path)
    assert load_network(path).spec.digest == papers.digest
    other = SPEC.model_copy(update={"nla_after": (1,)})
    torch.save(build(other, 0).state_dict(), path)
    with pytest.raises(UsageError, match=r"1 attentions.*do not tell the places.*put its spec.json beside"):
        load_network(path)
    (tmp_path / "spec.json").write_text(json.dumps(other.to_json()))
    assert load_network(path).spec.digest == other.digest
    (tmp_path / "spec.json").write_text(json.dumps(papers.to_json()))
    with pytest.raises(UsageError, match="do not tell the places"):
        load_network(path)


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)


def _keys(*names: str) -> dict[str, Tensor]:
    return {name: torch.zeros(2, 2) for name in names}


ESRGAN = _keys("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight")
FOREIGN: list[tuple[Any, str]] = [
    (Mine(), r"a pickled module .*Mine"),
    (nn.Sequential(nn.Conv2d(3, 3, 3)), r"a pickled module .*Sequential"),
    ({"model": Mine(), "epoch": 3}, r"a checkpoint with Python objects in it \(.*Mine"),
    ({**LIGHTNING, "state_dict": STATE, "hyper_parameters": {"data": pathlib.PurePosixPath("a")}},
     r"a Lightning checkpoint with Python objects in it \(pathlib.PurePosixPath\).*save\(checkpoint\['state_dict'\]"),
    ({**LIGHTNING, "state_dict": _keys("model.conv.weight")}, "a Lightning checkpoint with weights of another network"),
    ({**LIGHTNING, "state_dict": _under("net.", ESRGAN)}, "a Lightning checkpoint with weights of ESRGAN"),
    ({"params_ema": ESRGAN}, r"a checkpoint with weights of ESRGAN"),
    (_keys("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), "weights of ESRGAN"),
    (_keys("fea_conv.weight", "B1.c1_d.weight", "B1.esa.conv1.weight", "c.0.weight"), "weights of RFDN"),
    (_keys("fea_conv.weight", "IMDB1.c1.weight", "IMDB1.cca.conv_du.0.weight"), "weights of IMDN"),
    (_keys("head.0.weight", "body.0.body.0.weight", "tail.1.weight", "sub_mean.weight"), "weights of EDSR"),
    (_keys("module.layers.0.residual_group.blocks.0.attn.relative_position_bias_table"), "weights of SwinIR"),
    (_keys("features.0.weight", "features.2.weight", "classifier.0.weight"), "weights of VGG"),
    (OPTIMIZER, "the state of an optimizer"),
    ({"epoch": 1, "iter": 5, "optimizers": [OPTIMIZER], "schedulers": [{}]}, "the state of an optimizer"),
    ({}, "a checkpoint without any named tensor"),
    (torch.zeros(3), "a single tensor of torch.save"),
    ([torch.zeros(3)], "a Python list of torch.save"),
    ("text", "a Python str of torch.save"),
    (5, "a Python int of torch.save"),
    ({"teacher." + k: v for k, v in STATE.items()} | {"student." + k: v for k, v in STATE.items()},
     r"several networks \(teacher, student\)"),
    ({k: v for k, v in STATE.items() if "gidbs.0." in k}, "with a part of an IMDeception network"),
    ({**STATE, "gidbs.1.fuse.weight": torch.zeros(3, 3, 1, 1)}, r"1 of \d+ parameters differ: gidbs.1.fuse.weight"),
    ({**STATE, "gidbs.5.fuse.weight": torch.zeros(8, 8, 1, 1)}, "with a part of an IMDeception network"),
    ({k: v for k, v in STATE.items() if k != "head.bias"}, r"head.bias \(absent"),
    ({**STATE, "head.bias": STATE["head.bias"].long()}, "head.bias is of type int64"),
    ({**STATE, "head.bias": STATE["head.bias"] / 0}, "head.bias holds values that are not finite"),
    ({**STATE, "out.bias": torch.zeros(1).expand(48)}, "out.bias does not hold all its values"),
    ({**STATE, "out.bias": torch.zeros(48).to_sparse()}, r"Python objects in it \(torch._utils._rebuild_sparse_tensor"),
    (bytearray(10), r"a pickled module or other Python object \(.*bytearray"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FOREIGN)))
def test_what_holds_no_network_of_ours_is_named(number: int, tmp_path: Path) -> None:
    value, words = FOREIGN[number]
    for new_format in (True, False):
        path = tmp_path / "a.pth"
        torch.save(value, path, _use_new_zipfile_serialization=new_format)
        _refused(path, words)


def _refused(path: Path, words: str) -> None:
    """In one line of our own: nothing of torch's advice, no colours."""
    with pytest.raises(UsageError, match=words) as raised:
        load_network(path)
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    assert text.removeprefix(str(path)).isprintable()
    for foreign in (
        "Weights only",
        "weights_only",
        "PyTorch 2.6",
        "trust",
        "Unpickler",
        "Traceback",
        "PytorchStreamReader",
    ):
        assert foreign not in text
    assert EXPECTED in text or "parameters differ" in text or "not weights of" in text


@pytest.mark.skipif(not (BESIDE / "cases").is_dir(), reason="needs shared/cases beside the project")
def test_cases_of_others(tmp_path: Path) -> None:
    _refused(
        BESIDE / "cases" / "whole-model.pth", r"a pickled module .*\(__main__.Mine, torch.nn.modules.conv.Conv2d\)"
    )
    _refused(BESIDE / "cases" / "script.pt", r"a TorchScript program")


@pytest.mark.parametrize("new_format", [True, False])
def test_every_truncation_is_refused(new_format: bool, tmp_path: Path) -> None:
    torch.save({"state_dict": STATE}, tmp_path / "whole", _use_new_zipfile_serialization=new_format)
    save_weights(STATE, SPEC, tmp_path / "ours")
    for name in ("whole", "ours"):
        whole = (tmp_path / name).read_bytes()
        cut = tmp_path / "cut.pth"
        for length in sorted(
            {0, 1, 7, 8, 9, 30, 100, len(whole) - 1, len(whole) - 30, *range(0, len(whole), len(whole) // 25)}
        ):
            cut.write_bytes(whole[:length])
            _refused(cut, "expected is")


def test_length_that_no_memory_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    content = bytearray(path.read_bytes())
    content[20] = 0x8D  # begins a text whose length is in the eight bytes that follow
    path.write_bytes(content)
    _refused(path, "expected is")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=st.binary(max_size=300), data=st.data())
def test_damaged_files_are_refused_or_load(content: bytes, data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    form = data.draw(st.sampled_from(["random", "zip", "old", "safetensors"]))
    if form != "random":
        if form == "safetensors":
            save_weights(STATE, SPEC, path)
        else:
            torch.save(STATE, path, _use_new_zipfile_serialization=form == "zip")
        whole = path.read_bytes()
        at = data.draw(st.integers(0, len(whole)))
        content = whole[:at] + content + whole[at + len(content) :]
    path.write_bytes(content)
    said = ""
    try:
        load_network(path)
    except UsageError as error:
        said = str(error)
    assert said.removeprefix(str(path)).isprintable()


def _repacked(path: Path, edit: Any = lambda pickle: pickle, compression: int = zipfile.ZIP_STORED) -> None:
    """Packs a file of torch.save again, with another pickle inside."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, edit(content) if name.endswith("data.pkl") else content)


def test_bombs_do_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(10**7)}, path)
    _repacked(path, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    _refused(path, "packed again, with compression")

    torch.save({"a": torch.zeros(300)}, path)
    _repacked(path, lambda pickle: pickle.replace(b"M\x2c\x01", b"J\x00\x00\x00\x40"))  # 300 values become 2**30
    _refused(path, "cut short or broken")

    torch.save({"a": torch.zeros(300)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"M\x2c\x01", b"J\x00\x00\x00\x40"))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: pytest.fail("4 GB would be taken before any of it is read"))
        _refused(path, "cut short or broken")

    nothing: dict[str, Any] = {}
    for _ in range(60):  # 2**60 paths through 60 dictionaries
        nothing = {"a": nothing, "b": nothing}
    torch.save(nothing, path)
    _refused(path, "without any named tensor")

    torch.save(torch.zeros(1).expand(10**9, 10**9), path)
    _refused(path, "a single tensor")


def test_nothing_in_a_pickle_is_called(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return print, ("harm",)

    path = tmp_path / "a.pth"
    for value in (Harm(), {"state_dict": STATE, "more": Harm()}):
        for new_format in (True, False):
            torch.save(value, path, _use_new_zipfile_serialization=new_format)
            _refused(path, r"Python object.*builtin.*print")
    assert "harm" not in capfd.readouterr().out


def test_folders_say_what_is_in_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no weights there"):
        load_network(tmp_path)
    torch.save(STATE, tmp_path / "last.ckpt")
    with pytest.raises(UsageError, match=r"give one of the files in it \(last.ckpt\)"):
        load_network(tmp_path)
    (tmp_path / "study.yaml").write_text("")
    with pytest.raises(UsageError, match="a study, not one network; name a trial of it by STUDY:TRIAL"):
        load_network(tmp_path)


def test_large_file_is_read_lazily(tmp_path: Path) -> None:
    """A checkpoint of many gigabytes costs no memory but that of our network."""
    path = tmp_path / "large.ckpt"
    torch.save({"state_dict": STATE, "optimizer": {"moments": torch.zeros(2 * 10**7)}}, path)
    value = read_torch_file(path)
    resident = sum(
        int(line.split()[1])
        for line in _mapping(Path("/proc/self/smaps").read_text(), str(path))
        if line.startswith("Rss:")
    )
    assert value["optimizer"]["moments"].numel() == 2 * 10**7
    assert resident < 8_000  # kB, of 80 MB


def _mapping(smaps: str, path: str) -> list[str]:
    lines = smaps.splitlines()
    start = next(number for number, line in enumerate(lines) if line.endswith(path))
    return lines[start : start + 8]


def test_other_kinds_of_file_are_not_read_as_torch(tmp_path: Path) -> None:
    path = tmp_path / "page.ckpt"
    path.write_text("<html>")
    with pytest.raises(NotLoadable, match="a web page"):
        read_torch_file(path)
    file = io.BytesIO()
    torch.save({}, file)
    path.write_bytes(file.getvalue())
    assert read_torch_file(path) == {}
