"""The training of a supernet as a user meets it: it learns, it goes on to the bit, and it refuses what cannot be."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from nas_sr.cli.main import run
from nas_sr.config import Phase
from nas_sr.data.image_sets import image_sets
from nas_sr.errors import UsageError
from nas_sr.families import sharing
from nas_sr.space import read_space
from nas_sr.supernet.stored import load_supernet, read_about
from nas_sr.supernet.subject import SupernetSubject
from nas_sr.supernet.supernet import Supernet
from nas_sr.supernet.training import Recipe, train_supernet
from nas_sr.train.losses import pixel_loss

SPACE = """
title: small
scale: 4
fixed: {split: 2, head: 16, depth: 1}
parameters:
  core: [2, 4]
  groups: [1, 2]
  gidbs: {low: 2, high: 3}
"""
QUICK = (
    "--steps",
    "4",
    "--members-per-step",
    "2",
    "--crops",
    "2",
    "--watched",
    "2",
    "--validation-megapixels",
    "0.02",
)


@pytest.fixture(scope="module")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "small.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def train(space_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the verb in `tmp_path / out` and gives exit status, standard output and standard error."""

    def call(*options: str, out: str = "out", space: str | None = None) -> tuple[int, str, str]:
        status = run(["supernet", "train", space or str(space_file), "--out", str(tmp_path / out), *options])
        said = capsys.readouterr()
        return status, said.out, " ".join(said.err.split())

    return call


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_supernet(path).state_dict()


