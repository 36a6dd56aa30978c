"""A search space: a YAML file of a family's parameters and their choices, as Optuna distributions and as specs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_origin

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import Trial
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from nas_sr import shipped
from nas_sr.config import Config, parse
from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.base import Family, Spec
from nas_sr.families.registry import NAMES, family
from nas_sr.yaml_file import load_yaml

Params = dict[str, str | int | float]


class Range(Config):
    """Whole numbers from `low` to `high`, both included."""

    low: Annotated[int, Field(ge=1)]
    high: int
    step: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _is_not_empty(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"`low <= high` must hold, but got (low={self.low}, high={self.high})")
        if (self.high - self.low) % self.step:
            raise ValueError(f"high must be low plus whole steps, but got {self.low} to {self.high} by {self.step}")
        return self


# Ends the name of a parameter of which Optuna draws the place among its values, in ascending order.
PLACE = "_place"


class _Drawn(NamedTuple):
    """How Optuna draws one parameter: under which name, from what, and the values whose place that is, if it is one."""

    name: str
    distribution: BaseDistribution
    values: tuple[int | float, ...] = ()


class Space(Config):
    """The parameters of one family that a search varies. `fixed` and `scale` hold for every network of the space."""

    title: str = ""
    family: str = "imdeception"
    scale: Annotated[int, Field(ge=2, le=4)] = 4
    fixed: dict[str, Any] = Field(default_factory=dict)
    parameters: Annotated[dict[str, Range | list[Any]], Field(min_length=1)]

    @field_validator("family")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in NAMES:
            raise ValueError(str(unknown_name("family", value, NAMES)))
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _are_ranges_or_lists(cls, value: Any) -> Any:
        for key, given in value.items() if isinstance(value, dict) else ():
            if not isinstance(given, (dict, list, Range)):
                raise ValueError(f"{key}: expected a list of choices, or low, high and step, but got {given!r}")
        return value

    @model_validator(mode="after")
    def _names_fields_of_a_spec(self) -> Space:
        fields = [name for name in self._family.spec_type.model_fields if name not in ("family", "scale")]
        for key in [*self.parameters, *self.fixed]:
            if key not in fields:
                raise ValueError(str(unknown_name("parameter", key, fields)))
        for key, value in self.fixed.items():
            _check_choice(self._family, f"fixed.{key}", value)
        for key, given in self.parameters.items():
            if key in self.fixed:
                raise ValueError(f"'{key}' is both a parameter and fixed")
            # Of a range its ends, before it is written out: `high` may be anything.
            for value in (given.low, given.high) if isinstance(given, Range) else given:
                _check_choice(self._family, f"parameters.{key}", value)
            values = self.values(key)
            if not values:
                raise ValueError(f"parameters.{key}: no choices")
            if len({str(value) for value in values}) != len(values):
                raise ValueError(f"parameters.{key}: a choice is listed twice")
        return self

    @model_validator(mode="after")
    def _has_something_to_build(self) -> Space:
        problem = None
        for params in self.all_params():
            try:
                self.spec(params)
            except UsageError as error:
                problem = problem or error
            else:
                return self
        raise ValueError(f"no network of this space can be built; the first: {problem}")

    def frozen(self) -> dict[str, Any]:
        """Plain values of all of it."""
        return self.model_dump(mode="json")

    def values(self, key: str) -> list[Any]:
        """The values of one parameter, in the file's order; a placement is a tuple."""
        given = self.parameters[key]
        if isinstance(given, Range):
            return list(range(given.low, given.high + 1, given.step))
        return [tuple(value) if isinstance(value, list) else value for value in given]

    def distributions(self, ordered: bool = True) -> dict[str, BaseDistribution]:
        """What Optuna samples from, by its own names: see `_drawn`. Not ordered: lists of numbers are categories."""
        drawn = (self._drawn(key, ordered) for key in self.parameters)
        return {each.name: each.distribution for each in drawn}

    def suggest(self, trial: Trial, ordered: bool = True, prefix: str = "") -> Params:
        """Lets a trial take up a value for every parameter, whose names there begin with `prefix`; the values."""
        params: Params = {}
        for key in self.parameters:
            drawn = self._drawn(key, ordered)
            distribution, name = drawn.distribution, prefix + drawn.name
            if isinstance(distribution, IntDistribution):
                number = trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
                params[key] = drawn.values[number] if drawn.values else number
            else:
                assert isinstance(distribution, CategoricalDistribution)
                params[key] = trial.suggest_categorical(name, distribution.choices)  # type: ignore[assignment]
        return params

    def as_drawn(self, params: Params, ordered: bool = True) -> Params:
        """What a trial must draw to take up these parameters."""
        drawn = {key: self._drawn(key, ordered) for key in params}
        return {
            each.name: each.values.index(params[key]) if each.values else params[key] for key, each in drawn.items()
        }

    def _drawn(self, key: str, ordered: bool) -> _Drawn:
        """Whole numbers at equal distances are drawn as such, other numbers as their places in ascending order; all
        else, and numbers that are not to be ordered, as categories."""
        given, values = self.parameters[key], self.values(key)
        if isinstance(given, Range):
            return _Drawn(key, IntDistribution(given.low, given.high, step=given.step))
        if not ordered or not all(isinstance(value, (int, float)) for value in values):
            return _Drawn(key, CategoricalDistribution([_sampled(value) for value in values]))
        ascending = sorted(values)
        steps = {after - before for before, after in itertools.pairwise(ascending)}
        if len(steps) <= 1 and all(isinstance(value, int) for value in ascending):
            return _Drawn(key, IntDistribution(ascending[0], ascending[-1], step=max(steps, default=1)))
        return _Drawn(key + PLACE, IntDistribution(0, len(ascending) - 1), tuple(ascending))

    def spec(self, params: Params) -> Spec:
        """The network of one set of parameters.

        Raises:
            UsageError: these parameters cannot be built.
        """
        values: dict[str, Any] = {"scale": self.scale, **self.fixed, **params}
        spec: Spec = self._family.from_parameters(
            {key: _listed(value) if _is_list(self._family, key) else value for key, value in values.items()}
        )
        return spec

    @property
    def _family(self) -> Family[Any]:
        return family(self.family)

    def all_params(self) -> Iterator[Params]:
        """Every combination of parameters."""
        keys = list(self.parameters)
        for values in itertools.product(*(self.values(key) for key in keys)):
            yield {key: _sampled(value) for key, value in zip(keys, values, strict=True)}

    @functools.cached_property
    def architectures(self) -> dict[str, Params]:
        """Digest -> the first parameters that give it: every distinct network of the space."""
        architectures: dict[str, Params] = {}
        for params in self.all_params():
            try:
                architectures.setdefault(self.spec(params).digest, params)
            except UsageError:
                continue
        return architectures

    def combinations(self) -> int:
        """How many sets of parameters there are; more than distinct networks."""
        total = 1
        for key in self.parameters:
            total *= len(self.values(key))
        return total

    def presets(self) -> dict[str, Params]:
        """The family's presets (at this space's scale) that lie in this space, and their parameters."""
        found = {}
        for name, preset in self._family.presets.items():
            spec = preset.at_scale(self.scale)
            wanted = {key: getattr(spec, key) for key in self.parameters}
            if all(value in self.values(key) for key, value in wanted.items()):
                # The file's own value (3, not 3.0), so that the sampler recognises it.
                params = {key: _sampled(next(v for v in self.values(key) if v == wanted[key])) for key in wanted}
                if self.spec(params).digest == spec.digest:
                    found[name] = params
        return found


