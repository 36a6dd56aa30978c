"""CompactSpec: one plain chain of 3x3 convolutions, in the layout of Real-ESRGAN's compact networks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from nas_sr.families.base import ConvPlan, Spec


class CompactSpec(Spec):
    """One member of the family.

    `depth` counts the convolutions between the first and the last, as Real-ESRGAN's `num_conv` does. `branches` is what
    each convolution is trained as; deployed, every one is a single 3x3 convolution.
    """

    family: Literal["compact"] = "compact"
    width: Annotated[int, Field(ge=4, le=512, description="channels of every convolution but the last")] = 24
    depth: Annotated[int, Field(ge=0, le=64, description="convolutions between the first and the last")] = 8
    activation: Annotated[
        Literal["prelu", "relu", "leaky_relu"], Field(description="after every convolution but the last")
    ] = "prelu"
    skip: Annotated[
        Literal["nearest", "none"], Field(description="what is added to the output: the image, enlarged, or nothing")
    ] = "nearest"
    branches: Annotated[
        Literal["none", "sum", "expand"],
        Field(description="trained as: itself; 3x3 + 1x1 + identity; 3x3 + (1x1, 3x3, 1x1)"),
    ] = "none"

    @property
    def deployed(self) -> Self:
        """Without branches: they fold into one convolution."""
        return self.model_copy(update={"branches": "none"})

    @property
    def convs(self) -> tuple[ConvPlan, ...]:
        """The deployed convolutions, in order. Names are Real-ESRGAN's: activations stand at the odd places."""
        widths = [3, *[self.width] * (self.depth + 1)]
        hidden = [
            ConvPlan(f"body.{2 * index}", inputs, self.width, 3, activated=True)
            for index, inputs in enumerate(widths[:-1])
        ]
        return (*hidden, ConvPlan(f"body.{2 * len(hidden)}", self.width, 3 * self.scale**2, 3))

    def label(self) -> str:
        """A short text for tables: `w24x8`, and what differs from the defaults."""
        activation = "" if self.activation == "prelu" else f" {self.activation}"
        skip = "" if self.skip == "nearest" else " no skip"
        branches = "" if self.branches == "none" else f" {self.branches}"
        return f"w{self.width}x{self.depth}{activation}{skip}{branches}"
