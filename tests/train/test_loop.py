"""The loop on real photographs: it learns, its seed decides everything, and it says why it cannot go on."""

import math

import pytest
import torch

from nas_sr.arch.network import build
from nas_sr.config import Cosine, Knee, Phase, Training
from nas_sr.data.image_sets import ImageSets
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.records import CurvePoint
from nas_sr.train.execution import Execution, choose_execution, explained
from nas_sr.train.loop import Diverged, train
from nas_sr.train.loss_record import LossRecord
from nas_sr.train.losses import pixel_loss
from nas_sr.train.state import TrainingState
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


def test_seed_decides_everything(sets: ImageSets) -> None:
    first, again = _run(_state(TWO_PHASES), sets), _run(_state(TWO_PHASES), sets)
    assert [point[:3] for point in first] == [point[:3] for point in again]
    other = _run(_state(TWO_PHASES.model_copy(update={"seed": 4})), sets)
    assert other[0].loss != first[0].loss


def test_where_crops_are_cut_changes_nothing_and_is_said(sets: ImageSets) -> None:
    cut = {}
    for place in ("memory_map", "device"):
        state, said = _state(TWO_PHASES.model_copy(update={"pack_in": place})), []
        points = list(
            train(state, sets.train, lambda network: validation_psnr_rgb(network, sets.val), said=said.append)
        )
        cut[place] = [point[:3] for point in points], said
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
        Diverged, match=r"(loss is .*, and was .*|loss became .*|gradient norm became .*) at step 1\d of 50"
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


def test_one_hard_batch_is_no_divergence() -> None:
    """Batches of two crops differ eighty-fold on photographs."""
    losses = LossRecord()
    for loss in [0.003] * 10 + [0.15] + [0.003] * 5:
        losses.add(loss)
        assert not losses.exploded
    for _ in range(10):
        losses.add(0.05)
    assert losses.exploded


def test_an_explosion_in_the_first_steps_is_none_to_grow_from() -> None:
    losses = LossRecord()
    for loss in [0.05, *[1e6] * 10]:
        assert not losses.exploded
        losses.add(loss)
    assert losses.exploded


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
