"""A training that was stopped anywhere ends exactly as one that was not: losses, validations, weights, optimizer."""

from pathlib import Path

import pytest
import torch

from nas_sr.config import OneCycle, Training
from nas_sr.train.checkpoint import read_checkpoint
from tests.train.quick import TWO_PHASES, Told, carried_out, job, tensors

STEPS = TWO_PHASES.steps
AUTOCAST = {"precision": "bf16", "memory_format": "channels_last"}
SCALED = {"precision": "fp16", "micro_batch": 2}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    return {}


def _whole(training: Training, known: dict[str, Told], folder: Path) -> Told:
    """The same training without a stop; made once."""
    key = training.model_dump_json()
    if key not in known:
        known[key] = carried_out(job(training), Told(folder / f"whole{len(known)}"))
    return known[key]


@pytest.mark.parametrize(
    ("stops", "changes"),
    [
        *(([stop], {}) for stop in (0, 1, 4, 6, STEPS)),  # 4: validation, 6: second phase
        ([2, 3, 7], {}),
        ([3, 8], AUTOCAST),
        ([3, 8], SCALED),
    ],
)
def test_stopped_anywhere_it_ends_the_same(
    stops: list[int], changes: dict, unbroken: dict[str, Told], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    training = TWO_PHASES.model_copy(update=changes)
    whole = _whole(training, unbroken, tmp_path_factory.getbasetemp())
    path = tmp_path / "last.ckpt"
    parts = [carried_out(job(training), Told(path, stops[0]))]
    for stop in [*stops[1:], None]:
        # Only the file survives: the network begins elsewhere, as it would in a new process.
        checkpoint = read_checkpoint(path)
        again = job(training, checkpoint)._replace(weights=job(training.model_copy(update={"seed": 99})).weights)
        parts.append(carried_out(again, Told(path, stop)))
    assert [part.began_at for part in parts] == [0, *stops]
    assert [loss for part in parts for loss in part.losses] == whole.losses
    assert [point for part in parts for point in part.points] == whole.points
    assert [step for step, _ in whole.losses] == list(range(1, STEPS + 1))
    ended, expected = (read_checkpoint(told.path).values for told in (parts[-1], whole))
    found, wanted = tensors(ended), tensors(expected)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert ended["losses"] == expected["losses"]
    assert ended["best_psnr_db"] == expected["best_psnr_db"]
    assert ended["scaler"] == expected["scaler"]


def test_schedules_go_on_where_they_were(tmp_path: Path) -> None:
    phase = TWO_PHASES.phases[0].model_copy(update={"schedule": OneCycle()})
    training = TWO_PHASES.model_copy(update={"phases": (phase,)})
    whole = carried_out(job(training), Told(tmp_path / "whole"))
    first = carried_out(job(training), Told(tmp_path / "part", 3))
    rest = carried_out(job(training, read_checkpoint(tmp_path / "part")), Told(tmp_path / "part"))
    assert first.rates + rest.rates == whole.rates
    assert len(set(whole.rates)) == phase.steps


def test_optimizer_starts_anew_with_each_phase_from_the_best_weights(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    boundary = TWO_PHASES.phases[0].steps
    carried_out(job(), Told(path, boundary))
    values = read_checkpoint(path).values
    assert values["position"] == boundary
    assert values["optimizer"]["state"] == {}
    assert values["averaged"] is None  # the first phase has an average, the second none
    assert all(torch.equal(value, values["best"][name]) for name, value in values["network"].items())
