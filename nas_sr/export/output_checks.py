"""Every form of a bundle's network against its weights, in each runtime that is installed."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nas_sr.callbacks import Tell
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.export.bundle import ONNX, formats_of
from nas_sr.export.formats import destination, run
from nas_sr.export.formats.base import Check, Run, Status, Target, title_of
from nas_sr.families.network import FamilyNetwork
from nas_sr.measure import fresh_process
from nas_sr.measure.measurement_error import MeasurementFailed

LARGEST_DIFFERENCE = 1e-4  # in fp32, where white is 1; of a network with larger values, as a share of the largest
# In fp16. A network that has 26 dB loses less than 0.02 dB by errors of 50 dB.
LEAST_PSNR_DB = 50.0
SIZES = ((17, 31), (40, 56))  # LR pixels; inside one attention window, and across several
LIMIT_S = 300.0


class _Asked(NamedTuple):
    """One file to be run by one runtime; `destination` is empty for the bundle's own."""

    destination: str
    folder: Path
    run: Run

    @property
    def what(self) -> str:
        return f"{self.destination}/{self.run.file}" if self.destination else self.run.file

    @property
    def images(self) -> list[np.ndarray]:
        return [random_image(size) for size in ([self.run.size] if self.run.size else SIZES)]


def compared(folder: Path, network: FamilyNetwork, damaged: set[str], target: Target, progress: Tell) -> list[Check]:
    """Every file that a runtime runs, and what else the destinations know of theirs.

    Args:
        folder: the bundle.
        network: its deployed network, from its weights.
        damaged: files that are not as they were written; they are not run.
        target: what the bundle was written for.
        progress: is told what is looked at.
    """
    asked = [_Asked("", folder, Run(ONNX, "onnxruntime"))]
    checks: list[Check] = []
    for name in formats_of(folder):
        runs = destination(name).runs(folder / name)
        if not runs:
            checks.append(Check(f"{name}/", "failed", "none of its files is there"))
        asked += [_Asked(name, folder / name, each) for each in runs]
    for runtime in dict.fromkeys(each.run.runtime for each in asked):
        progress(title_of(runtime))
        checks += _by_runtime(runtime, [each for each in asked if each.run.runtime == runtime], network, damaged)
    for name in formats_of(folder):
        if not any(file.startswith(f"{name}/") for file in damaged):
            progress(destination(name).title)
            checks += destination(name).checks(folder / name, target)
    return checks + list(_by_spandrel(folder, network, progress))


def _by_runtime(runtime: str, asked: list[_Asked], network: FamilyNetwork, damaged: set[str]) -> Iterator[Check]:
    """What a runtime makes of files, all in one process; one by one where that process came to an end of its own."""
    by, package = title_of(runtime), RUNTIMES[runtime].package
    if package and importlib.util.find_spec(package) is None:
        for each in asked:
            yield Check(each.what, "skipped", f"not installed: {RUNTIMES[runtime].install}", by)
        return
    whole = []
    for each in asked:
        stem = each.what.rpartition(".")[0]
        broken = sorted(file for file in damaged if file.rpartition(".")[0] == stem)
        if broken:
            yield Check(each.what, "failed", f"not run: {' and '.join(broken)} was changed or is missing", by)
        else:
            whole.append(each)
    with tempfile.TemporaryDirectory(prefix="nas-sr-verify-") as name:
        try:
            yield from _ran(by, whole, network, Path(name))
        except MeasurementFailed:
            for each in whole:
                try:
                    yield from _ran(by, [each], network, Path(name))
                except MeasurementFailed as failure:
                    yield Check(each.what, "failed", failure.text, by)


