"""Rechecks a bundle: its files against their checksums, its counts against its spec, and every form of the network
against its weights, in each runtime that is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from safetensors import SafetensorError, safe_open

from nas_sr.callbacks import Tell
from nas_sr.config import FullTraining, read_yaml
from nas_sr.errors import UsageError
from nas_sr.evaluate.onnx_upscaler import SPEC_KEY
from nas_sr.export.bundle import CARD, ONNX, SPEC, TRAINING, UNSUMMED, is_bundle
from nas_sr.export.checksums import SUMS, differences, sha256
from nas_sr.export.formats.base import Check
from nas_sr.export.latency_check import latency_check
from nas_sr.export.model_database import ENTRY
from nas_sr.export.origin import ORIGIN, read_origin, target_of
from nas_sr.export.output_checks import compared
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.registry import parse_spec, read_spec
from nas_sr.families.weights import WEIGHTS, load_network


def verify(folder: Path, hw: str | None = None, progress: Tell = lambda text: None) -> list[Check]:
    """Everything that was looked at, in order; a bundle is right if nothing of it failed.

    Args:
        folder: a bundle.
        hw: a target that is there, to measure the latency on.
        progress: is told what is looked at.

    Raises:
        UsageError: not a bundle, or no such target.
    """
    if not folder.is_dir() or not is_bundle(folder):
        raise UsageError(f"{folder}: not a bundle ({ORIGIN} and {SUMS} expected); `nas-sr export STUDY` makes one")
    progress("checksums")
    damaged: set[str] = set()
    checks = list(_checksums(folder, damaged))
    network = _loaded(folder, checks)
    origin = _origin(folder, checks)
    spec = _spec(folder, network, origin, checks)
    checks += _training(folder)
    if network is not None and spec is not None:
        checks += _counts(folder, spec, network, origin)
        target = target_of(origin, folder, needed=False)
        checks += compared(folder, network, damaged, target, progress)
    checks += _entry(folder)
    if spec is not None:
        checks.append(latency_check(spec, origin, hw, progress))
    return checks


def _checksums(folder: Path, damaged: set[str]) -> Iterator[Check]:
    if not (folder / SUMS).is_file():
        yield Check(SUMS, "failed", "missing: nothing says whether the files are those that were written")
        return
    found = list(differences(folder, UNSUMMED))
    damaged.update(each.file for each in found)
    for each in found:
        yield Check(each.file, "failed", each.text)
    if not found:
        yield Check(SUMS, "ok", "every file is the one that was written, and there are no others")


def _loaded(folder: Path, checks: list[Check]) -> FamilyNetwork | None:
    """The network of the bundle's weights, to which everything is compared."""
    try:
        return load_network(folder / WEIGHTS).eval().deployed()
    except UsageError as error:
        checks.append(Check(WEIGHTS, "failed", f"nothing can be compared with it: {error}"))
        return None


def _origin(folder: Path, checks: list[Check]) -> dict[str, Any]:
    try:
        return read_origin(folder)
    except UsageError as error:
        checks.append(Check(ORIGIN, "failed", str(error)))
        return {}


def _spec(folder: Path, network: FamilyNetwork | None, origin: dict[str, Any], checks: list[Check]) -> Spec | None:
    """The bundle's spec, once it is said whether all of its places agree on it."""
    try:
        spec = read_spec(folder / SPEC)
    except UsageError as error:
        checks.append(Check(SPEC, "failed", str(error)))
        return network.spec if network else None
    said = {
        ORIGIN: origin.get("digest"),
        WEIGHTS: _digest(lambda: _metadata_of_weights(folder / WEIGHTS)),
        ONNX: _digest(lambda: _metadata_of_onnx(folder / ONNX)),
    }
    own = {spec.digest, spec.deployed.digest}
    other = [f"{place} is of network {digest}" for place, digest in said.items() if digest and digest not in own]
    text = f"is of network {spec.digest}, but {' and '.join(other)}" if other else f"network {spec.digest} everywhere"
    checks.append(Check(SPEC, "failed" if other else "ok", text))
    return spec


def _digest(text: Callable[[], str | None]) -> str | None:
    """Of a spec in some file's metadata; None where it cannot be read, which other checks say."""
    try:
        found = text()
        return parse_spec(json.loads(found)).digest if found else None
    except (UsageError, ValueError, OSError, SafetensorError):
        return None


def _metadata_of_weights(path: Path) -> str | None:
    with safe_open(path, framework="pt") as file:
        found: str | None = (file.metadata() or {}).get("spec")
    return found


def _metadata_of_onnx(path: Path) -> str | None:
    try:
        properties = onnx.load(path).metadata_props
    except Exception as error:  # protobuf's own, of which there are several
        raise ValueError(str(error)) from error
    return next((each.value for each in properties if each.key == SPEC_KEY), None)


def _training(folder: Path) -> Iterator[Check]:
    try:
        read_yaml(folder / TRAINING, FullTraining)
    except UsageError as error:
        yield Check(TRAINING, "failed", str(error))
    else:
        yield Check(TRAINING, "ok", "can be trained by (a file to edit: it has no checksum)")


def _counts(folder: Path, spec: Spec, network: FamilyNetwork, origin: dict[str, Any]) -> Iterator[Check]:
    """Of the weights, the spec, bundle.json and the card."""
    found = counts(spec)
    own = sum(parameter.numel() for parameter in network.parameters())
    wrong = []
    if own != found.params:
        wrong.append(f"the weights have {own:,} parameters, the spec {found.params:,}")
    recorded = origin.get("counts_at_256x256")
    if recorded is not None and recorded != json.loads(json.dumps(found._asdict())):
        wrong.append(f"{ORIGIN} says {recorded}, the spec {found._asdict()}")
    if (folder / CARD).is_file():
        text = (folder / CARD).read_text(errors="replace")
        for figure in (f"{found.params:,}", f"{found.macs_g:.3f} G"):
            if figure not in text:
                wrong.append(f"{CARD} does not say {figure}")
    text = "; ".join(wrong) or f"{found.params:,} parameters, {found.macs_g:.3f} G multiply-accumulates"
    yield Check("counts", "failed" if wrong else "ok", text)


def _entry(folder: Path) -> Iterator[Check]:
    """Whether the database's entry is of the files that are there."""
    if not (folder / ENTRY).is_file():
        return
    try:
        resources = json.loads((folder / ENTRY).read_text())["resources"]
        listed = {str(each["sha256"]) for each in resources}
    except (ValueError, LookupError, TypeError) as error:
        yield Check(ENTRY, "failed", f"cannot be read: {error!r}")
        return
    there = {sha256(path) for path in folder.rglob("*") if path.suffix in (".onnx", ".safetensors") and path.is_file()}
    gone = len(listed - there)
    text = f"{gone} of its {len(listed)} files are not in the bundle" if gone else "its files are those of the bundle"
    yield Check(ENTRY, "failed" if gone else "ok", text)