def same(one: Path, other: Path) -> bool:
    mine, theirs = weights(one), weights(other)
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_killed_and_continued_ends_with_the_same_weights(
    train: Callable[..., tuple[int, str, str]], space_file: Path, tmp_path: Path
) -> None:
    # Which way a step is fastest is measured, and may come out otherwise in another run.
    recipe = Recipe(
        steps=8,
        members_per_step=2,
        crops=2,
        watched=2,
        validation_megapixels=0.02,
        precision="fp32",
        memory_format="contiguous",
    )
    whole = train_supernet(read_space(str(space_file)), tmp_path / "whole", recipe, quiet=True)
    killed = tmp_path / "killed"
    program = f"""
from pathlib import Path
from nas_sr.space import read_space
from nas_sr.supernet.training import Recipe, train_supernet
recipe = Recipe({", ".join(f"{k}={v!r}" for k, v in recipe)})
train_supernet(read_space({str(space_file)!r}), Path({str(killed)!r}), recipe)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr
    try:
        for line in process.stderr:
            if line.startswith(("step 2/8", "step 3/8")):
                break
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (killed / "supernet.safetensors").exists()

    status, _, said = train(*QUICK, out="killed")
    assert status == 2
    assert "continue it with --resume" in said
    status, printed, said = train("--resume", "--json", out="killed")
    assert status == 0
    assert "resumed after step" in said
    found = json.loads(printed)
    assert (found["steps"], found["psnr_db"]) == (8, whole.psnr_db)
    assert len(found["psnr_db"]) == 2
    assert "PSNR [dB] of" in said
    assert all(label in said for label in found["psnr_db"])
    assert same(killed, tmp_path / "whole")
    assert read_about(killed).psnr_db == whole.psnr_db


def test_members_learn(space_file: Path, tmp_path: Path) -> None:
    """All of them, from the interpolator that they start as; and the file says what its weights reach."""
    recipe = Recipe(steps=40, members_per_step=2, crops=2, watched=2, validation_megapixels=0.02, learning_rate=3e-3)
    space = read_space(str(space_file))
    before = Supernet(space)
    before.initialise(0)
    trained = train_supernet(space, tmp_path / "out", recipe, quiet=True)
    subject = SupernetSubject(recipe.config(space))
    val = image_sets(None, None, 4, 16).val
    start = subject.psnr_db(before, val, lambda: None)
    assert all(trained.psnr_db[label] > start[label] + 0.02 for label in start)
    assert subject.psnr_db(load_supernet(trained.path), val, lambda: None) == trained.psnr_db


@pytest.mark.parametrize("changes", [{}, {"distil": True}, {"draw": "sandwich"}])
def test_shares_of_a_batch_add_up_to_it(space_file: Path, changes: dict[str, object]) -> None:
    """Whatever images a process or a part of a step has, each goes to the member that it is for."""
    config = Recipe(members_per_step=3, crops=2, **changes).config(read_space(str(space_file)))
    subject = SupernetSubject(config)
    start = Supernet(read_space(str(space_file)))
    start.initialise(0)
    network = subject.network(start.spec, start.state_dict())
    lr, hr, phase = torch.rand(6, 3, 8, 8), torch.rand(6, 3, 32, 32), config.training.phases[0]

    def gradients(*cuts: int) -> tuple[float, list[torch.Tensor]]:
        network.zero_grad(set_to_none=True)
        total = 0.0
        for first, end in zip((0, *cuts), (*cuts, 6), strict=True):
            part = slice(first, end)
            loss = subject.objective(network, phase, lr[part], hr[part], 5, first) * (end - first) / 6
            loss.backward()
            total += float(loss.detach())
        return total, [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    whole, at_once = gradients()
    parts, added_up = gradients(1, 3, 4)
    assert parts == pytest.approx(whole, rel=1e-5)
    assert len(at_once) == len(list(network.parameters()))
    for one, other in zip(at_once, added_up, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_a_step_is_the_mean_loss_of_its_members(space_file: Path) -> None:
    space = read_space(str(space_file))
    config = Recipe(members_per_step=2, crops=1).config(space)
    subject = SupernetSubject(config)
    start = Supernet(space)
    start.initialise(0)
    network = subject.network(start.spec, start.state_dict())
    lr, hr, phase = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32), config.training.phases[0]
    drawn = subject.members.drawn(config.training.seed, 9, 2, "uniform")
    with torch.no_grad():
        losses = [pixel_loss(phase, start.extract(s)(lr[i : i + 1]), hr[i : i + 1]) for i, s in enumerate(drawn)]
        found = subject.objective(network, phase, lr, hr, 9, 0)
    assert float(found) == pytest.approx(float(sum(losses)) / 2, rel=1e-5)


def test_distillation_draws_the_others_to_the_costliest(space_file: Path) -> None:
    space = read_space(str(space_file))
    config = Recipe(members_per_step=2, crops=1, distil=True).config(space)
    subject = SupernetSubject(config)
    start = Supernet(space)
    start.initialise(0)
    with torch.no_grad():
        for parameter in start.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    network = subject.network(start.spec, start.state_dict())
    lr, hr, phase = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32), config.training.phases[0]
    largest, other = subject.members.drawn(0, 9, 2, "uniform", largest_first=True)
    outputs = [start.extract(spec)(lr[1:]).detach() for spec in (largest, other)]
    with torch.no_grad():
        found = float(subject.objective(network, phase, lr[1:], hr[1:], 9, 1))
    taught = (pixel_loss(phase, outputs[1], hr[1:]) + pixel_loss(phase, outputs[1], outputs[0])) / 2
    assert found == pytest.approx(float(taught), rel=1e-5)


def test_a_subject_travels_to_another_process(space_file: Path) -> None:
    config = Recipe().config(read_space(str(space_file)))
    assert pickle.loads(pickle.dumps(SupernetSubject(config))).members == SupernetSubject(config).members


def test_only_allowed_members_are_trained(space_file: Path, tmp_path: Path) -> None:
    """As a latency limit would have it."""
    space = read_space(str(space_file))
    recipe = Recipe(steps=2, members_per_step=2, crops=1, watched=4, validation_megapixels=0.02)
    trained = train_supernet(space, tmp_path, recipe, allowed=lambda spec: "c2" in spec.label(), quiet=True)
    assert trained.psnr_db
    assert all(label.startswith("c2") for label in trained.psnr_db)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--draw", "sandwitch"), "draw: Input should be 'uniform', 'sandwich' or 'cost-weighted'"),
        (("--draw", "sandwich", "--members-per-step", "1"), "sandwich needs members_per_step of 2 at least"),
        (("--max-macs-g", "0"), "max_macs_g: Input should be greater than 0"),
        (("--max-macs-g", "0.001"), "at most 0.001 are allowed"),
        (("--learning-rate", "2"), "learning_rate: Input should be less than or equal to 1"),
        (("--steps", "0"), "Invalid value for '--steps'"),
        (("--resume",), "nothing to resume"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    train: Callable[..., tuple[int, str, str]], options: tuple[str, ...], said: str
) -> None:
    status, printed, found = train(*options)
    assert (status, printed) == (2, "")
    assert said in found


def test_a_training_goes_on_only_as_it_was_begun(train: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    assert train(*QUICK)[0] == 0
    status, _, said = train("--resume", "--steps", "20")
    assert (status, "goes on as it was begun; leave out what says how" in said) == (2, True)
    status, _, said = train("--resume", space="compact_x4")
    assert (status, "begun with another space" in said) == (2, True)
    assert train("--resume")[0] == 0  # it is at its end: nothing changes


def test_show_tells_what_a_file_holds(
    train: Callable[..., tuple[int, str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*QUICK, "--own-groups")[0] == 0
    assert run(["supernet", "show", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["steps"], found["own_groups"], found["scale"], len(found["psnr_db"])) == (4, True, 4, 2)
    assert found["weights"] > 1000
    assert run(["supernet", "show", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "small (imdeception, x4, digest" in shown
    assert "own weights for each number of groups" in shown
    assert run(["supernet", "show", str(tmp_path)]) == 2


def test_config_of_a_training_is_checked(space_file: Path) -> None:
    config = Recipe().config(read_space(str(space_file)))
    uneven = config.training.model_copy(update={"phases": (Phase(steps=1, batch=6),)})
    compiled = config.training.model_copy(update={"compile": "on"})
    for training, said in ((uneven, "same number of crops for each of 4"), (compiled, "compile must be off")):
        with pytest.raises(ValidationError, match=said):
            type(config).model_validate({**config.model_dump(), "training": training.model_dump()})


def test_a_family_without_a_supernet_is_refused(
    space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cached in (sharing.shares, sharing.sharing):
        cached.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(
            UsageError, match=r"family 'imdeception' has no supernet: nas_sr/families/imdeception/supern"
        ):
            train_supernet(read_space(str(space_file)), tmp_path)
    for cached in (sharing.shares, sharing.sharing):
        cached.cache_clear()
