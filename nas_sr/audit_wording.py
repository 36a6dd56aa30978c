"""What an audit found, in sentences: the same on the command line and on the page."""

from __future__ import annotations

from nas_sr.audit_record import Audit, AuditedNetwork, RankAgreement
from nas_sr.quantities import NOTHING, milliseconds, percent, plural

HEADINGS = ("Trial", "Latency", "Search", "Audit", "Seeds", "On the true front", "Network")


def rows(audit: Audit) -> list[tuple[str, ...]]:
    """A row of each network under HEADINGS, fastest first; PSNRs [dB] of the search, and the audit's mean and seeds."""
    return [_row(network) for network in audit.networks]


def _row(network: AuditedNetwork) -> tuple[str, ...]:
    known = [each for each in network.psnr_db if each is not None]
    return (
        str(network.number),
        milliseconds(network.latency_ms, exact=True),
        f"{network.search_db:.3f}{' (front)' if network.on_front else ''}",
        NOTHING if network.mean_db is None else f"{network.mean_db:.3f}",
        f"{min(known):.3f} to {max(known):.3f}" if len(known) > 1 else NOTHING,
        NOTHING if network.front_probability is None else percent(network.front_probability),
        network.label,
    )


def sentences(audit: Audit) -> list[str]:
    """What was trained, the regret, and how well the search's PSNR ranks; fewer while too little is trained."""
    seeds = ", ".join(map(str, audit.seeds))
    state = f"; {plural(audit.missing, 'training')} still to do" if audit.missing else ""
    state += f"; {plural(audit.failed, 'training')} failed" if audit.failed else ""
    found = [
        f"{plural(len(audit.networks), 'network')} of the search's front and around, trained for {audit.steps:,} steps"
        f" ({audit.times:g} times the search's) from seeds {seeds}, which the search has not used{state}."
    ]
    if audit.regret:
        regret = audit.regret
        found.append(
            f"Regret at equal latency: {regret.mean_db:.3f} dB (90 % interval {regret.low_db:.3f} to"
            f" {regret.high_db:.3f}), the mean over limits on the latency; at most {regret.largest_db:.3f} dB, within"
            f" {milliseconds(regret.largest_within_ms)}."
        )
    if audit.search:
        ceiling = (
            "" if audit.ceiling is None else f"; a perfect score would reach {audit.ceiling:.2f} against these seeds"
        )
        macs = f"; multiply-accumulates {_tau(audit.macs)}" if audit.macs else ""
        found.append(f"Kendall's tau of the search's PSNR: {_tau(audit.search)}{ceiling}{macs}.")
    return found


def _tau(agreement: RankAgreement) -> str:
    if agreement.tau is None:
        return "unknown"
    interval = "" if agreement.low is None else f" ({agreement.low:.2f} to {agreement.high:.2f})"
    return f"{agreement.tau:.2f}{interval}"
