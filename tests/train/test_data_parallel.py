"""Two processes on the CPU train what one does. GPUs and several machines have not been tried."""

import socket
from pathlib import Path

import pytest
import torch

from nas_sr.device_program.cores import usable_cpus
from nas_sr.errors import UsageError
from nas_sr.train.checkpoint import read_checkpoint
from nas_sr.train.event_queue import EventQueue
from nas_sr.train.group import Group
from nas_sr.train.session import Interrupted
from tests.train.quick import Told, carried_out, job, tensors


def test_two_workers_train_what_one_does_and_one_goes_on_from_their_checkpoint(tmp_path: Path) -> None:
    """Batches of three: one worker has two images, the other one."""
    if usable_cpus() < 2:
        pytest.skip("two workers need two cores")
    from nas_sr.train.data_parallel import carry_out_together

    whole = carried_out(job(tensorboard=True), Told(tmp_path / "whole"))
    together = Told(tmp_path / "together", stop_after=6)
    with pytest.raises(Interrupted):
        carry_out_together(job(tensorboard=True), together, 2, None)
    checkpoint = read_checkpoint(together.path)
    assert checkpoint.values["position"] == 6
    alone = carried_out(job(tensorboard=True, checkpoint=checkpoint), Told(together.path))

    assert (together.began_at, alone.began_at) == (0, 6)
    for ours, theirs in zip(together.losses + alone.losses, whole.losses, strict=True):
        assert ours == (theirs[0], pytest.approx(theirs[1], rel=1e-4))
    for ours, theirs in zip(together.points + alone.points, whole.points, strict=True):
        assert ours == (theirs[0], pytest.approx(theirs[1], rel=1e-4, nan_ok=True), pytest.approx(theirs[2], abs=1e-3))
    found, expected = (tensors(read_checkpoint(told.path).values) for told in (alone, whole))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-4) for name in expected)
    assert len(together.crops) == len(together.points)
    assert all(crops is not None for crops in together.crops)
    assert together.words == ["steps run on cpu, fp32, contiguous, as the config says"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_shares_make_up_the_batch(size: int) -> None:
    for batch in range(size, 20):
        shares = [list(range(batch))[Group(rank, size).share(batch)] for rank in range(size)]
        assert sum(shares, []) == list(range(batch))  # noqa: RUF017
        assert {len(share) for share in shares} <= {batch // size, -(-batch // size)}


@pytest.mark.parametrize(
    ("machines", "workers", "share"),
    [
        ([{"CPU": 2.0}], 2, (1, 0)),
        ([{"CPU": 9.0}], 2, (4, 0)),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 3, (1, 0)),  # the six cores make no three pairs
        ([{"CPU": 8.0}, {"CPU": 4.0}], 3, (4, 0)),
        ([{"CPU": 64.0, "GPU": 2.0}, {"CPU": 8.0}], 2, (1, 1)),
        ([{"CPU": 2.0}], 3, "3 workers need a core each, and there are 2"),
        ([{"CPU": 64.0, "GPU": 2.0}], 4, "4 workers need a GPU and a core each, and there are 2"),
        ([{"CPU": 2.0, "GPU": 4.0}], 4, "4 workers need a GPU and a core each, and there are 2"),
    ],
)
def test_share_of_each_worker(monkeypatch: pytest.MonkeyPatch, machines: list, workers: int, share: object) -> None:
    from nas_sr.train import data_parallel

    nodes = [{"Alive": True, "Resources": each} for each in machines] + [{"Alive": False, "Resources": {"CPU": 99.0}}]
    monkeypatch.setattr(data_parallel.ray, "nodes", lambda: nodes)
    if isinstance(share, str):
        with pytest.raises(UsageError, match=share):
            data_parallel._share(workers)
    else:
        assert data_parallel._share(workers) == share


def test_cluster_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    from nas_sr.train.data_parallel import carry_out_together

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        for address, words in [
            (f"127.0.0.1:{taken.getsockname()[1]}", "no Ray cluster at 127.0.0.1:.*refused"),
            ("localhost", "must be HOST:PORT, ray://HOST:PORT or auto, but got localhost"),
        ]:
            with pytest.raises(UsageError, match=words):
                carry_out_together(job(), Told(tmp_path / "c"), 2, address)


def test_event_queue_knows_what_was_dealt_with() -> None:
    queue = EventQueue()
    assert not queue.put([1, 2])
    taken = queue.take()
    assert taken == [1, 2]
    assert queue.take() == []
    queue.put([3])
    queue.acknowledge(len(taken), stop=True)
    assert not queue.all_acknowledged()
    queue.acknowledge(1, stop=True)
    assert queue.all_acknowledged()
    assert queue.put([])
