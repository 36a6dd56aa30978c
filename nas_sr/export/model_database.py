"""A bundle's entry for OpenModelDB, the database that chaiNNer's users find networks in.

What only its author can say stays open: `author` (a user of the database) and where each file is to be had (`urls`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas_sr.config import FullTraining
from nas_sr.export.checksums import sha256
from nas_sr.families.base import Spec
from nas_sr.families.registry import family_of

ENTRY = "openmodeldb.json"
# Suffix -> platform and type, as the database calls them; it takes ncnn's files as a pair in an archive.
_RESOURCES = {".safetensors": ("pytorch", "safetensors"), ".onnx": ("onnx", "onnx")}


def entry(
    spec: Spec,
    description: str,
    files: list[Path],
    training: FullTraining,
    steps: int | None,
    date: str,
    licence: str | None,
    author: str | None,
) -> dict[str, Any]:
    """The entry, as plain values.

    Args:
        spec: of the deployed network.
        description: Markdown.
        files: to publish; the database knows them by size and SHA-256.
        training: the full training.
        steps: of it, where its weights are of that.
        date: of the weights, yyyy-mm-dd.
        licence: SPDX's name; None is not stated.
        author: a user of the database.
    """
    phase = training.training.phases[-1]
    return {
        "name": f"{spec.scale}x {family_of(spec).title} {spec.label()}",
        "author": author or "",
        "license": licence,
        "tags": ["general-upscaler", "photo"],
        "description": description.strip(),
        "date": date,
        "architecture": spec.family,
        "size": [spec.label()],
        "scale": spec.scale,
        "inputChannels": 3,
        "outputChannels": 3,
        "resources": [
            {
                "platform": _RESOURCES[path.suffix][0],
                "type": _RESOURCES[path.suffix][1],
                "size": path.stat().st_size,
                "sha256": sha256(path),
                "urls": [],
            }
            for path in files
        ],
        **({"trainingIterations": steps} if steps else {}),
        **({"trainingBatchSize": phase.batch, "trainingHRSize": phase.crop_lr * spec.scale} if steps else {}),
        "images": [],
    }
