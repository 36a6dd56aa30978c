"""Photographs that come inside scikit-image and scikit-learn: enough to try a search, always there, offline."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nas_sr.data.images import UnreadableImage, read_rgb
from nas_sr.data.pack import pixel_digest
from nas_sr.data.resize import crop_to_multiple, downscale
from nas_sr.errors import UsageError

Role = Literal["train", "val"]

DESCRIPTION = (
    "small demonstration set: photographs inside scikit-image and scikit-learn"
    " (5 to train on, 252-pixel crops of 3 others to validate); give --data for figures that mean anything"
)
_VALIDATION_SIDE = 252  # a multiple of 12, so that scales 2, 3 and 4 validate on the same pixels


class Photograph(NamedTuple):
    """A file of an installed package. Photographs of one scene share its name and must share a role."""

    package: str
    file: str
    scene: str


PHOTOGRAPHS: dict[Role, tuple[Photograph, ...]] = {
    "train": (
        Photograph("skimage", "data/astronaut.png", "astronaut"),
        Photograph("sklearn", "datasets/images/china.jpg", "temple"),
        Photograph("skimage", "data/motorcycle_left.png", "motorcycle"),
        Photograph("skimage", "data/motorcycle_right.png", "motorcycle"),
        Photograph("skimage", "data/rocket.jpg", "rocket"),
    ),
    "val": (
        Photograph("skimage", "data/chelsea.png", "cat"),
        Photograph("skimage", "data/coffee.png", "coffee"),
        Photograph("sklearn", "datasets/images/flower.jpg", "flower"),
    ),
}


def demonstration(role: Role) -> list[tuple[str, np.ndarray]]:
    """Names and uint8 (h, w, 3) photographs: whole for training, 252x252 from the middle for validation.

    Raises:
        UsageError: the installed packages do not have a photograph.
    """
    images = [(Path(photograph.file).stem, _read(photograph)) for photograph in PHOTOGRAPHS[role]]
    return [(name, _middle(image) if role == "val" else image) for name, image in images]


class DemonstrationImage(NamedTuple):
    """A photograph as a source of a pack."""

    name: str
    image: np.ndarray

    def stamp(self) -> list[Any]:
        """Its name and pixels."""
        return [self.name, pixel_digest(self.image)]

    def hr_pixels(self) -> int:
        """HR pixels."""
        return self.image.shape[0] * self.image.shape[1]

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, None]:
        """LR (h, w, 3), made by bicubic downscaling, and HR (scale * h, scale * w, 3)."""
        hr = np.ascontiguousarray(crop_to_multiple(self.image, scale))
        return downscale(hr, scale), hr, None


def sources(role: Role) -> list[DemonstrationImage]:
    """The demonstration set as sources of a pack."""
    return [DemonstrationImage(name, image) for name, image in demonstration(role)]


def _read(photograph: Photograph) -> np.ndarray:
    """Reads the file itself: the packages' own loaders may go to the network for it, and take a second to import."""
    package = importlib.util.find_spec(photograph.package)
    if package is None or package.origin is None:
        raise UsageError(f"the demonstration set needs the package {photograph.package}; give --data instead")
    try:
        return read_rgb(Path(package.origin).parent / photograph.file)
    except UnreadableImage as error:
        raise UsageError(f"demonstration set: {error}; give --data instead") from None


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = ((side - _VALIDATION_SIDE) // 2 for side in image.shape[:2])
    return image[top : top + _VALIDATION_SIDE, left : left + _VALIDATION_SIDE]
