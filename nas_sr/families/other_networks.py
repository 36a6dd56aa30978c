"""Recognises other super-resolution networks by the names of their weights, so that a refusal can say which it is."""

from __future__ import annotations

import re
from collections.abc import Collection

# The first whose patterns are all found, at the beginning of a name or after a prefix; the particular ones come first.
_NETWORKS = (
    ("HAT", (r"layers\.0\.residual_group\.overlap_attn\.",)),
    ("SwinIR", (r"layers\.0\.residual_group\.blocks\.0\.attn\.",)),
    ("DAT", (r"layers\.0\.blocks\.0\.attn\.",)),
    ("BSRN", (r"B1\.c1_d\.", r"fea_conv\.(pw|dw)\.")),
    ("RFDN", (r"B1\.(c1_d|c1_r|esa)\.", r"fea_conv\.")),
    ("IMDN", (r"IMDB1\.", r"fea_conv\.")),
    ("RLFN", (r"block_1\.(c1_r|c1)\.weight", r"block_1\.esa\.")),
    ("SPAN", (r"block_1\.c1_r\.(sk|conv|eval_conv)\b",)),
    ("PAN", (r"SCPA_trunk\.0\.",)),
    ("SAFMN", (r"feats\.0\.safm\.",)),
    ("ECBSR", (r"backbone\.0\.conv3x3\.",)),
    ("CARN", (r"b1\.b1\.body\.0\.", r"c1\.body\.0\.")),
    ("ESRGAN (RRDBNet)", (r"(RRDB_trunk|body)\.0\.(RDB1|rdb1)\.conv1\.",)),
    ("ESRGAN (RRDBNet)", (r"model\.1\.sub\.0\.RDB1\.conv1\.0\.",)),
    ("RCAN", (r"body\.0\.body\.0\.body\.3\.conv_du\.0\.",)),
    ("RCAN", (r"body\.0\.residual_group\.0\.rcab\.",)),
    ("EDSR", (r"head\.0\.weight", r"body\.0\.body\.0\.weight", r"tail\.")),
    ("EDSR or MSRResNet", (r"conv_first\.weight", r"body\.0\.conv1\.weight")),
    ("FSRCNN", (r"first_part\.0\.weight", r"mid_part\.0\.weight")),
    ("VDSR", (r"residual_layer\.0\.conv\.weight",)),
    ("SRCNN", (r"conv1\.weight", r"conv2\.weight", r"conv3\.weight")),
    ("VGG", (r"features\.0\.weight", r"features\.2\.weight")),
)


def recognised(names: Collection[str]) -> str | None:
    """The network whose weights have these names; None where it is none that is known here."""
    text = "\n".join(names)
    for network, patterns in _NETWORKS:
        if all(re.search(rf"(?m)(^|\.){pattern}", text) for pattern in patterns):
            return network
    return None
