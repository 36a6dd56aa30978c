"""A picture that shows what models do to an image: HR, bicubic and the models, close up, with error maps below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas_sr.data.images import write_png
from nas_sr.evaluate.metrics import luma, psnr_db

_CROP, _ZOOM, _CROPS = 80, 3, 2  # HR pixels a side; screen pixels for each; how many places
_PANEL = _CROP * _ZOOM
_GAP, _LINE = 8, 20
_WORST = 40  # grey levels of Y at which the error map is brightest
_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_FRAMES = ((230, 60, 40), (40, 110, 230))
_MARKS = ("A", "B")

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def write_side_by_side(folder: Path, name: str, hr: np.ndarray, outputs: Mapping[str, np.ndarray], scale: int) -> None:
    """Writes the picture of one image as a PNG named after it.

    Args:
        folder: where to; it is made where it is missing.
        name: of the image; slashes become dashes in the file's name.
        hr: uint8 (h, w, 3).
        outputs: of each model by name, like `hr`; the first one's errors choose the places that are shown.
        scale: the border of so many pixels is not shown close up, as it is not scored.
    """
    if outputs:
        file = name.replace("/", "-")
        write_png(folder / (file if file.endswith(".png") else f"{file}.png"), side_by_side(name, hr, outputs, scale))


def side_by_side(name: str, hr: np.ndarray, outputs: Mapping[str, np.ndarray], scale: int) -> np.ndarray:
    """The picture, uint8 (height, width, 3): the whole image, and beside it rows of close-ups and error maps."""
    truth = luma(hr)
    errors = {label: np.abs(luma(output) - truth) for label, output in outputs.items()}
    places = worst_places(next(iter(errors.values())), scale)
    row = _LINE + _PANEL + _GAP
    height = 2 * row * len(places) + _GAP
    overview, shrink = _shrunk(hr, height - (3 + len(outputs)) * _LINE - 2 * _GAP)
    left = max(overview.shape[1], _PANEL) + 2 * _GAP
    width = left + (1 + len(outputs)) * (_PANEL + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=13)
    _text(draw, (_GAP, _GAP), f"{name}  {hr.shape[1]}x{hr.shape[0]}", font, left - 2 * _GAP)
    page.paste(Image.fromarray(overview), (_GAP, _GAP + _LINE))
    below = 2 * _GAP + _LINE + overview.shape[0]
    _text(draw, (_GAP, below), "PSNR-Y of the whole image", font, left - 2 * _GAP)
    for line, (label, output) in enumerate(outputs.items(), start=1):
        quality = psnr_db(luma(output), truth, scale)
        _text(draw, (_GAP, below + line * _LINE), f"{quality:.2f} dB  {label}", font, left - 2 * _GAP)
    for number, place in enumerate(places):
        corners = [_GAP + place[1].start * shrink, _GAP + _LINE + place[0].start * shrink]
        corners += [_GAP + place[1].stop * shrink, _GAP + _LINE + place[0].stop * shrink]
        draw.rectangle(corners, outline=_FRAMES[number], width=2)
        draw.text((corners[0] + 5, corners[1] + 3), _MARKS[number], _FRAMES[number], font)
        top = _GAP + 2 * row * number
        _text(draw, (left, top), f"{_MARKS[number]}  HR", font, _PANEL, _FRAMES[number])
        page.paste(Image.fromarray(_zoomed(hr[place])), (left, top + _LINE))
        _legend(page, draw, font, (left, top + row))
        for column, (label, output) in enumerate(outputs.items(), start=1):
            at = left + column * (_PANEL + _GAP)
            quality = psnr_db(luma(output[place]), truth[place], 0)
            _text(draw, (at, top), f"{quality:.2f} dB  {label}", font, _PANEL)
            page.paste(Image.fromarray(_zoomed(output[place])), (at, top + _LINE))
            page.paste(Image.fromarray(_zoomed(_error_map(errors[label][place]))), (at, top + row + _LINE))
            _text(draw, (at, top + row), f"error, mean {errors[label][place].mean():.1f}", font, _PANEL)
    return np.asarray(page)


def worst_places(error: np.ndarray, border: int) -> list[tuple[slice, slice]]:
    """Rows and columns of up to two places that do not overlap, inside the border, where squared error is largest."""
    inside = error[border : error.shape[0] - border, border : error.shape[1] - border]
    height, width = (min(_CROP, side) for side in inside.shape)
    sums = cv2.integral(inside**2)
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    places = []
    for _ in range(_CROPS):
        top, left = (int(at) for at in np.unravel_index(np.argmax(total), total.shape))
        if total[top, left] < 0:
            break
        places.append((slice(top + border, top + border + height), slice(left + border, left + border + width)))
        total[max(top - height + 1, 0) : top + height, max(left - width + 1, 0) : left + width] = -1
    return places


def _shrunk(image: np.ndarray, largest: int) -> tuple[np.ndarray, float]:
    shrink = min(1.0, largest / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), shrink


def _zoomed(image: np.ndarray) -> np.ndarray:
    """Every pixel as a square, so that nothing is interpolated."""
    return image.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)


def _error_map(error: np.ndarray) -> np.ndarray:
    levels = np.clip(error / _WORST * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _legend(page: Image.Image, draw: ImageDraw.ImageDraw, font: Font, at: tuple[int, int]) -> None:
    """What the colours of the error maps mean."""
    left, top = at
    _text(draw, (left, top + _LINE), "error in Y, grey levels", font, _PANEL)
    ramp = np.repeat(np.linspace(0, _WORST, _PANEL)[None], 16, axis=0)
    page.paste(Image.fromarray(_error_map(ramp)), (left, top + 2 * _LINE))
    draw.text((left, top + 3 * _LINE), "0", _INK, font)
    text = f"{_WORST} and more"
    draw.text((left + _PANEL - draw.textlength(text, font), top + 3 * _LINE), text, _INK, font)


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    font: Font,
    room: int,
    ink: tuple[int, int, int] = _INK,
) -> None:
    """One line, cut at the right where there is no room for it."""
    if draw.textlength(text, font) > room:
        while text and draw.textlength(f"{text}...", font) > room:
            text = text[:-1]
        text = f"{text}..."
    draw.text(at, text, ink, font)
