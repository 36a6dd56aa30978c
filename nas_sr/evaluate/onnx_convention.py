"""Which convention a foreign network's values follow: the usual one, unless its output is far below bicubic."""

from __future__ import annotations

from collections.abc import Sequence

from nas_sr.errors import WorkError
from nas_sr.evaluate.evaluate import ReadablePair, bicubic, evaluate_images
from nas_sr.evaluate.onnx_network import Convention, OnnxNetwork
from nas_sr.evaluate.onnx_upscaler import whole_image_upscaler

# Below bicubic: repeating pixels is 1.5 dB worse than it, and a wrong range 10 dB and more.
FAR_DB = 3.0
_BETTER_DB = 0.5  # that another convention must gain
_TRIED_ON = 2  # images


def convention_of(
    network: OnnxNetwork, images: Sequence[ReadablePair], value_range: int | None = None
) -> tuple[Convention, str]:
    """The convention by which a network is scored, and what a reader of the score must know of it ("": nothing).

    Args:
        network: the network.
        images: what it is scored on; the first few serve.
        value_range: the value of white, where the user says it.

    Raises:
        WorkError: it cannot upscale these images.
    """
    likeliest, *others = network.conventions(value_range)
    usual, bicubic_db = _psnr_db(network, [likeliest], images[:_TRIED_ON])
    here_db = usual[likeliest]
    if here_db >= bicubic_db - FAR_DB:
        return likeliest, ""
    far = f"as {likeliest} it has {here_db:.2f} dB on {_count(images)}, bicubic {bicubic_db:.2f} dB"
    found, _ = _psnr_db(network, others, images[:_TRIED_ON])
    best = max(found, key=lambda each: found[each], default=likeliest)
    if best != likeliest and found[best] > here_db + _BETTER_DB:
        return best, f"its values are read as {best}, which has {found[best]:.2f} dB: {far}"
    tried = "; ".join(str(each) for each in others)
    hint = "" if value_range else "; --range says the value of white"
    return likeliest, f"far below bicubic: {far}; no other convention is better (tried: {tried}){hint}"


def _psnr_db(
    network: OnnxNetwork, conventions: Sequence[Convention], images: Sequence[ReadablePair]
) -> tuple[dict[Convention, float], float]:
    """RGB PSNR by each convention, and of bicubic."""
    upscalers = {str(each): whole_image_upscaler(network, each) for each in conventions}
    scores = evaluate_images({**upscalers, "bicubic": bicubic(network.scale)}, images, network.scale)
    for label, each in scores.items():
        if each.problems:
            raise WorkError(f"{network.path}: {label}: {each.problems[0]}")
    return {each: scores[str(each)].psnr_rgb_db for each in conventions}, scores["bicubic"].psnr_rgb_db


def _count(images: Sequence[ReadablePair]) -> str:
    return "one image" if len(images) == 1 else f"{min(_TRIED_ON, len(images))} images"
