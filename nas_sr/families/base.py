"""What a family of architectures is: a spec, the layers that follow from it, and what a search may ask. No PyTorch.

A family is a folder beside this file. Its `__init__.py` holds FAMILY, a `Family`; its `network.py` the module `Network`
(see nas_sr.families.network); its `foreign.py`, how its weights look in other people's checkpoints (see
nas_sr.families.state_dict); and its `supernet.py`, if it has one, SHARING, how its networks share weights (see
nas_sr.families.sharing).
"""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nas_sr.config_errors import explain
from nas_sr.errors import UsageError


class ConvPlan(NamedTuple):
    """One convolution: channels, kernel side (padding keeps the size), groups, and whether an activation follows."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    groups: int = 1
    activated: bool = False


class AttentionPlan(NamedTuple):
    """Attention between patches inside windows: channels of a query, sides of token and window in LR pixels."""

    channels: int
    patch: int
    window: int

    @property
    def tokens(self) -> int:
        """Tokens in a window."""
        return (self.window // self.patch) ** 2


class Copy(NamedTuple):
    """Channels that a split or a concatenation moves, unless its parts begin on multiples of a runtime's tile."""

    channels: int
    part: int  # parts begin on multiples of it


class Layers(NamedTuple):
    """A deployed network as what its cost, its latency and its tiling follow from."""

    scale: int
    convs: tuple[ConvPlan, ...]  # in order of execution
    additions: tuple[int, ...] = ()  # channels of each sum of two feature maps, at LR size
    copies: tuple[Copy, ...] = ()
    attentions: tuple[AttentionPlan, ...] = ()
    slopes: int = 0  # learned parameters of activations
    reach: int = 0  # LR pixels around a pixel that its output depends on
    step: int = 1  # where tiles must begin, for attention to see the windows of the whole image


class Spec(BaseModel):
    """One network of a family: the only thing that names an architecture.

    Two specs with equal `digest` describe the same network, whatever their fields say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: str
    scale: Annotated[int, Field(ge=2, le=4, description="how many times larger the output is")] = 4

    @property
    def digest(self) -> str:
        """12 hex digits of the network itself: equal for specs that build the same layers."""
        return _digest(self)

    @property
    def deployed(self) -> Self:
        """The spec of the network that leaves for a device, which computes the same; where training needs no more
        than that, itself."""
        return self

    def at_scale(self, scale: int) -> Self:
        """The same body with another output."""
        return type(self).model_validate({**self.model_dump(), "scale": scale})

    def label(self) -> str:
        """A short text for tables."""
        raise NotImplementedError

    def facts(self) -> list[tuple[str, str]]:
        """Every field as (label, value), for a reader."""
        return [(name, str(getattr(self, name))) for name in type(self).model_fields if name != "family"]

    def text(self, field: str) -> str:
        """One field's value in a table: several numbers as `2+4`, none of them as nothing."""
        value = getattr(self, field)
        if isinstance(value, tuple):
            return "+".join(map(str, value))
        return f"{value:g}" if isinstance(value, float) else str(value)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in field order."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Any, where: str = "spec") -> Self:
        """The spec in a parsed JSON value.

        Raises:
            UsageError: one line naming `where`, the key, and what is allowed.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise UsageError(f"{where}: {explain(error, cls)}") from None


AnySpec = TypeVar("AnySpec", bound=Spec)


class Family(ABC, Generic[AnySpec]):
    """What the rest of nas-sr asks of a family. Everything else about it stays in its folder."""

    name: ClassVar[str]  # that of its folder
    title: ClassVar[str]
    spec_type: type[AnySpec]
    presets: Mapping[str, AnySpec]  # known networks at x4, by names that no other family uses
    table_fields: ClassVar[tuple[str, ...]]  # of a spec, as columns of tables
    counted_features: ClassVar[frozenset[str]] = frozenset()  # features that are numbers, not logarithms

    @abstractmethod
    def layers(self, spec: AnySpec) -> Layers:
        """The layers of the deployed network."""

    @abstractmethod
    def identity(self, spec: AnySpec) -> list[Any]:
        """What makes a network itself, as plain values: the digest is made of it."""

    @abstractmethod
    def features(self, spec: AnySpec) -> Mapping[str, float]:
        """Where a network lies in the family, in octaves (base-2 logarithms): how far it is from others.

        The same names for every spec, and equal values for equal networks.
        """

    def from_parameters(self, values: Mapping[str, Any]) -> AnySpec:
        """The network of a sampler's parameters, which may ask for what this family gives in another way.

        Raises:
            UsageError: these cannot be built.
        """
        return self.spec_type.from_json(dict(values), "parameters")


@functools.lru_cache(maxsize=65536)
def _digest(spec: Spec) -> str:
    from nas_sr.families.registry import family_of

    text = json.dumps(family_of(spec).identity(spec), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
