"""A bundle's latency, measured again."""

from __future__ import annotations

from typing import Any

from nas_sr.callbacks import Tell
from nas_sr.export.formats.base import Check
from nas_sr.export.origin import ORIGIN
from nas_sr.families.base import Spec
from nas_sr.latency_wording import in_short
from nas_sr.measure.latency_cache import measured_together
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile
from nas_sr.quantities import percent

_TAKEN_WITH = ("target", "backend", "precision", "lr_height", "lr_width")
_LEAST_TOLERANCE = 0.05  # another build on another day differs by that


def latency_check(spec: Spec, origin: dict[str, Any], hw: str | None, progress: Tell) -> Check:
    """The latency measured again, against the one in bundle.json; ratios to the reference network are compared.

    Args:
        spec: of the network.
        origin: what bundle.json says.
        hw: a target; None: nothing is measured.
        progress: is told that it is.

    Raises:
        UsageError: no such target.
    """
    if hw is None:
        return Check("latency", "skipped", "not measured: --hw names a target that is there")
    target = profile(hw)
    progress(f"latency on {target.name}")
    try:
        (found,) = measured_together([spec], target)
    except MeasurementFailed as failure:
        return Check("latency", "skipped" if failure.kind == "device" else "failed", failure.text, target.name)
    recorded = origin.get("latency") or {}
    now = in_short(found)
    now_taken = found.summary()
    alike = all(recorded.get(key) == now_taken[key] for key in _TAKEN_WITH)
    if recorded.get("kind") != "measured" or not alike:
        return Check("latency", "ok", f"{now} now; {ORIGIN} has none that was measured so", found.backend)
    if not found.stable:
        return Check("latency", "skipped", f"{now} now: {'; '.join(found.labels)}", found.backend)
    change = found.relative_latency / recorded["relative_latency"] - 1
    allowed = max(target.protocol.max_run_spread, _LEAST_TOLERANCE)
    text = f"{found.relative_latency:.3f} times the reference network, {recorded['relative_latency']:.3f} in {ORIGIN}"
    beyond = f"; at most {percent(allowed)} is allowed" if abs(change) > allowed else ""
    return Check("latency", "failed" if beyond else "ok", f"{now} now; {text} ({change:+.1%}{beyond})", found.backend)
