"""The paper's full training as a config."""

from __future__ import annotations

from nas_sr.config import FullTraining, Knee, Phase, Training

CHOICES = """\
Full training of this network: edit what you like, `nas-sr train` says what is wrong with a value.
Phases run one after the other, each from the best weights of the one before; `nas-sr train --steps N` shortens all.
  loss: l1, l2, charbonnier (with charbonnier_eps)
  ema: decay of the averaged weights that are then validated and kept; 0.0 is off
  schedule, in shares of the phase and of learning_rate, the maximum:
    kind: knee                   warmup, hold, cooldown, final; then `after`: floor stays at `final`, restart begins the
                                 three parts again, stretch makes them fill the phase. The paper's 10 + 400 + 400 epochs
                                 end at epoch 810, and it does not say what follows.
    kind: cosine                 warmup, final
    kind: one_cycle              warmup, initial, final
    kind: warmup_constant_decay  warmup, decay, final
start: weights (those that the bundle has now), scratch, or longest-rung and supernet, from their files in the bundle
precision: auto (measured), fp32, bf16, fp16; memory_format: auto (measured), contiguous, channels_last
compile: auto (in 20,000 steps and more on a GPU, if torch.compile works there and is faster, measured), on, off
micro_batch: images held in memory at once; their gradients add up to the batch's, so the result stays the same
"""

PAPER_CROP = 512  # side, HR pixels
_STEPS_AN_EPOCH = 800
_KNEE_EPOCHS = (10, 400, 400)  # warm-up, maximum, cooldown


def paper_training(scale: int, data: str | None, val: str | None, smallest_lr: int) -> FullTraining:
    """Both phases of the paper: Charbonnier for 2000 epochs, then L2 for 1300 from the best checkpoint.

    Crops are 512x512 HR, or as large as the smallest training image (`smallest_lr` LR pixels) allows. The paper does
    not say what follows its 810 scheduled epochs: here the learning rate stays at 1 % of the maximum (`after: floor`).
    Nor does it speak of the gradient's norm, which is limited to 1 here.
    """
    crop_lr = min(PAPER_CROP // scale, smallest_lr // 8 * 8 or smallest_lr)
    phases = [
        Phase(
            steps=epochs * _STEPS_AN_EPOCH,
            loss=loss,
            charbonnier_eps=0.1,
            learning_rate=0.5e-3,
            schedule=_knee(epochs),
            batch=8,
            crop_lr=crop_lr,
            validate_every=10 * _STEPS_AN_EPOCH,
        )
        for loss, epochs in (("charbonnier", 2000), ("l2", 1300))
    ]
    return FullTraining(data=data, val=val, training=Training(phases=tuple(phases)))


def _knee(epochs: int) -> Knee:
    warmup, hold, cooldown = (part / epochs for part in _KNEE_EPOCHS)
    return Knee(warmup=warmup, hold=hold, cooldown=cooldown, after="floor")
