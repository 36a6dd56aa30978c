"""The members of a space: what its networks' fields may be, which of them a step trains, and which are watched."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from nas_sr.errors import UsageError
from nas_sr.families.base import Family, Spec
from nas_sr.families.counts import counts
from nas_sr.families.registry import family
from nas_sr.space import Space

Draw = Literal["uniform", "sandwich", "cost-weighted"]
POOL = 2048
_FRUITLESS = 2000  # draws in a row that find no further member: there are hardly any
_STREAM = 2**32  # added to the seed: a step's crops are drawn with the seed itself


class Pool(NamedTuple):
    """Members that steps draw from, with different digests, cheapest first, and their multiply-accumulates [G]."""

    specs: tuple[Spec, ...]
    macs_g: tuple[float, ...]

    def drawn(self, seed: int, step: int, count: int, rule: Draw, largest_first: bool = False) -> list[Spec]:
        """The members of one step, the same ones whenever asked.

        `uniform` draws each at random; `sandwich` takes the costliest, the cheapest, and others at random;
        `cost-weighted` draws evenly over the logarithm of the multiply-accumulates. With `largest_first` the first is
        the costliest in any case.
        """
        draw = np.random.Generator(np.random.Philox(key=[(seed + _STREAM) % 2**64, step]))
        if rule == "cost-weighted":
            logs = np.log(self.macs_g)
            wanted = draw.uniform(logs[0], logs[-1], count)
            places = [int(np.abs(logs - each).argmin()) for each in wanted]
        else:
            places = [int(place) for place in draw.integers(len(self.specs), size=count)]
        if rule == "sandwich":
            places[:2] = [len(self.specs) - 1, 0][:count]
        elif largest_first:
            places[0] = len(self.specs) - 1
        return [self.specs[place] for place in places]

    def spread(self, count: int) -> list[Spec]:
        """About `count` members, evenly over the logarithm of their cost, from the cheapest to the costliest."""
        logs = np.log(self.macs_g)
        wanted = np.linspace(logs[0], logs[-1], count)
        places = sorted({int(np.abs(logs - each).argmin()) for each in wanted})
        return [self.specs[place] for place in places]


def pool(
    space: Space,
    seed: int,
    *,
    size: int = POOL,
    max_macs_g: float | None = None,
    allowed: Callable[[Spec], bool] = lambda spec: True,
) -> Pool:
    """`size` random members of a space, or about as many as there are: always the same ones for a seed.

    The costliest and the cheapest network of the space are among them, where they are allowed.

    Args:
        space: of one family.
        seed: of the draws.
        size: how many.
        max_macs_g: multiply-accumulates [G] at 256x256 LR pixels that a member may have; None: any.
        allowed: which others are left out, for instance by a latency.

    Raises:
        UsageError: no member is allowed.
    """
    choice = random.Random(seed)
    seen: dict[str, Spec | None] = {}  # by digest; nothing where it is not allowed
    drawn = (
        _built(space, {key: choice.choice(space.values(key)) for key in space.parameters}) for _ in itertools.count()
    )
    number = fruitless = 0
    for spec in itertools.chain((costliest(space), cheapest(space)), drawn):
        if number >= size or fruitless >= _FRUITLESS:
            break
        fruitless += 1
        if spec is None or spec.digest in seen:
            continue
        fits = (max_macs_g is None or counts(spec).macs_g <= max_macs_g) and allowed(spec)
        seen[spec.digest] = spec if fits else None
        if fits:
            number, fruitless = number + 1, 0
    if not number:
        least = counts(cheapest(space)).macs_g
        raise UsageError(
            f"no network of the space is allowed: its cheapest has {least:.3g} GMACs"
            + (f", and at most {max_macs_g:g} are allowed" if max_macs_g is not None else "")
        )
    return pool_of([spec for spec in seen.values() if spec])


def pool_of(specs: Sequence[Spec]) -> Pool:
    """These members as a pool; of equal networks the first."""
    first = {spec.digest: spec for spec in reversed(specs)}
    ordered = sorted((counts(spec).macs_g, digest) for digest, spec in first.items())
    return Pool(tuple(first[digest] for _, digest in ordered), tuple(cost for cost, _ in ordered))


def costliest(space: Space) -> Spec:
    """The network with the most multiply-accumulates, as far as one parameter after the other finds it."""
    return _extreme(space, 1)


def cheapest(space: Space) -> Spec:
    """Likewise with the fewest."""
    return _extreme(space, -1)


def choices(space: Space) -> dict[str, list[Any]]:
    """The values that each field of the space's networks may have."""
    fields = family(space.family).spec_type.model_fields
    found: dict[str, list[Any]] = {}
    for key, field in fields.items():
        if key in space.parameters:
            found[key] = space.values(key)
        elif key in space.fixed:
            value = space.fixed[key]
            found[key] = [tuple(value) if isinstance(value, list) else value]
        elif key != "family":
            found[key] = [space.scale if key == "scale" else field.default]
    return found


def refuse_outside(space: Space, spec: Spec) -> None:
    """Whether a network is one of a space's.

    Raises:
        UsageError: it is not: the first field that is outside, its value, and what is allowed.
    """
    if spec.family != space.family:
        raise UsageError(f"{spec.label()}: family is {spec.family}, and the supernet's is {space.family}")
    owner = family(space.family)
    values = {key: getattr(spec, key) for key in type(spec).model_fields}
    for key, allowed in choices(space).items():
        if values[key] in allowed:
            continue
        # A choice may give the same network: attention past the last deep output, or its window where there is none.
        if not any(_digest(owner, {**values, key: choice}) == spec.digest for choice in allowed):
            listed = ", ".join(_text(each) for each in allowed)
            raise UsageError(
                f"{spec.label()}: {key} is {_text(values[key])}, outside the supernet's space; allowed: {listed}"
            )


def _extreme(space: Space, sign: int) -> Spec:
    """From the first network that can be built, each parameter in turn at its best, until nothing changes."""
    built = ((params, _built(space, params)) for params in space.all_params())
    params, best = next((params, spec) for params, spec in built if spec)
    changed = True
    while changed:
        changed = False
        for key, value in itertools.chain.from_iterable(
            ((key, value) for value in space.values(key)) for key in space.parameters
        ):
            other = _built(space, {**params, key: value})
            if other and sign * counts(other).macs_g > sign * counts(best).macs_g:
                params, best, changed = {**params, key: value}, other, True
    return best


def _digest(owner: Family[Any], values: dict[str, Any]) -> str | None:
    try:
        digest: str = owner.from_parameters(values).digest
    except UsageError:
        return None
    return digest


def _built(space: Space, params: dict[str, Any]) -> Spec | None:
    try:
        return space.spec(params)
    except UsageError:
        return None


def _text(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
