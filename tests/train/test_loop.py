"""The loop on real photographs: it learns, its seed decides everything, and it says why it cannot go on."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.config import Cosine, Knee, Phase, Training
from nas_sr.data.demo import DemonstrationImage
from nas_sr.data.image_sets import ImageSets
from nas_sr.data.packing import write_pack
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.network import build
from nas_sr.records import CurvePoint
from nas_sr.train.execution import Execution, choose_execution, explained
from nas_sr.train.loop import Diverged, train
from nas_sr.train.loss_record import LossRecord
from nas_sr.train.losses import pixel_loss
from nas_sr.train.state import TrainingState
from tests.train.collected import Collected
from tests.train.quick import SPEC, TWO_PHASES, demonstration

EXECUTION = Execution()
BRIEF = Training(
    phases=(
        Phase(
            steps=60,
            loss="charbonnier",
            schedule=Knee(warmup=0.05, hold=0.6, cooldown=0.35),
            batch=4,
            crop_lr=24,
            validate_every=15,
        ),
    )
)


@pytest.fixture(scope="module")
def sets() -> ImageSets:
    return demonstration()


def _state(training: Training, seed: int = 0) -> TrainingState:
    return TrainingState(build(SPEC, seed), training, EXECUTION)


def _run(state: TrainingState, sets: ImageSets) -> list[CurvePoint]:
    return list(train(state, sets.train, lambda network: validation_psnr_rgb(network, sets.val)))


def test_brief_training_improves_on_its_start(sets: ImageSets) -> None:
    state = _state(BRIEF)
    before = validation_psnr_rgb(state.judged, sets.val)
    points = _run(state, sets)
    assert [point.step for point in points] == [15, 30, 45, 60]
    assert state.best_psnr_db == max(point.psnr_db for point in points) > before
    state.network.load_state_dict(state.best)
    assert validation_psnr_rgb(state.network, sets.val) == state.best_psnr_db


def test_young_average_forgets_its_start_faster_than_its_decay_says(sets: ImageSets) -> None:
    """Else a brief training would be judged by what it began with."""
    training = Training(phases=(Phase(steps=3, batch=2, crop_lr=16, ema=0.999, validate_every=1),))
    state = _state(training)
    expected = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    for step, _ in enumerate(train(state, sets.train, lambda network: 0.0)):
        for name, tensor in state.network.state_dict().items():
            expected[name].lerp_(tensor, 1 - (step + 1) / (step + 10))
    for name, tensor in state.judged.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])


def test_seed_decides_everything(sets: ImageSets) -> None:
    first, again = _run(_state(TWO_PHASES), sets), _run(_state(TWO_PHASES), sets)
    assert [point[:3] for point in first] == [point[:3] for point in again]
    other = _run(_state(TWO_PHASES.model_copy(update={"seed": 4})), sets)
    assert other[0].loss != first[0].loss


def test_where_crops_are_cut_changes_nothing_and_is_said(sets: ImageSets) -> None:
    cut = {}
    for place in ("memory_map", "device"):
        state, told = _state(TWO_PHASES.model_copy(update={"pack_in": place})), Collected()
        points = list(train(state, sets.train, lambda network: validation_psnr_rgb(network, sets.val), on_event=told))
        cut[place] = [point[:3] for point in points], told.messages
    assert cut["memory_map"][0] == cut["device"][0]
    assert cut["memory_map"][1] == []
    assert "training images are on cpu, where crops are cut" in cut["device"][1][0]


def test_nan_ends_the_training_with_its_reason(sets: ImageSets) -> None:
    state = _state(BRIEF)
    with torch.no_grad():
        state.network.head.weight[5, 0, 0, 0] = math.nan
    with pytest.raises(Diverged, match="loss became nan at step 1 of 60"):
        _run(state, sets)


def test_output_that_is_not_finite_has_no_psnr(sets: ImageSets) -> None:
    state = _state(BRIEF)
    before = state.best
    with torch.no_grad():
        state.network.out.bias[0] = math.inf
    psnr_db = validation_psnr_rgb(state.network, sets.val)
    assert math.isnan(psnr_db)
    assert not state.keep_if_best(psnr_db)
    assert state.best is before


def test_exploding_training_is_stopped(sets: ImageSets) -> None:
    wild = Phase(steps=50, loss="l1", batch=2, crop_lr=16, learning_rate=1.0, schedule=Cosine(warmup=0.0), clip=1e9)
    with pytest.raises(
        Diverged, match=r"(loss is .*, and was .*|loss became .*|gradient norm became .*) at step [123]\d of 50"
    ):
        _run(_state(Training(phases=(wild,))), sets)


def test_steps_can_be_held_back_at_their_boundary(sets: ImageSets) -> None:
    calls = []
    state = _state(BRIEF.shortened(5))
    list(train(state, sets.train, lambda network: 25.0, between_steps=lambda: calls.append(state.position)))
    assert calls == [0, 1, 2, 3, 4]


def test_losses_by_hand() -> None:
    output, target = torch.tensor([0.5, 0.1]), torch.tensor([0.2, 0.5])
    assert pixel_loss(Phase(steps=1, loss="l1"), output, target).item() == pytest.approx(0.35)
    assert pixel_loss(Phase(steps=1, loss="l2"), output, target).item() == pytest.approx((0.09 + 0.16) / 2)
    charbonnier = pixel_loss(Phase(steps=1, loss="charbonnier", charbonnier_eps=0.1), output, target)
    assert charbonnier.item() == pytest.approx((0.1**0.5 + 0.17**0.5) / 2)


def test_execution_is_measured_among_what_the_config_leaves_open() -> None:
    chosen, measured = choose_execution(SPEC, BRIEF, "cpu")
    assert len(measured) == 4
    fastest = min(measured, key=lambda entry: entry["step_ms"])
    assert chosen.model_dump().items() <= fastest.items()
    fixed = BRIEF.model_copy(update={"precision": "bf16", "memory_format": "contiguous"})
    assert choose_execution(SPEC, fixed, "cpu") == (Execution(precision="bf16"), [])


def test_bf16_and_channels_last_train_too(sets: ImageSets) -> None:
    execution = Execution(precision="bf16", memory_format="channels_last")
    state = TrainingState(build(SPEC, 0), BRIEF, execution)
    assert _run(state, sets)[-1].psnr_db > validation_psnr_rgb(build(SPEC, 0), sets.val)
    assert all(value.dtype == torch.float32 for value in state.best.values())


def test_fp16_halves_its_scale_at_an_overflow_and_goes_on(sets: ImageSets) -> None:
    """GradScaler on the CPU; on CUDA it is the same class, and has not been run."""
    state = TrainingState(build(SPEC, 0), BRIEF.shortened(3), Execution(precision="fp16"))
    state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    steps = train(state, sets.train, lambda network: 25.0)
    next(steps)
    assert state.scaler.get_scale() < 2.0**40
    assert all(torch.equal(value, before[name]) for name, value in state.network.state_dict().items())
    state.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    next(steps)
    assert any(not torch.equal(value, before[name]) for name, value in state.network.state_dict().items())


def test_gradients_that_are_not_finite_without_any_scale_end_fp16(sets: ImageSets) -> None:
    state = TrainingState(build(SPEC, 0), BRIEF.shortened(3), Execution(precision="fp16"))
    state.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    state.network.out.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(Diverged, match="gradient norm became nan at step 1 of 3"):
        list(train(state, sets.train, lambda network: 25.0))


def _exploded_after(losses: list[float], record: LossRecord | None = None) -> int | None:
    """How many of them it takes."""
    record = record or LossRecord()
    for number, loss in enumerate(losses, 1):
        record.add(loss)
        if record.exploded:
            return number
    return None


def test_one_hard_batch_is_no_divergence_and_staying_there_is() -> None:
    """Batches of two crops differ eighty-fold on photographs."""
    usual = [0.003] * 10 + [0.15] + [0.003] * 5
    assert _exploded_after(usual) is None
    assert _exploded_after([*usual, *[0.05] * 100]) == len(usual) + 20


def test_an_explosion_in_the_first_steps_is_none_to_grow_from() -> None:
    assert _exploded_after([0.05, *[1e6] * 100]) == 21


@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.02, 0.98),
    spread=st.floats(0.0, 4.0),
    dark=st.sampled_from([0.0, 1e-9, 1e-4]),
)
def test_no_distribution_of_losses_is_an_explosion(seed: int, share: float, spread: float, dark: float) -> None:
    """Some batches show next to nothing, the others anything, in any order."""
    random = np.random.default_rng(seed)
    bright = np.minimum(1.0, 0.02 * random.lognormal(0.0, spread, 800))
    losses = np.where(random.random(800) < share, bright, dark)
    assert _exploded_after(losses.tolist()) is None
    assert 800 < (_exploded_after([*losses.tolist(), *(losses + 3.0).tolist()]) or 0) <= 820


def test_losses_of_older_checkpoints_are_judged_by_the_first_ones_they_have() -> None:
    state = _state(BRIEF)
    values = state.values()
    values["losses"] = {"first": 0.05, "recent": 0.04, "steps": 30, "sum": 0.0, "summed": 0}
    state.restore(values)
    assert _exploded_after([0.3] * 40, state.losses) is None
    assert _exploded_after([0.6] * 40, state.losses) == 20


def _night_skies() -> list[DemonstrationImage]:
    """Black, with a few bright stars: in most crops there is none."""
    random = np.random.default_rng(0)
    skies = np.zeros((3, 512, 512, 3), np.uint8)
    for sky in skies:
        for top, left in random.integers(0, 508, (2, 2)):
            sky[top : top + 2, left : left + 2] = random.integers(150, 256)
    return [DemonstrationImage(f"sky-{number}", sky) for number, sky in enumerate(skies)]


@pytest.mark.parametrize("seed", range(4))
def test_stars_on_black_train_through(tmp_path: Path, seed: int) -> None:
    pack = write_pack(_night_skies(), 4, 16, tmp_path / "pack").pack
    brief = Phase(steps=80, batch=4, crop_lr=16, learning_rate=1e-3, validate_every=40)
    points = list(train(_state(Training(phases=(brief,), seed=seed), seed), pack, lambda network: 25.0))
    assert [point.step for point in points] == [40, 80]


@pytest.mark.parametrize("loss", ["l2", "charbonnier"])
def test_hopeless_training_on_stars_ends_early(tmp_path: Path, loss: str) -> None:
    pack = write_pack(_night_skies(), 4, 16, tmp_path / "pack").pack
    wild = Phase.model_validate({"steps": 800, "loss": loss, "batch": 4, "crop_lr": 16, "learning_rate": 0.5})
    with pytest.raises(Diverged, match=r"at step \d\d? of 800"):
        list(train(_state(Training(phases=(wild,))), pack, lambda network: 25.0))


def test_execution_says_why() -> None:
    measured = [
        {"device": "cpu", "precision": "fp32", "memory_format": "contiguous", "compiled": False, "step_ms": 420.0},
        {"device": "cpu", "precision": "bf16", "memory_format": "channels_last", "compiled": False, "step_ms": 198.4},
    ]
    chosen = Execution(precision="bf16", memory_format="channels_last")
    assert explained(chosen, measured) == (
        "steps run on cpu, bf16, channels_last, the fastest measured: bf16 channels_last 198 ms, fp32 contiguous 420 ms"
    )
    assert explained(Execution(), []) == "steps run on cpu, fp32, contiguous, as the config says"


def test_fp16_is_only_measured_where_it_may_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Execution] = []

    def no_gpu(candidates: list[Execution], *rest: object) -> list[float]:
        seen[:] = candidates
        return [float(index) for index in range(len(candidates))]

    monkeypatch.setattr("nas_sr.train.execution._best_seconds", no_gpu)
    choose_execution(SPEC, BRIEF, "cuda")
    assert {execution.precision for execution in seen} == {"fp32", "bf16", "fp16"}
    choose_execution(SPEC, BRIEF, "cpu")
    assert {execution.precision for execution in seen} == {"fp32", "bf16"}