def _ran(by: str, asked: list[_Asked], network: FamilyNetwork, work: Path) -> list[Check]:
    """Raises MeasurementFailed where the process gave no answer."""
    if not asked:
        return []
    orders = []
    for number, each in enumerate(asked):
        images = [str(work / f"image-{number}-{index}.npy") for index in range(len(each.images))]
        for path, image in zip(images, each.images, strict=True):
            np.save(path, image)
        outputs = [path.replace("image-", "output-") for path in images]
        order = {"destination": each.destination, "folder": str(each.folder.resolve()), "run": each.run._asdict()}
        orders.append({**order, "images": images, "outputs": outputs})
    limit_s = LIMIT_S * len(asked)
    failures = fresh_process.answer(run, {"work": orders}, "ran", limit_s, work="run", process="running process")
    checks = []
    for each, order, failure in zip(asked, orders, failures, strict=True):
        if failure:
            status: Status = "skipped" if failure["kind"] == "device" else "failed"
            checks.append(Check(each.what, status, failure["error"], by))
        else:
            outputs_ = [np.load(path) for path in order["outputs"]]
            checks.append(agreement(each.what, by, each.run.precision, network, each.images, outputs_))
    return checks


def random_image(size: tuple[int, int]) -> np.ndarray:
    """(1, 3, height, width) fp32 in [0, 1], always the same one."""
    return np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)


def agreement(
    what: str, by: str, precision: str, network: FamilyNetwork, images: list[np.ndarray], outputs: list[np.ndarray]
) -> Check:
    """Whether outputs of some images are those of the network in PyTorch, in fp32."""
    differences_, errors_db, largest = [0.0], [np.inf], 1.0
    for image, output in zip(images, outputs, strict=True):
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        if output.shape != expected.shape:
            return Check(what, "failed", f"gives {output.shape} for {image.shape}, PyTorch {expected.shape}", by)
        difference = np.abs(output.astype(np.float64) - expected)
        differences_.append(float(difference.max()))
        largest = max(largest, float(np.abs(expected).max()))
        mean = float(np.mean(difference**2))
        errors_db.append(-10 * np.log10(mean) if mean else np.inf)
        if not np.isfinite(output).all():
            return Check(what, "failed", "its output is not finite", by)
    worst, worst_db = max(differences_), min(errors_db)
    if precision == "fp32":
        right = worst < LARGEST_DIFFERENCE * largest
        text = f"differs by {worst:.1e} at most" + ("" if right else f"; less than {LARGEST_DIFFERENCE:g} is allowed")
    else:
        right = worst_db >= LEAST_PSNR_DB
        text = f"{worst_db:.1f} dB to PyTorch in fp32" + ("" if right else f"; at least {LEAST_PSNR_DB:g} are needed")
    return Check(what, "ok" if right else "failed", text, by)


def _by_spandrel(folder: Path, network: FamilyNetwork, progress: Tell) -> Iterator[Check]:
    """The weights for chaiNNer as spandrel loads them, with our architecture installed."""
    for path in sorted((folder / "chainner").glob("*.safetensors")):
        what = f"chainner/{path.name}"
        if importlib.util.find_spec("spandrel") is None:
            yield Check(what, "skipped", "not installed: pip install 'nas-sr[spandrel]'", "spandrel")
            continue
        progress(f"{what} by spandrel")
        try:
            import spandrel

            from nas_sr import spandrel_architecture
        except Exception as error:  # whatever it, or what it imports, raises where it does not fit
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Check(what, "skipped", f"installed, but does not load: {text}", "spandrel")
            continue
        spandrel_architecture.install()
        try:
            model = spandrel.ModelLoader("cpu").load_from_file(path).model.eval()
            images = [random_image(size) for size in SIZES]
            with torch.inference_mode():
                outputs = [model(torch.from_numpy(image)).numpy() for image in images]
        except Exception as error:  # of a file that is broken, or of another network
            text = " ".join(str(error).split())[:200]
            yield Check(what, "failed", f"cannot be loaded: {text or type(error).__name__}", "spandrel")
        else:
            yield agreement(what, "spandrel", "fp32", network, images, outputs)
