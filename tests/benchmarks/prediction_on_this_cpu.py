"""How well does a calibration with a few measured networks predict others of the space, on this machine's CPU?

    python tests/benchmarks/prediction_on_this_cpu.py --points 20 --held-out 40

Calibrates as `nas-sr hw calibrate cpu` does, then measures networks of the space drawn at random that are not among
those points, and compares. On a machine whose speed wanders a median taken minutes later is no fair judge, so that
measured means the ratio to the interleaved reference network, times what that took during the calibration; the errors
against the plain medians stand beside it. Stable measurements are kept in the cache and not taken again.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, spearmanr

from nas_sr.errors import WorkError
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.measure.latency_cache import cached_or_measured
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.profile import profile
from nas_sr.predict.calibrate import calibrate
from nas_sr.predict.calibration import fit
from nas_sr.predict.calibration_record import Calibration, latencies
from nas_sr.predict.predictor import Predictor
from nas_sr.predict.roofline import Roofline
from nas_sr.space import Space, read_space

SPLITS = 100


def main() -> None:
    """Calibrates, measures, prints one line for each network and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hw", default="cpu", help="a hardware profile")
    parser.add_argument("--space", default="imdeception_x4", help="a search space")
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the networks held out")
    arguments = parser.parse_args()
    hardware, space = profile(arguments.hw), read_space(arguments.space)

    def measure(spec: Spec) -> Measurement:
        return cached_or_measured(spec, hardware)

    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{hardware.name}.calibration.json"
        calibration = calibrate(hardware, space, arguments.points, measure=measure, progress=print, path=path)
    predictor = fit(calibration)
    print(f"calibrated in {time.monotonic() - begin:.0f} s; {predictor.grounds}; channels padded to {predictor.tile}\n")
    begin = time.monotonic()
    others, measured = [], []
    for spec in held_out(space, calibration, arguments.held_out, arguments.seed):
        try:
            taken = measure(spec)
        except WorkError as error:
            print(f"{spec.label():32} {error}")
            continue
        predicted, steady_ms = predictor.predict(spec), corrected_ms(taken, calibration)
        print(
            f"{spec.label():32} predicted {predicted.latency_ms:7.2f} ms"
            f" ({predicted.low_ms:7.2f} to {predicted.high_ms:7.2f})  measured {steady_ms:7.2f} ms"
            f" (median {taken.latency_ms:7.2f}) {predicted.latency_ms / steady_ms - 1:+7.1%}"
            f"{'' if taken.stable else '  not stable: ' + '; '.join(taken.labels)}",
            flush=True,
        )
        others.append(spec)
        measured.append(taken)
    stable = [index for index, taken in enumerate(measured) if taken.stable]
    seconds = time.monotonic() - begin
    print(f"\nmeasured in {seconds:.0f} s; {len(stable)} of {len(measured)} stable, and only those count below\n")
    table([others[i] for i in stable], [measured[i] for i in stable], calibration)
    specs = [*(point.spec for point in calibration.points), *(others[i] for i in stable)]
    found = [*latencies(calibration.points).milliseconds, *(corrected_ms(measured[i], calibration) for i in stable)]
    bound_coverage(calibration, specs, found)


def bound_coverage(calibration: Calibration, specs: Sequence[Spec], measured_ms: Sequence[float]) -> None:
    """Prints how many of the networks that a fit had not seen are at least as slow as its one-sided bound says, which
    is what lets a search rule a candidate out unmeasured. Points are drawn anew from all that was measured."""
    roofline = Roofline(calibration.lr_height, calibration.lr_width, calibration.precision or "fp32", calibration.facts)
    print(
        f"\n{'points fitted':>14}{'judged':>8}{'not under their bound':>23}{'worst split':>13}   ({SPLITS} splits each)"
    )
    for fitted in (5, 8, 12, 20):
        if fitted > len(specs) - 5:
            continue
        shares = []
        for split in range(SPLITS):
            order = random.Random(split).sample(range(len(specs)), len(specs))
            known, unseen = order[:fitted], order[fitted:]
            predictor = Predictor(
                target=calibration.target,
                source=calibration.source,
                digest="",
                specs=[specs[index] for index in known],
                latencies_ms=[measured_ms[index] for index in known],
                roofline=roofline,
            )
            shares.append(np.mean([measured_ms[i] >= predictor.predict(specs[i]).bound_ms for i in unseen]))
        print(f"{fitted:14}{len(specs) - fitted:8}{np.mean(shares):23.1%}{min(shares):13.1%}")


def held_out(space: Space, calibration: Calibration, n: int, seed: int) -> list[Spec]:
    """Networks of the space at random, none of which the calibration was to measure."""
    probes = {each.spec.digest for each in (*calibration.points, *calibration.omitted)}
    rest = sorted(digest for digest in space.architectures if digest not in probes)
    return [space.spec(space.architectures[digest]) for digest in random.Random(seed).sample(rest, n)]


def corrected_ms(taken: Measurement, calibration: Calibration) -> float:
    """A measured latency at the speed that the device had during the calibration."""
    reference_ms = latencies(calibration.points).reference_ms
    return taken.relative_latency * reference_ms if reference_ms else taken.latency_ms


def table(specs: Sequence[Spec], measured: Sequence[Measurement], calibration: Calibration) -> None:
    """Prints the errors of the predictor and of multiply-accumulates alone, calibrated with the same points."""
    known = [point.spec for point in calibration.points]
    known_ms = np.array(latencies(calibration.points).milliseconds)
    predictions = [fit(calibration).predict(spec) for spec in specs]
    rivals = {
        "roofline and process": np.array([each.latency_ms for each in predictions]),
        "MACs alone": _by_macs(known, known_ms, specs, constant=False),
        "MACs and a constant": _by_macs(known, known_ms, specs, constant=True),
    }
    truth = np.array([corrected_ms(taken, calibration) for taken in measured])
    medians = np.array([taken.latency_ms for taken in measured])
    print(f"{'':22}{'mean':>8}{'median':>8}{'worst':>8}{'Spearman':>10}{'Kendall':>9}{'mean, plain medians':>21}")
    for name, expected in rivals.items():
        errors = np.abs(expected / truth - 1)
        print(
            f"{name:22}{errors.mean():8.1%}{np.median(errors):8.1%}{errors.max():8.1%}"
            f"{spearmanr(expected, truth).statistic:10.3f}{kendalltau(expected, truth).statistic:9.3f}"
            f"{np.abs(expected / medians - 1).mean():21.1%}"
        )
    inside = np.mean([each.low_ms <= ms <= each.high_ms for each, ms in zip(predictions, truth, strict=True)])
    half = np.mean([np.sqrt(each.high_ms / each.low_ms) - 1 for each in predictions])
    print(f"\n{inside:.0%} of {len(specs)} lie inside their 80 % interval, which is ±{half:.1%} wide in the mean")


def _by_macs(known: Sequence[Spec], known_ms: np.ndarray, specs: Sequence[Spec], *, constant: bool) -> np.ndarray:
    def rows(networks: Sequence[Spec]) -> np.ndarray:
        macs = [counts(spec).macs_g for spec in networks]
        return np.array([[each, 1.0] if constant else [each] for each in macs])

    weighted = rows(known) / known_ms[:, None]  # least squares of the relative error
    return rows(specs) @ np.linalg.lstsq(weighted, np.ones(len(known)), rcond=None)[0]


if __name__ == "__main__":
    main()
