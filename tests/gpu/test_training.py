"""Training on CUDA: as on the CPU, in fp16, out of memory, with its images on the GPU, compiled."""

from __future__ import annotations

import gc

import pytest
import torch

from nas_sr.errors import WorkError
from nas_sr.families.presets import preset
from nas_sr.train.execution import Execution, explained
from tests.gpu.figures import Figures
from tests.gpu.training import crops, executions, fp16_that_overflows, from_the_cpu, halved, little_gpu_memory, trained
from tests.train.quick import demonstration

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _memory_given_back() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def test_training_is_that_of_the_cpu_up_to_rounding(figures: Figures) -> None:
    difference = from_the_cpu("cuda")
    figures.record("CUDA from CPU, first gradient", difference.gradient, "of its norm", "fp32 without TF32")
    figures.record("CUDA from CPU, loss of 8 steps", difference.loss, "of it", "likewise")
    figures.record("CUDA from CPU, validation PSNR after 8 steps", difference.psnr_db, "dB", "likewise")
    assert difference.gradient < 1e-3
    assert difference.loss < 1e-2
    assert difference.psnr_db < 0.02


def test_fp16_gradients_that_overflow_are_left_out_and_scaled_less(figures: Figures) -> None:
    done = fp16_that_overflows("cuda")
    figures.record("fp16: scale of the gradients after 60 steps", done.scale, "", f"{done.skipped} steps were left out")
    assert done.skipped > 0
    assert done.taken == 60 - done.skipped
    assert done.finite
    assert done.losses[-1] < done.losses[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_loses_as_much_as_fp32(precision: str, figures: Figures) -> None:
    half, full = (trained(Execution.model_validate({"device": "cuda", "precision": p})) for p in (precision, "fp32"))
    difference = max(abs(a / b - 1) for a, b in zip(half.losses, full.losses, strict=True))
    figures.record(f"{precision} from fp32, loss of 8 steps", difference, "of it")
    assert difference < 0.2


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_real_out_of_memory_halves_what_is_held_and_changes_nothing_else(memory_format: str, figures: Figures) -> None:
    execution = Execution.model_validate({"device": "cuda", "memory_format": memory_format})
    done = halved(execution, preset("imdeception-c8"), little_gpu_memory(0.5), batch=32, crop_lr=48, steps=3)
    figures.record(f"out of memory, {memory_format}: images at once", str(done.micro_batch), f"of {done.batch}")
    assert done.micro_batch is not None
    assert done.micro_batch <= 16
    assert any(text.startswith("out of memory with 32 images at once") for text in done.said)
    assert done.loss_difference < 1e-3


def test_images_on_the_gpu_give_the_same_crops(figures: Figures) -> None:
    cut = crops("cuda", demonstration().train)
    figures.record("16 crops of 24, from the GPU's memory", cut.device_ms, "ms")
    figures.record("16 crops of 24, from files to the GPU", cut.files_ms, "ms")
    assert cut.same


def test_every_execution_is_measured(figures: Figures) -> None:
    chosen, measured = executions("cuda")
    assert len(measured) == 6
    for each in measured:
        name = f"step of imdeception-c8, 16 crops of 48, {each['precision']} {each['memory_format']}"
        figures.record(
            name, each["step_ms"], "ms", "chosen" if Execution.model_validate(_plain(each)) == chosen else ""
        )


def test_compiled_training_is_plain_training(figures: Figures) -> None:
    fixed = {"precision": "fp32", "memory_format": "channels_last"}
    try:
        chosen, measured = executions("cuda", compile="on", **fixed)
    except WorkError as error:
        pytest.skip(f"{error}: torch.compile needs Triton and a C compiler")
    assert chosen.compiled, explained(chosen, measured)
    for each in measured:
        name = f"step of imdeception-c8, 16 crops of 48, fp32 channels_last{' compiled' * each['compiled']}, again"
        figures.record(name, each["step_ms"], "ms")
    plain, compiled = (
        trained(chosen.model_copy(update={"compiled": each}), preset("imdeception-c8")) for each in (False, True)
    )
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-2)


def _plain(entry: dict) -> dict:
    return {name: entry[name] for name in Execution.model_fields}
