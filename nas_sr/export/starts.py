"""What the full training of a bundle begins with: its weights, nothing, its longest rung, or a supernet's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, build
from nas_sr.families.weights import WEIGHTS, load_network, save_weights
from nas_sr.measure.attempts import file_digest
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.supernet.stored import SUPERNET, load_supernet, read_about
from nas_sr.train.checkpoint import refuse_other_network

Kind = Literal["weights", "scratch", "longest-rung", "supernet"]
# Weights as they are trained, not as they are deployed; and where bundle.json says what they are.
FILES: dict[Kind, str] = {"longest-rung": "longest-rung.safetensors", "supernet": "inherited.safetensors"}
_KEYS: dict[Kind, str] = {"longest-rung": "longest_rung", "supernet": "inherited"}
_MADE_BY = {
    "longest-rung": "`nas-sr export` writes it",
    "supernet": "`nas-sr train --start supernet:PATH` and `nas-sr export --start supernet:PATH` write it",
}


class Start(NamedTuple):
    """What --start says."""

    kind: Kind
    supernet: Path | None = None


def parse_start(text: str) -> Start:
    """What a user means.

    Raises:
        UsageError: none of those that there are.
    """
    kind, _, path = text.partition(":")
    if kind not in get_args(Kind) or (kind == "supernet") != bool(path):
        raise UsageError(f"--start {text}: allowed are weights, scratch, longest-rung and supernet:PATH")
    return Start(cast(Kind, kind), Path(path) if path else None)


def keep_longest_rung(study: StudyRecord, trial: TrialRecord, bundle: Path) -> dict[str, Any]:
    """Copies the weights of a trial's longest training; what bundle.json says of them."""
    shutil.copyfile(study.weights(trial), bundle / FILES["longest-rung"])
    steps, seed = trial.longest_training
    return {_KEYS["longest-rung"]: {"steps": steps, "seed": seed}}


def inherit(spec: Spec, supernet: Path) -> tuple[FamilyNetwork, dict[str, Any]]:
    """A network with what it inherits of a supernet, and what bundle.json says of that.

    Raises:
        UsageError: no supernet there, or one that the network is not of: by which field, or of another scale.
    """
    about = read_about(supernet)
    network = load_supernet(supernet).extract(spec)
    file = supernet / SUPERNET if supernet.is_dir() else supernet
    what = {"space": about.digest, "steps": about.steps, "file": file_digest(file)}
    return network, {_KEYS["supernet"]: what}


def save_inherited(network: FamilyNetwork, bundle: Path) -> None:
    """Writes what a network inherits into a bundle."""
    save_weights(network.state_dict(), network.spec, bundle / FILES["supernet"])


def starting_network(bundle: Path, kind: Kind, spec: Spec, seed: int) -> FamilyNetwork:
    """The bundle's network as its training begins.

    Raises:
        UsageError: its weights are not there, broken, or of another network.
    """
    network = build(spec, seed)
    if kind == "scratch":
        return network
    path = bundle / FILES.get(kind, WEIGHTS)
    if kind in FILES and not path.is_file():
        raise UsageError(f"{path}: start is {kind}, but these weights are not there; {_MADE_BY[kind]}")
    loaded = load_network(path)
    if kind == "weights" and loaded.spec.digest == spec.deployed.digest:
        network.load_deployed(loaded.state_dict())
        return network
    refuse_other_network(loaded.spec, loaded.state_dict(), network, path)
    return loaded


def described(origin: Mapping[str, Any], kind: Kind) -> str:
    """Where the weights are from, such that equal texts are equal starts but for chance.

    Args:
        origin: what bundle.json says.
        kind: what training begins with.
    """
    what = origin.get(_KEYS.get(kind, ""), {})
    if kind == "scratch":
        return "scratch"
    if kind == "longest-rung":
        return f"the longest rung, {what.get('steps', '?')} steps"
    if kind == "supernet":
        return f"a supernet of {what.get('steps', '?')} steps (file {str(what.get('file', '?'))[:8]})"
    trained = origin.get("trained")
    return f"weights after {trained['steps']} steps of full training" if trained else "weights as exported"
