"""Synthetic study records for the report's tests. Every number here is made up by a formula; nothing was measured."""

import math
import random

from nas_sr.arch.counts import counts
from nas_sr.arch.presets import PRESETS, preset_name
from nas_sr.arch.spec import ArchSpec
from nas_sr.front import hypervolume, pareto_front
from nas_sr.latency.record import Measurement
from nas_sr.records import CurvePoint, StudyRecord, TrialRecord

REFERENCE = (25.0, 60.0)

ENVIRONMENT = {
    "machine": {"cpu": "Example CPU, 2 cores", "memory_gb": 8.0, "system": "Linux 6.1", "accelerator": None},
    "versions": {"python": "3.11.7", "torch": "2.13.0", "onnxruntime": "1.32.0", "nas_sr": "0.1.0"},
    "hardware": {"title": "Example CPU, 2 threads, ONNX Runtime", "name": "cpu"},
    "data": {
        "description": "built-in demonstration set: 12 photographs from scikit-image and scikit-learn, "
        "validated on parts of the same photographs",
        "train_images": 12,
        "validation_images": 4,
    },
    "bicubic_psnr_db": 25.70,
}

CONFIG = {
    "space": "imdeception_x4",
    "hw": "cpu",
    "data": None,
    "val": None,
    "max_latency_ms": 40.0,
    "training": {
        "phases": [{"steps": 300, "loss": "l1", "learning_rate": 1e-3, "schedule": {"kind": "cosine"}, "batch": 8}],
        "seed": 0,
    },
    "sampler": "tpe",
    "seed": 0,
}


def made_up_latency_ms(spec):
    width = math.ceil(spec.core / 8) * 8
    nla = 2.5 * len(spec.nla_after)
    return 4 + width * spec.gidbs * spec.depth * (spec.split + 1) / 48 * (1.15 - 0.05 * math.log2(spec.groups)) + nla


def made_up_psnr_db(spec):
    return 25.2 + 0.25 * math.log2(counts(spec).macs_g) + 0.05 * len(spec.nla_after) - 0.02 * math.log2(spec.groups)


def measurement(latency_ms, *, stable=True, labels=(), spread=0.02, seed=0, runs=60):
    draw = random.Random(seed)
    samples = tuple(latency_ms * (1 + spread * draw.lognormvariate(0, 0.7)) for _ in range(runs))
    return Measurement(
        target="cpu",
        backend="onnxruntime",
        network="0" * 12,
        lr_height=128,
        lr_width=128,
        samples_ms=samples,
        reference_ms=(20.0, 20.1, 19.9),
        stable=stable,
        labels=labels,
        protocol={"warmup_s": 1.0, "runs": runs, "statistic": "median", "interleaved_with": "imdeception-c4"},
        machine={"cpu": "Example CPU, 2 cores", "threads": 2},
        versions={"onnxruntime": "1.32.0"},
        measured_at="2026-01-01T00:00:00Z",
    )


def predicted(latency_ms):
    """A prediction as a later version may store it: today's record only knows "measured"."""
    return measurement(latency_ms).model_copy(update={"kind": "predicted"})


def trial(number, spec=None, *, state="complete", psnr_db=26.0, latency=None, **fields):
    """A trial; `latency` is a Measurement, a number of milliseconds, or None."""
    spec = spec or ArchSpec(core=8)
    if isinstance(latency, int | float):
        latency = measurement(latency, seed=number)
    return TrialRecord(
        number=number,
        state=state,
        params={"core": spec.core},
        spec=spec,
        counts=counts(spec),
        preset=fields.pop("preset", preset_name(spec)),
        psnr_db=psnr_db if state == "complete" else None,
        latency=latency,
        **fields,
    )


def study(trials, *, name="example", importances=None, environment=None, config=None):
    complete = [one for one in trials if one.state == "complete"]
    points = [(one.psnr_db, one.latency_ms) for one in complete]
    return StudyRecord(
        name=name,
        study_dir=f"studies/{name}",
        config=CONFIG if config is None else config,
        environment=ENVIRONMENT if environment is None else environment,
        trials=tuple(trials),
        front=tuple(complete[index].number for index in pareto_front(points)),
        hypervolume_reference=REFERENCE,
        hypervolume_history=tuple(
            (one.number, hypervolume(points[: index + 1], REFERENCE)) for index, one in enumerate(complete)
        ),
        importances=importances or {},
    )


def random_spec(draw):
    gidbs = draw.choice([4, 5, 6])
    nla = draw.choice([(), (), (), (2,), (2, 3)])
    return ArchSpec(
        core=draw.choice([4, 8, 12, 16]),
        groups=draw.choice([1, 2, 4, 8]),
        gidbs=gidbs,
        depth=draw.choice([3, 4]),
        split=draw.choice([2.0, 3.0]),
        nla_after=nla,
    )


def example_trial(number, spec, draw):
    latency_ms = made_up_latency_ms(spec) * draw.uniform(0.96, 1.05)
    stable = draw.random() > 0.12
    timed = measurement(
        latency_ms,
        stable=stable,
        labels=() if stable else ("interquartile range 0.31 of the median is over 0.2",),
        spread=0.02 if stable else 0.05,
        seed=number,
    )
    seconds = {"started": f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}:00Z", "seconds": draw.uniform(20, 90)}
    if timed.latency_ms > CONFIG["max_latency_ms"]:
        reason = f"latency {timed.latency_ms:.1f} ms is over the limit of {CONFIG['max_latency_ms']:g} ms"
        return trial(number, spec, state="infeasible", latency=timed, reason=reason, **seconds)
    psnr_db = made_up_psnr_db(spec) + draw.gauss(0, 0.04)
    steps = range(0, 301, 60)
    curve = tuple(
        CurvePoint(
            step,
            math.nan if step == 0 else 0.05 * math.exp(-step / 200),
            25.2 + (psnr_db - 25.2) * (1 - math.exp(-step / 70)) / (1 - math.exp(-300 / 70)) + draw.gauss(0, 0.008),
            seconds["seconds"] * step / 300,
        )
        for step in steps
    )
    return trial(number, spec, psnr_db=psnr_db, latency=timed, curve=curve, **seconds)


def example_study(size=30, *, name="mobile-x4", seed=3):
    """The presets, then random members of the space, with one trial in every other state."""
    draw = random.Random(seed)
    specs = [*PRESETS.values(), *(random_spec(draw) for _ in range(size - len(PRESETS)))]
    trials = [example_trial(number, spec, draw) for number, spec in enumerate(specs)]
    if size >= 20:
        trials[-3] = trial(
            size - 3, specs[-3], state="failed", reason="training stopped: the loss became NaN at step 41"
        )
        trials[-2] = trial(
            size - 2, specs[-2], state="pruned", latency=made_up_latency_ms(specs[-2]), reason="dominated at step 60"
        )
        trials[-1] = trial(size - 1, specs[-1], state="running")
    shares = {
        "psnr_db": {"core": 0.61, "groups": 0.13, "gidbs": 0.11, "depth": 0.08, "nla": 0.05, "split": 0.02},
        "latency_ms": {"core": 0.52, "groups": 0.03, "gidbs": 0.2, "depth": 0.14, "nla": 0.07, "split": 0.04},
    }
    return study(trials, name=name, importances=shares)
