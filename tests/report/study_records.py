"""Synthetic study records for the report's tests. Every number here is made up by a formula; nothing was measured."""

import math
import random

from nas_sr.families.counts import counts
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.measurement import Measurement, Repeat
from nas_sr.objectives import all_named, maximised, point
from nas_sr.pareto import hypervolume, hypervolumes, pareto_front
from nas_sr.predict.prediction import Grounds, Prediction
from nas_sr.records import Baseline, CurvePoint, StudyRecord, TrialRecord

REFERENCE = (25.0, 60.0)
LIMIT_MS = 40.0

ENVIRONMENT = {
    "machine": {"cpu": "Example CPU, 2 cores", "memory_gb": 8.0, "system": "Linux 6.1", "accelerator": None},
    "versions": {"python": "3.11.7", "torch": "2.13.0", "onnxruntime": "1.32.0", "nas_sr": "0.1.0"},
    "data": {
        "description": "built-in demonstration set: 12 photographs from scikit-image and scikit-learn, "
        "validated on parts of the same photographs",
        "train_images": 12,
        "validation_images": 4,
    },
    "bicubic_psnr_db": 25.70,
}

TITLES = {"cpu": "Example CPU, 2 threads, ONNX Runtime", "board": "Example board, 30 W, TensorRT FP16"}

