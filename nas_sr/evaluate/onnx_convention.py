"""Which convention a foreign network's values follow: the usual one, unless its output is far below bicubic."""

from __future__ import annotations

from nas_sr.data.pack import Pack
from nas_sr.errors import WorkError
from nas_sr.evaluate.evaluate import bicubic, evaluate_images, pack_sources
from nas_sr.evaluate.onnx_network import Convention, OnnxNetwork
from nas_sr.evaluate.onnx_upscaler import whole_image_upscaler

FAR_DB = 1.0  # below bicubic: a wrong convention costs 10 dB and more, a poor network seldom one
_BETTER_DB = 0.5  # that another convention must gain
_TRIED_ON = 2  # images


def convention_of(network: OnnxNetwork, pack: Pack, scale: int, value_range: int | None) -> tuple[Convention, str]:
    """The convention by which a network is scored, and what a reader of the score must know of it ("": nothing).

    Args:
        network: the network.
        pack: images it is scored on; the first few serve.
        scale: its factor.
        value_range: the value of white, where the user says it.

    Raises:
        WorkError: it cannot upscale these images.
    """
    likeliest, *others = network.conventions(value_range)
    usual, bicubic_db = _psnr_db(network, [likeliest], pack, scale)
    here_db = usual[likeliest]
    if here_db >= bicubic_db - FAR_DB:
        return likeliest, ""
    far = f"as {likeliest} it has {here_db:.2f} dB on {_images(pack)}, bicubic {bicubic_db:.2f} dB"
    found, _ = _psnr_db(network, others, pack, scale)
    best = max(found, key=lambda each: found[each], default=likeliest)
    if best != likeliest and found[best] > here_db + _BETTER_DB:
        return best, f"its values are read as {best}, which has {found[best]:.2f} dB: {far}"
    tried = "; ".join(str(each) for each in others)
    said = "" if value_range else "; --range says the value of white"
    return likeliest, f"far below bicubic: {far}; no other convention is better (tried: {tried}){said}"


def _psnr_db(
    network: OnnxNetwork, conventions: list[Convention], pack: Pack, scale: int
) -> tuple[dict[Convention, float], float]:
    """RGB PSNR by each convention and of bicubic, on the first images."""
    upscalers = {str(each): whole_image_upscaler(network, each) for each in conventions}
    scores = evaluate_images({**upscalers, "bicubic": bicubic(scale)}, pack_sources(pack)[:_TRIED_ON], scale)
    for label, each in scores.items():
        if each.problems:
            raise WorkError(f"{network.path}: {label}: {each.problems[0]}")
    return {each: scores[str(each)].psnr_rgb_db for each in conventions}, scores["bicubic"].psnr_rgb_db


def _images(pack: Pack) -> str:
    count = min(_TRIED_ON, len(pack))
    return "one image" if count == 1 else f"{count} images"
