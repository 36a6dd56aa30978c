"""A search space: a YAML file of parameters and their choices, as Optuna distributions and as ArchSpecs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from nas_sr import shipped
from nas_sr.config import Config, parse
from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.imdeception.spec import ArchSpec
from nas_sr.families.presets import PRESETS
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


class Space(Config):
    """The parameters that a search varies. `fixed` and `scale` hold for every network of the space."""

    title: str = ""
    scale: Annotated[int, Field(ge=2, le=4)] = 4
    fixed: dict[str, Any] = Field(default_factory=dict)
    parameters: Annotated[dict[str, Range | list[Any]], Field(min_length=1)]

    @field_validator("parameters", mode="before")
    @classmethod
    def _are_ranges_or_lists(cls, value: Any) -> Any:
        for key, given in value.items() if isinstance(value, dict) else ():
            if not isinstance(given, (dict, list, Range)):
                raise ValueError(f"{key}: expected a list of choices, or low, high and step, but got {given!r}")
        return value

    @model_validator(mode="after")
    def _names_fields_of_a_spec(self) -> Space:
        fields = [name for name in ArchSpec.model_fields if name != "scale"]
        for key in [*self.parameters, *self.fixed]:
            if key not in fields:
                raise ValueError(str(unknown_name("parameter", key, fields)))
        for key, value in self.fixed.items():
            _check_choice(f"fixed.{key}", value)
        for key, given in self.parameters.items():
            if key in self.fixed:
                raise ValueError(f"'{key}' is both a parameter and fixed")
            # Of a range its ends, before it is written out: `high` may be anything.
            for value in (given.low, given.high) if isinstance(given, Range) else given:
                _check_choice(f"parameters.{key}", value)
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

    def values(self, key: str) -> list[Any]:
        """The values of one parameter, in the file's order; a placement is a tuple."""
        given = self.parameters[key]
        if isinstance(given, Range):
            return list(range(given.low, given.high + 1, given.step))
        return [tuple(value) if isinstance(value, list) else value for value in given]

    def distributions(self) -> dict[str, BaseDistribution]:
        """What Optuna samples from: whole-number ranges as such, everything else as categories."""
        return {key: self._distribution(key) for key in self.parameters}

    def _distribution(self, key: str) -> BaseDistribution:
        given = self.parameters[key]
        if isinstance(given, Range):
            return IntDistribution(given.low, given.high, step=given.step)
        return CategoricalDistribution([_sampled(value) for value in self.values(key)])

    def spec(self, params: Params) -> ArchSpec:
        """The network of one set of parameters. Attention past the last deep output is dropped.

        Raises:
            UsageError: these parameters cannot be built.
        """
        values: dict[str, Any] = {"scale": self.scale, **self.fixed, **params}
        placement = _placement(values.get("nla_after", ()))
        gidbs = values.get("gidbs", ArchSpec.model_fields["gidbs"].default)
        values["nla_after"] = tuple(after for after in placement if after < gidbs)
        return ArchSpec.from_json(values, "parameters")

    def all_params(self) -> Iterator[Params]:
        """Every combination of parameters."""
        keys = list(self.parameters)
        for values in itertools.product(*(self.values(key) for key in keys)):
            yield {key: _sampled(value) for key, value in zip(keys, values, strict=True)}

    @functools.cached_property
    def architectures(self) -> dict[str, Params]:
        """Digest -> the first parameters that give it: every distinct network of the space."""
        found: dict[str, Params] = {}
        for params in self.all_params():
            try:
                found.setdefault(self.spec(params).digest, params)
            except UsageError:
                continue
        return found

    def combinations(self) -> int:
        """How many sets of parameters there are; more than distinct networks."""
        total = 1
        for key in self.parameters:
            total *= len(self.values(key))
        return total

    def presets(self) -> dict[str, Params]:
        """The paper's presets (at this space's scale) that lie in this space, and their parameters."""
        found = {}
        for name, preset in PRESETS.items():
            spec = preset.at_scale(self.scale)
            wanted = {key: getattr(spec, key) for key in self.parameters}
            if all(value in self.values(key) for key, value in wanted.items()):
                # The file's own value (3, not 3.0), so that the sampler recognises it.
                params = {key: _sampled(next(v for v in self.values(key) if v == wanted[key])) for key in wanted}
                if self.spec(params).digest == spec.digest:
                    found[name] = params
        return found


def read_space(name_or_path: str) -> Space:
    """A shipped space by name or a user's own file.

    Raises:
        UsageError: unknown name (the shipped ones are listed) or a mistake in the file (its key is named).
    """
    path = shipped.find("search_spaces", name_or_path)
    return parse_space(load_yaml(path), path)


def parse_space(value: Any, path: Path) -> Space:
    """The space in a file's plain values."""
    return parse(value, Space, str(path))


def _check_choice(where: str, value: Any) -> None:
    """Raises a ValueError where no network at all has this value, whatever its other parameters."""
    field = where.partition(".")[2]
    is_placement = field == "nla_after"
    numbers = value if is_placement and isinstance(value, list) else (value,)
    expected = is_placement == isinstance(value, list)
    if not expected or any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        wanted = "lists of GIDB numbers such as [2, 4]" if is_placement else "numbers"
        raise ValueError(f"{where}: choices are {wanted}, but got {value!r}")
    try:
        _type_of(field).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{where}: {problem['msg']}, but got {problem['input']!r}") from None


@functools.cache
def _type_of(field: str) -> TypeAdapter[Any]:
    """What an ArchSpec takes for one of its fields."""
    info = ArchSpec.model_fields[field]
    kind: Any = info.annotation
    for rule in info.metadata:
        kind = Annotated[kind, rule]
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def _sampled(value: Any) -> str | int | float:
    """A parameter's value as Optuna stores it: a placement becomes '2+4', none of them 'none'."""
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "none"
    return value


def _placement(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return () if value == "none" else tuple(int(part) for part in value.split("+"))
    return tuple(value)
