"""Everything that the page shows, as plain values: what depends on the target once for each, the rest once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas_sr.command_line import DEFAULT_REPORTS
from nas_sr.records import StudyRecord
from nas_sr.report.data import search_account, search_history, sentences
from nas_sr.report.data.audit_info import AuditInfo, audit_info
from nas_sr.report.data.baseline_rows import BaselineRow, baseline_rows
from nas_sr.report.data.decision import Card, Decision, cards, decision
from nas_sr.report.data.facts import Facts, config_facts, environment_facts, profile_facts
from nas_sr.report.data.front_info import FrontInfo, Unmeasured, front_info, unmeasured
from nas_sr.report.data.headline import Headline, headline
from nas_sr.report.data.latency_facts import latency_facts
from nas_sr.report.data.parameters import Effect, Lines, effects, lines
from nas_sr.report.data.search_account import Failure, Rung
from nas_sr.report.data.search_history import Curve, Drift, Hypervolume, Importance
from nas_sr.report.data.target_comparison import Comparison, comparison
from nas_sr.report.data.trial_table import TrialTable, states, trial_table


@dataclass(frozen=True)
class TargetInfo:
    """What depends on the target."""

    name: str
    title: str
    latencies: str  # how many of which kind
    decision: Decision | None
    cards: tuple[Card, ...]
    headline: Headline
    nothing_to_pick: str
    front: FrontInfo
    unmeasured: Unmeasured | None
    front_notes: tuple[str, ...]
    caution: str
    baselines: tuple[BaselineRow, ...]
    audit: AuditInfo | None
    hypervolume: Hypervolume
    hypervolume_note: str
    drift: Drift
    lines: Lines
    effects: tuple[Effect, ...]
    failures: tuple[Failure, ...]
    rungs: tuple[Rung, ...]
    trust: tuple[Facts, ...]
    importances: tuple[Importance, ...]
    importance_note: str
    table: TrialTable
    facts: tuple[Facts, ...]


@dataclass(frozen=True)
class PageInfo:
    """The page of a study."""

    study: str
    subtitle: str
    targets: tuple[TargetInfo, ...]  # the page opens on the first
    comparison: Comparison | None
    curves: tuple[Curve, ...]
    knees: Mapping[int, tuple[str, ...]]
    curves_note: str
    states: Sequence[tuple[str, int | None]]
    tables_note: str
    same_search: str
    facts: tuple[Facts, ...]


def page_info(
    studies: Sequence[StudyRecord], reports: Path = DEFAULT_REPORTS, others: Sequence[StudyRecord] = ()
) -> PageInfo:
    """What the page of a study shows.

    Args:
        studies: the study on each of its targets, its first one first.
        reports: the folder of reports that the commands in it name.
        others: other studies, each on one of its targets, whose fronts are laid over that study's.
    """
    study, curves = studies[0], search_history.curves(studies)
    return PageInfo(
        study=study.name,
        subtitle=sentences.subtitle(studies),
        targets=tuple(
            _target_info(each, reports, [other for other in (*studies, *others) if other is not each])
            for each in studies
        ),
        comparison=comparison(studies),
        curves=curves,
        knees=search_history.knees(studies),
        curves_note=sentences.curves_sentence(curves, studies),
        states=states(studies),
        tables_note=sentences.csv_sentence(studies),
        same_search=search_account.same_search(study),
        facts=(*environment_facts(study), *config_facts(study)),
    )


def _target_info(study: StudyRecord, reports: Path, others: Sequence[StudyRecord]) -> TargetInfo:
    front, head = front_info(study, others), headline(study)
    spent = search_account.time_spent(study)
    return TargetInfo(
        name=study.target,
        title=study.target_title,
        latencies=sentences.kinds(study),
        decision=decision(study),
        cards=cards(study),
        headline=head,
        nothing_to_pick=sentences.nothing_to_pick(head),
        front=front,
        unmeasured=unmeasured(study, reports),
        front_notes=(*sentences.pareto_sentences(study, front), *sentences.overlay_sentences(study, others)),
        caution=sentences.caution_sentence(study),
        baselines=baseline_rows(study),
        audit=audit_info(study),
        hypervolume=search_history.hypervolume_history(study),
        hypervolume_note=sentences.hypervolume_sentence(study),
        drift=search_history.drift(study),
        lines=lines(study),
        effects=effects(study),
        failures=search_account.failures(study),
        rungs=search_account.rungs(study),
        trust=(search_account.trust(study), *([search_account.spent_facts(spent)] if spent else [])),
        importances=search_history.importances(study),
        importance_note=sentences.importance_sentence(study),
        table=trial_table(study, front.trials),
        facts=(*latency_facts(study), *profile_facts(study)),
    )