class JointSpace:
    """Several spaces, each of another family, as one: the family is a parameter, and the others depend on it."""

    def __init__(self, spaces: Sequence[Space]) -> None:
        """
        Raises:
            UsageError: two of one family, or of different scales.
        """
        self._spaces = {space.family: space for space in spaces}
        if len(self._spaces) < len(spaces):
            raise UsageError(
                f"one space a family can be searched, but got {', '.join(space.family for space in spaces)}"
            )
        scales = {space.scale for space in spaces}
        if len(scales) > 1:
            raise UsageError(f"spaces that are searched together must have one scale, but got {sorted(scales)}")
        self.scale = spaces[0].scale

    def suggest(self, trial: Trial, ordered: bool = True) -> Params:
        """Lets a trial take up a family, and then a value for each of that family's parameters; the values."""
        name = str(trial.suggest_categorical(FAMILY, list(self._spaces)))
        return _within_family(name, self._spaces[name].suggest(trial, ordered, f"{name}."))

    def as_drawn(self, params: Params, ordered: bool = True) -> Params:
        """What a trial must draw to take up these parameters."""
        name = str(params[FAMILY])
        return _within_family(name, self._spaces[name].as_drawn(self._own(name, params), ordered))

    @staticmethod
    def _own(name: str, params: Params) -> Params:
        """The parameters of one family, by their names in it."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in params.items() if key.startswith(prefix)}

    def spec(self, params: Params) -> Spec:
        """The network of one set of parameters.

        Raises:
            UsageError: these parameters cannot be built.
        """
        name = str(params[FAMILY])
        return self._spaces[name].spec(self._own(name, params))

    @functools.cached_property
    def architectures(self) -> dict[str, Params]:
        """Digest -> the first parameters that give it: every distinct network of the spaces."""
        return {
            digest: _within_family(name, params)
            for name, space in self._spaces.items()
            for digest, params in space.architectures.items()
        }

    def presets(self) -> dict[str, Params]:
        """The families' presets that lie in the spaces, and their parameters."""
        return {
            preset: _within_family(name, params)
            for name, space in self._spaces.items()
            for preset, params in space.presets().items()
        }

    def frozen(self) -> dict[str, Any]:
        """Plain values of all of it, by family."""
        return {name: space.frozen() for name, space in self._spaces.items()}


