"""Where the weights of a candidate come from before, or instead of, its training: the evaluators of a study."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork
from nas_sr.measure.attempts import file_digest
from nas_sr.search.evaluation import Evaluation
from nas_sr.space import Space
from nas_sr.supernet.initialisation import initial_network
from nas_sr.supernet.stored import SUPERNET, load_supernet, read_about, refuse_other_space
from nas_sr.supernet.supernet import Supernet


def starting_network(evaluation: Evaluation, spec: Spec, seed: int) -> FamilyNetwork:
    """A candidate before its training: at its family's start, or with what it inherits of a supernet.

    Raises:
        UsageError: it is outside of the supernet, or that cannot be read any more.
    """
    if evaluation.evaluator in ("scratch", "combined"):
        return initial_network(spec, seed)
    return inherited_network(evaluation, spec)


def inherited_network(evaluation: Evaluation, spec: Spec) -> FamilyNetwork:
    """A candidate with what it inherits of a supernet.

    Raises:
        UsageError: it is outside of the supernet, or that cannot be read any more.
    """
    return _supernets(evaluation.supernets)[spec.family].extract(spec)


def supernet_digests(paths: Sequence[str], spaces: Sequence[Space]) -> dict[str, str]:
    """The content of each supernet, by the family of its space.

    Raises:
        UsageError: one is missing, broken or of another space, or a space has none.
    """
    by_family = {space.family: space for space in spaces}
    found: dict[str, str] = {}
    for path in map(Path, paths):
        about = read_about(path)
        family = str(about.space.get("family"))
        if family not in by_family:
            raise UsageError(f"{path}: a supernet of family {family}, and the search has {', '.join(by_family)}")
        refuse_other_space(about, by_family[family], path)
        found[family] = file_digest(path / SUPERNET if path.is_dir() else path)
    if missing := [family for family in by_family if family not in found]:
        raise UsageError(f"no supernet given for family {missing[0]}; train one with `nas-sr supernet train`")
    return found


@functools.lru_cache(maxsize=1)
def _supernets(paths: tuple[str, ...]) -> dict[str, Supernet]:
    """Read once in each worker."""
    loaded = [load_supernet(Path(path)) for path in paths]
    return {supernet.space.family: supernet for supernet in loaded}
