"""What a recorded benchmark holds: which networks, trained how, for how long, from which seeds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from nas_sr.config import Config, Phase, Positive, Training


class Protocol(Config):
    """Everything that decides the figures of a recorded benchmark but its images, which are named by content."""

    spaces: dict[str, Positive] = Field(
        {"imdeception_x4": 96, "compact_x4": 60}, description="search spaces and how many networks of each"
    )
    largest_macs_g: Annotated[float, Field(gt=0)] = Field(
        10.5, description="cost up to which networks are drawn, at a 256x256 LR input; the paper's core=16 has 20.2"
    )
    training: Training = Field(
        Training(phases=(Phase(steps=800),), precision="fp32", memory_format="channels_last"),
        description="of a network; its length and seed are those below",
    )
    validation_megapixels: Annotated[float, Field(gt=0)] = 2.0
    steps: tuple[Positive, ...] = Field((100, 200, 400, 800, 2400), description="lengths, each with its own decay")
    seeds: tuple[int, ...] = (0, 1)
    long_steps: tuple[Positive, ...] = Field((8000,), description="further lengths of some networks")
    long_seeds: tuple[int, ...] = (0, 1, 2)
    long_every: Positive = Field(4, description="every so manieth network by cost, of each space, is trained long")

    @model_validator(mode="after")
    def _lengths_grow(self) -> Protocol:
        lengths = (*self.steps, *self.long_steps)
        if list(lengths) != sorted(set(lengths)):
            raise ValueError(f"steps and long_steps must grow, but got {', '.join(map(str, lengths))}")
        return self