FAMILY = "family"  # the parameter of a joint space
SearchSpace = Space | JointSpace


def read_space(name_or_path: str) -> Space:
    """A shipped space by name or a user's own file.

    Raises:
        UsageError: unknown name (the shipped ones are listed) or a mistake in the file (its key is named).
    """
    path = shipped.find("search_spaces", name_or_path)
    return parse_space(load_yaml(path), path)


def read_spaces(names: Sequence[str]) -> SearchSpace:
    """One space or several as one, by their names or files.

    Raises:
        UsageError: as `read_space`, or they cannot be searched together.
    """
    spaces = [read_space(name) for name in names]
    return spaces[0] if len(spaces) == 1 else JointSpace(spaces)


def parse_space(value: Any, path: Path) -> Space:
    """The space in a file's plain values."""
    return parse(value, Space, str(path))


def _within_family(name: str, params: Params) -> Params:
    return {FAMILY: name, **{f"{name}.{key}": value for key, value in params.items()}}


def _check_choice(owner: Family[Any], where: str, value: Any) -> None:
    """Raises a ValueError where no network at all has this value, whatever its other parameters."""
    field = where.partition(".")[2]
    is_list = _is_list(owner, field)
    is_text = get_origin(owner.spec_type.model_fields[field].annotation) is Literal
    numbers = value if is_list and isinstance(value, list) else (value,)
    wrong = any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers)
    if not is_text and (is_list != isinstance(value, list) or wrong):
        wanted = "lists of whole numbers such as [2, 4]" if is_list else "numbers"
        raise ValueError(f"{where}: choices are {wanted}, but got {value!r}")
    try:
        _type_of(owner.name, field).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{where}: {problem['msg']}, but got {problem['input']!r}") from None


@functools.cache
def _type_of(owner: str, field: str) -> TypeAdapter[Any]:
    """What the specs of a family take for one of their fields."""
    info = family(owner).spec_type.model_fields[field]
    kind: Any = info.annotation
    for rule in info.metadata:
        kind = Annotated[kind, rule]
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def _is_list(owner: Family[Any], field: str) -> bool:
    """Whether a field of a family's spec holds several numbers."""
    return field in owner.spec_type.model_fields and get_origin(owner.spec_type.model_fields[field].annotation) is tuple


def _sampled(value: Any) -> str | int | float:
    """A parameter's value as Optuna stores it: several numbers become '2+4', none of them 'none'."""
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "none"
    return value


def _listed(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return () if value == "none" else tuple(int(part) for part in value.split("+"))
    return tuple(value)
