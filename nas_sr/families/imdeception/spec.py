"""ImdeceptionSpec: one network of the IMDeception family.

Paper: "IMDeception: Grouped Information Distilling Super-Resolution Network", CVPR Workshops 2022.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nas_sr.families.base import Spec

Count = Annotated[int, Field(ge=1)]


class ImdeceptionSpec(Spec):
    """One member of the family. The defaults are the paper's core=16 without attention.

    `shallow` = core channels leave every GIDB for the tail; `deep` = core * split go on to the next.
    """

    family: Literal["imdeception"] = "imdeception"
    core: Annotated[int, Field(ge=1, le=256, description="shallow channels of a GIDB")] = 16
    groups: Annotated[int, Field(ge=1, le=64, description="groups of the 3x3 convolutions in a Gblock")] = 4
    gidbs: Annotated[int, Field(ge=1, le=32, title="GIDBs", description="number of GIDBs")] = 6
    depth: Annotated[int, Field(ge=1, le=16, description="Gblocks per GIDB")] = 4
    split: Annotated[float, Field(gt=0, le=16, strict=False, description="deep : shallow channels")] = 3.0
    head: Annotated[int, Field(ge=3, le=512, description="channels of the first and last convolution")] = 64
    nla_after: Annotated[
        tuple[Count, ...], Field(strict=False, title="NLA", description="GIDBs followed by attention")
    ] = ()
    nla_patch: Annotated[int, Field(ge=1, le=64, description="side of an attention token, LR pixels")] = 4
    nla_window: Annotated[int, Field(ge=1, le=512, description="side of an attention window, LR pixels")] = 32

    @field_validator("nla_after")
    @classmethod
    def _sorted_without_repeats(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _can_be_built(self) -> ImdeceptionSpec:
        if self.deep != self.core * self.split:
            raise ValueError(
                f"core * split must be a whole number of channels, but got {self.core} * {self.split:g}"
                f" = {self.core * self.split:g}"
            )
        if self.nla_after and self.nla_after[-1] >= self.gidbs:
            raise ValueError(
                f"nla_after must name GIDBs 1 to {self.gidbs - 1} (the last of {self.gidbs} has no deep output),"
                f" but got {self.nla_after[-1]}"
            )
        if self.nla_after and self.deep < 4:
            raise ValueError(f"attention needs at least 4 deep channels (core * split), but got {self.deep}")
        if self.nla_window % self.nla_patch:
            raise ValueError(
                f"nla_patch must divide nla_window, but got patch {self.nla_patch} and window {self.nla_window}"
            )
        return self

    @property
    def deep(self) -> int:
        """Channels on the deep path between GIDBs."""
        return int(self.core * self.split)

    def label(self) -> str:
        """A short text for tables: `c16 g4 6x4 3:1 nla2+4`."""
        nla = f" nla{'+'.join(map(str, self.nla_after))}" if self.nla_after else ""
        head = f" h{self.head}" if self.head != 64 else ""
        return f"c{self.core} g{self.groups} {self.gidbs}x{self.depth} {self.split:g}:1{head}{nla}"

    def facts(self) -> list[tuple[str, str]]:
        """Every field as (label, value), in the paper's words."""
        attention = "after " + " and ".join(map(str, self.nla_after)) if self.nla_after else "none"
        found = [
            ("core", f"{self.core}"),
            ("groups", f"{self.groups}"),
            ("GIDBs", f"{self.gidbs}"),
            ("depth", f"{self.depth}"),
            ("split", f"{self.split:g}:1"),
            ("head", f"{self.head}"),
            ("scale", f"×{self.scale}"),
            ("NLA", attention),
        ]
        if self.nla_after:
            found += [("NLA patch", f"{self.nla_patch}"), ("NLA window", f"{self.nla_window}")]
        return found