CONFIG = {
    "space": "imdeception_x4",
    "hw": ["cpu"],
    "data": None,
    "val": None,
    "max_latency_ms": [LIMIT_MS],
    "measure": "all",
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


def measurement(latency_ms, *, stable=True, labels=(), spread=0.02, seed=0, runs=60, target="cpu", **fields):
    draw = random.Random(seed)
    samples = tuple(latency_ms * (1 + spread * draw.lognormvariate(0, 0.7)) for _ in range(runs))
    return Measurement(
        target=target,
        backend="onnxruntime",
        network="0" * 12,
        lr_height=128,
        lr_width=128,
        samples_ms=samples,
        reference_ms=(20.0, 20.1, 19.9),
        stable=stable,
        labels=labels,
        protocol={
            "warmup_s": 1.0,
            "runs": runs,
            "precision": "fp32",
            "statistic": "median",
            "interleaved_with": "imdeception-c4",
        },
        machine={"cpu": "Example CPU, 2 cores", "threads": 2},
        versions={"onnxruntime": "1.32.0"},
        measured_at="2026-01-01T00:00:00Z",
    ).model_copy(update=fields)


def prediction(latency_ms, *, target="cpu", error=0.12, source="measured here", points=12, labels=()):
    """Its interval is half as wide again as its error."""
    return Prediction(
        target=target,
        network="0" * 12,
        lr_height=128,
        lr_width=128,
        latency_ms=latency_ms,
        low_ms=latency_ms / (1 + 1.5 * error),
        high_ms=latency_ms * (1 + 1.5 * error),
        bound_ms=latency_ms / (1 + 2 * error),
        calibration=Grounds(source=source, digest="c0ffee123456", points=points, cross_validated_error=error),
        labels=labels,
    )


def finalist(latency_ms, *, build_spread=0.011, run_spread=0.004, **more):
    """A measurement with three runs of each of three builds; the spreads are those of its record."""
    middle = measurement(latency_ms, **more)
    repeats = tuple(
        Repeat(
            build=build,
            run=run,
            latency_ms=middle.latency_ms * (1 + (build - 1) * build_spread / 2 + (run - 1) * run_spread / 2),
            reference_latency_ms=20.0,
            relative_latency=middle.latency_ms * (1 + (build - 1) * build_spread / 2 + (run - 1) * run_spread / 2) / 20,
        )
        for build in range(3)
        for run in range(3)
    )
    return middle.model_copy(update={"repeats": repeats})


def tensorrt(latency_ms, *, digest="a1b2c3d4e5f60718", labels=("floating clocks: they are not locked",), **more):
    """A finalist on a GPU, with what the TensorRT backends tell of engine and GPU."""
    name = {"name": "Example GPU", "compute_capability": "7.2", "driver": "L4T 35.4.1", "clocks_locked": False}
    readings = [{"at_s": at_s, "sm_clock_mhz": mhz, "throttle": []} for at_s, mhz in ((0.0, 900), (0.5, 905))]
    return finalist(latency_ms, labels=labels, **more).model_copy(
        update={
            "backend": "tensorrt",
            "engine": {
                "build_s": 12.345,
                "engine_bytes": 812345,
                "onnx": "fp32",
                "layers": [{"name": f"layer {number}"} for number in range(58)],
                "timing_cache": {"used": None, "left": digest, "ignored": None},
            },
            "conditions": {"gpu": {"facts": name, "readings": readings}},
            "versions": {"tensorrt": "8.5.2", "cuda": "11.4"},
        }
    )


def baseline(name, psnr_db, latency):
    return Baseline(name=name, file_digest="feedbeef0123", psnr_db=psnr_db, latency=latency)


def trial(number, spec=None, *, state="complete", psnr_db=26.0, latency=None, **fields):
    """A trial; `latency` is a Measurement, a Prediction, a number of milliseconds, or None."""
    spec = spec or ImdeceptionSpec(core=8)
    if isinstance(latency, int | float):
        latency = measurement(latency, seed=number)
    return TrialRecord(
        number=number,
        state=state,
        params={"core": spec.core},
        spec=spec,
        psnr_db=psnr_db if state == "complete" else None,
        latency=latency,
        **fields,
    )


def study(
    trials,
    *,
    name="example",
    importances=None,
    environment=None,
    config=None,
    target="cpu",
    targets=("cpu",),
    max_latency_ms=LIMIT_MS,
    baselines=(),
    reference=REFERENCE,
):
    complete = [one for one in trials if one.state == "complete"]
    points = [(one.psnr_db, one.latency_ms) for one in complete]
    return StudyRecord(
        name=name,
        study_dir=f"studies/{name}",
        target=target,
        target_title=TITLES[target],
        hw=target,
        profile={"title": TITLES[target], "lr_height": 128, "lr_width": 128},
        targets=targets,
        max_latency_ms=max_latency_ms,
        config=CONFIG if config is None else config,
        environment=ENVIRONMENT if environment is None else environment,
        trials=tuple(trials),
        front=tuple(complete[index].number for index in pareto_front(points)),
        hypervolume_reference=reference,
        hypervolume_history=tuple(
            (one.number, hypervolume(points[: index + 1], reference)) for index, one in enumerate(complete)
        ),
        baselines=tuple(baselines),
        importances=importances or {},
    )


def on_board(record, latency, *, searched=True, baselines=()):
    """The same study on the targets cpu and board, as a store gives it.

    `latency` is a function from a complete trial to its latency on the board; `searched` says whether the search itself
    had both targets, or the study was retargeted. What the CPU found too slow never reached the board.
    """
    targets, limit_ms = ("cpu", "board"), 250.0
    config = record.config | ({"hw": list(targets), "max_latency_ms": [LIMIT_MS, limit_ms]} if searched else {})

    def moved(one):
        found = latency(one) if one.state == "complete" else None
        if found is not None:
            return one.model_copy(update={"latency": found, "latency_ms": found.latency_ms})
        changed = {"state": "interrupted", "reason": "no latency on board yet"} if one.state == "complete" else {}
        return one.model_copy(update={"latency": None, "latency_ms": None, **changed})

    board = study(
        [moved(one) for one in record.trials],
        name=record.name,
        importances=record.importances,
        environment=record.environment,
        config=config,
        target="board",
        targets=targets,
        max_latency_ms=limit_ms if searched else None,
        baselines=baselines,
        reference=(REFERENCE[0], limit_ms),
    )
    return [record.model_copy(update={"targets": targets, "config": config}), board]


def board_ms(one):
    """A board that pays for channels by the tile, and more than a CPU does for attention. Made up, like everything."""
    tiles = math.ceil(one.spec.core / 16)
    return (30 + 9 * tiles * one.spec.gidbs * one.spec.depth / 4) * (1 + 0.12 * len(one.spec.nla_after))


def random_spec(draw):
    gidbs = draw.choice([4, 5, 6])
    nla = draw.choice([(), (), (), (2,), (2, 3)])
    return ImdeceptionSpec(
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
    if timed.latency_ms > LIMIT_MS:
        reason = f"latency {timed.latency_ms:.1f} ms is over the limit of {LIMIT_MS:g} ms"
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
    specs = [*IMDECEPTION.presets.values(), *(random_spec(draw) for _ in range(size - len(IMDECEPTION.presets)))]
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


def trading(record, names, limits=None):
    """The same study as if it had been searched over these objectives; memory and power are made up by a formula."""
    objectives = all_named(names)

    def known(one):
        figures = {"memory_mb": 0.2 * one.spec.core * one.spec.gidbs, "weights_mb": one.counts.params * 4e-6}
        latency = one.latency
        if latency is not None and latency.kind == "measured":
            latency = latency.model_copy(update={"conditions": {"gpu_power_w": 5.0 + one.spec.groups}})
        return one.model_copy(update={"figures": figures, "latency": latency})

    trials = tuple(map(known, record.trials))
    complete = [one for one in trials if one.state == "complete"]
    points = [point(one, objectives) for one in complete]
    reference = (REFERENCE[0], *(2 * max(column) for column in list(zip(*points, strict=True))[1:]))
    volumes = hypervolumes(points, reference, maximised(objectives))
    return record.model_copy(
        update={
            "trials": trials,
            "objectives": tuple(names),
            "limits": limits or {},
            "front": tuple(complete[index].number for index in pareto_front(points, maximised(objectives))),
            "hypervolume_reference": reference,
            "hypervolume_history": tuple(zip([one.number for one in complete], volumes, strict=True)),
            "importances": {name: {"core": 0.6, "groups": 0.3, "depth": 0.1} for name in names},
        }
    )
