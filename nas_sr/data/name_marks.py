"""What a name says of an image or a folder of images: HR or LR, by which factor, and of which picture.

Marks stand at the end of a name or at its beginning, in any case, between `_`, `-`, `.` and spaces: `baby_HR`,
`baby_LR4`, `baby-lr-x4`, `baby_bicLRx4`, `baby_LRBI_x4`, `HR_baby`, `LRx4_baby`, `DIV2K_train_LR_bicubic`, `baby_4x`.
Without anything between: `0001x4` (DIV2K; `0001x4m` and `0001x4w2` too), and in capitals `0001HR`, `babyLRx4`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Role = Literal["HR", "LR"]

_KIND, _DIV2K_KIND = "bicubic|bic|bi|bd|dn", "unknown|mild|difficult|wild"  # of downscale; the latter only behind LR
_HR, _LR = "hr|gt|hires|highres", "lr|lq|lores|lowres"
_TOKENS = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "HR": rf"(?:{_HR})(?:x?[2-9])?|gtmod\d+",
        "LR": rf"(?:{_KIND})?(?:{_LR})(?:{_KIND})?(?:x?[2-9])?",
        "kind and factor": rf"(?:{_KIND})x[2-9]",
        "factor": r"x[2-9](?:[md]|w\d?)?|[2-9]x",
        "kind": _KIND,
        "DIV2K's kind": _DIV2K_KIND,
    }.items()
}
_BEGINNING = ("HR", "LR", "kind and factor", "factor")  # kinds of words that marks begin with
_WORD = re.compile(r"[^_\-. ]+")
_OTHER_KINDS = re.compile(r"bd|dn|unknown|mild|difficult|wild|x[2-9][mdw]", re.IGNORECASE)
_FACTOR = re.compile(r"x(?P<behind>[2-9])|(?P<ahead>[2-9])x|[a-z](?P<bare>[2-9])$", re.IGNORECASE)
_ATTACHED = (
    re.compile(r"(?P<key>.*[a-z0-9])(?P<mark>(?:HR|GT|LR|LQ)(?:BI|BD|DN)?(?:x?[2-9])?)"),
    re.compile(r"(?P<key>.*[^\W_])(?P<mark>x[2-9](?:[md]|w\d?)?)", re.IGNORECASE),
)


class Mark(NamedTuple):
    """What a name says.

    Attributes:
        key: the name without its marks, which the two of a pair share.
        role: None where there is no mark.
        scale: the factor, where the mark has one.
        strong: False where a factor is all there is, which may be part of an ordinary name (`tiles_2x3`).
        bicubic: False where another kind of downscale is named.
    """

    key: str
    role: Role | None = None
    scale: int | None = None
    strong: bool = False
    bicubic: bool = True

    def fits(self, scale: int) -> bool:
        """Whether it is for that factor, or does not say."""
        return self.scale in (None, scale)


@lru_cache(2**14)
def mark_of(name: str) -> Mark:
    """The mark of a file's stem or a folder's name."""
    words = list(_WORD.finditer(name))
    kinds = [_kind(word[0]) for word in words]
    behind = next((index for index in range(len(words), 0, -1) if not kinds[index - 1]), 0)
    while kinds[behind : behind + 2] not in ([], ["kind", "factor"]) and kinds[behind] not in _BEGINNING:
        behind += 1  # of `wild_LR` only `LR` is a mark
    if found := _meaning([word[0] for word in words[behind:]]):
        return found._replace(key=name[: words[behind - 1].end()] if behind else "")
    for pattern in _ATTACHED:
        attached = pattern.fullmatch(name)
        if attached and (found := _meaning([attached["mark"]])):
            return found._replace(key=attached["key"])
    ahead = next((index for index, kind in enumerate(kinds) if kind not in _BEGINNING), 0)
    if found := _meaning([word[0] for word in words[:ahead]]):
        return found._replace(key=name[words[ahead].start() :])
    return Mark(name)


def _kind(word: str) -> str | None:
    return next((kind for kind, pattern in _TOKENS.items() if pattern.fullmatch(word)), None)


def _meaning(words: list[str]) -> Mark | None:
    """What marks that stand together mean, if anything."""
    kinds = [_kind(word) for word in words]
    factors = [found[found.lastgroup or ""] for found in map(_FACTOR.search, words) if found]
    scale = int(factors[-1]) if factors else None
    if "HR" in kinds and "LR" not in kinds:
        return Mark("", "HR", scale, True)
    bicubic = not _OTHER_KINDS.search(" ".join(words))
    if "HR" not in kinds and ("LR" in kinds or "kind and factor" in kinds or {"kind", "factor"} <= {*kinds}):
        return Mark("", "LR", scale, True, bicubic)
    return Mark("", "LR", scale) if kinds == ["factor"] else None
