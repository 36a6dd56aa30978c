"""The sentences of the page: what each part shows, and what its reader must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nas_sr.latency_wording import grounds
from nas_sr.quantities import decibels, listed, milliseconds, percent, plural, quantity, significant, volume_unit
from nas_sr.records import StudyRecord
from nas_sr.report.data.front_info import FrontInfo
from nas_sr.report.data.headline import Headline, headline
from nas_sr.report.data.latencies import measurements, notes, predictions
from nas_sr.report.data.search_history import Curve
from nas_sr.report.data.view import view

MOST_CAUTIONS = 4


def subtitle(studies: Sequence[StudyRecord]) -> str:
    """One sentence: how far the study came, and on what."""
    states = dict(headline(studies[0]).states)
    total = sum(states.values())
    progress = f"{states.get('complete', 0)} of {plural(total, 'trial')} complete" if total else "No trial yet"
    titles = listed([study.target_title for study in studies])
    return f"Super-resolution networks for {titles}. {progress}."


def kinds(study: StudyRecord) -> str:
    """`12 measured, 3 predicted`: how many latencies of which kind there are."""
    counts = {"measured": len(measurements(study)), "predicted": len(predictions(study))}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no latency yet"


def nothing_to_pick(head: Headline) -> str:
    """Why there is no network to choose yet."""
    states = ", ".join(f"{count} {state}" for state, count in head.states)
    return f"No trial is complete yet{f' ({states})' if states else ''}: there is no network to export."


def pareto_sentences(study: StudyRecord, front: FrontInfo) -> list[str]:
    """What the chart shows and what its reader must know: kinds of latency, stability, what is out of sight."""
    if not front.front:
        timed = len(front.without_psnr)
        only = f" {plural(timed, 'trial')} with a latency only." if timed else ""
        return [f"No trial has both a PSNR and a latency yet.{only}"]
    sentences = [*_kinds(study, front)]
    if front.reference_ms and front.reference_ms[0] < front.reference_ms[1]:
        low, high = (milliseconds(end) for end in front.reference_ms)
        sentences.append(f"The reference network, timed beside every candidate, took {low} to {high}.")
    steps = headline(study).training_steps
    trained = f" after {steps} training steps" if steps else " after brief training"
    if estimated := {trial.estimate.steps for trial in study.trials if trial.estimate}:
        trained = f", as estimated for {max(estimated):,} steps from all trainings"
    elif any(trial.inherited_db is not None for trial in study.trials):
        trained = f"{trained} and with inherited weights, summed"
    sentences.append(f"PSNR is that of the validation images{trained}: it ranks networks, full training raises it.")
    if estimated:
        sentences.append(
            "Vertical bars are one standard deviation of the PSNR against the other candidates; the fainter a point,"
            " the less probable it is on the true front."
        )
    sentences += _ties(study)
    seen = view(front)
    bicubic = front.bicubic_psnr_db
    if bicubic is not None and bicubic < seen.psnr_db[0]:
        sentences.append(f"Bicubic interpolation reaches {decibels(bicubic)}, below the visible part.")
    outside = [plural(seen.outside, "trial")] if seen.outside else []
    outside += seen.baselines_outside
    if outside:
        sentences.append(f"{listed(outside)} outside of the visible part: double-click the chart to see all.")
    return sentences


def overlay_sentences(study: StudyRecord, others: Sequence[StudyRecord]) -> Iterator[str]:
    """What must be known before fronts of other studies are held against this one."""
    for other in others:
        if (other.name, other.study_dir) == (study.name, study.study_dir):
            continue
        unlike = []
        if other.target != study.target:
            unlike.append(f"its latencies are those of {other.target}")
        if other.environment.get("data") != study.environment.get("data"):
            unlike.append("it was trained or validated on other images")
        if other.config.get("training") != study.config.get("training"):
            unlike.append("it was trained otherwise")
        if not other.front:
            unlike = ["it has no front yet"]
        if unlike:
            yield f"Of {other.name}, laid over this study: {listed(unlike)}."


def _ties(study: StudyRecord) -> Iterator[str]:
    """Members of the front whose order no training has told yet."""
    pairs = {
        tuple(sorted((trial.number, other)))
        for trial in map(study.trial, study.front)
        if trial.estimate
        for other in trial.estimate.ties
    }
    if pairs:
        yield f"Not told apart by these trainings: trials {listed([f'{a} and {b}' for a, b in sorted(pairs)])}."


def _kinds(study: StudyRecord, front: FrontInfo) -> Iterator[str]:
    """How many latencies are of which kind, how to tell them apart, and what they rest on."""
    measured, predicted = front.count("measured"), front.count("predicted")
    stability = f"{front.unstable} not stable (crossed markers)" if front.unstable else "all stable"
    if not predicted:
        yield f"Latencies: {measured} measured, 0 predicted; {stability}. Bars span p5 to p95 of the samples."
        return
    found = predictions(study).values()
    levels = listed(sorted({percent(one.level) for one in found}))
    hollow = f"hollow markers, broad bars: the {levels} interval"
    if measured:
        yield (
            f"Latencies: {measured} measured (full markers, thin bars: p5 to p95 of the samples; {stability}),"
            f" {predicted} predicted ({hollow})."
        )
    else:
        yield f"Latencies: none measured, all {predicted} predicted ({hollow})."
    rest_on = dict.fromkeys(grounds(one.calibration) for one in found)
    yield f"Calibration of the predictions: {'; '.join(rest_on)}."


def caution_sentence(study: StudyRecord) -> str:
    """What must be known of measurements that are stable; empty where there is nothing."""
    found = notes(study)
    more = [f"and {len(found) - MOST_CAUTIONS} more"] if len(found) > MOST_CAUTIONS else []
    return f"Of the stable measurements: {'; '.join([*found[:MOST_CAUTIONS], *more])}." if found else ""


def hypervolume_sentence(study: StudyRecord) -> str:
    """The reference point, without which a hypervolume means nothing."""
    psnr_db, *costs = study.hypervolume_reference
    if not study.hypervolume_history:
        return "No complete trial yet."
    if study.hypervolume == 0:
        return f"No trial is better than {decibels(psnr_db)} yet: there is no area that the front dominates."
    ends = [decibels(psnr_db)]
    ends += [quantity(value, each) for value, each in zip(costs, study.traded[1:], strict=True)]
    return (
        f"{'Area' if len(ends) == 2 else 'Volume'} that the front dominates, measured from {listed(ends)}: "
        f"now {significant(study.hypervolume, 4)} {volume_unit(study.traded)}. A flat end says that more"
        " trials bring little."
    )


def importance_sentence(study: StudyRecord) -> str:
    """What the bars are, or why there are none."""
    if not any(study.importances.values()):
        return "Too few trials to say which parameters matter."
    return "How much each parameter decides whether a trial is among the best tenth in an objective (PED-ANOVA)."


def curves_sentence(found: Sequence[Curve], studies: Sequence[StudyRecord]) -> str:
    """What the curves are, or why there are none."""
    if not found:
        return "No trial has been trained yet."
    once = " Each network is trained once, whatever the target." if len(studies) > 1 else ""
    return (
        f"Validation PSNR during each trial's training.{once} Hover to see which trial a curve is, click to select it."
    )


def csv_sentence(studies: Sequence[StudyRecord]) -> str:
    """What lies beside the page."""
    rows = "one row a trial" if len(studies) == 1 else "one row a trial and target (column target)"
    return (
        f"trials.csv beside this page has the same and more, {rows}; pareto.csv has the rows of the front"
        f"{'s' if len(studies) > 1 else ''}, fastest first."
    )
