"""Adds to a recorded benchmark what its networks score with inherited weights, before any training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nas_sr.benchmark.recording import recorded_images, refuse_other
from nas_sr.benchmark.table import Row, Table, read_table
from nas_sr.config import differences
from nas_sr.errors import UsageError
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.search.evaluators import supernet_digests
from nas_sr.space import read_space
from nas_sr.supernet.stored import load_supernet, read_about


def record_inherited(
    folder: Path,
    supernets: Sequence[Path],
    data: str | None,
    val: str | None,
    tell: Callable[[str], None] = lambda text: None,
) -> Table:
    """Validates every network of a table with the weights that it inherits of its space's supernet, once.

    Args:
        folder: of the table.
        supernets: one for each space of the table, or for some.
        data: the table's training images; None: those that come with ordinary packages.
        val: its validation images.
        tell: is told each network's score.

    Raises:
        UsageError: the images are not the table's, a supernet is of another space, or the table has scores of another
            one already.
    """
    table = read_table(folder)
    protocol = table.about.protocol
    _, looked_at, content = recorded_images(protocol, data, val)
    refuse_other(folder, table, protocol, content)
    spaces = {space.family: space for space in map(read_space, protocol.spaces)}
    for path in supernets:
        about = read_about(path)
        family = str(about.space.get("family"))
        if family not in spaces:
            raise UsageError(f"{path}: a supernet of family {family}, and {folder} has {', '.join(spaces)}")
        digests = supernet_digests([str(path)], [spaces[family]])
        now = {"digest": digests[family], "steps": about.steps, "training": about.training}
        was = table.about.supernets.get(family, now)
        if changed := differences(was, now):
            raise UsageError(f"{folder}: has scores of another supernet: {'; '.join(changed)}; record another folder")
        table.about = table.about._replace(supernets={**table.about.supernets, family: now})
        supernet = load_supernet(path, spaces[family])
        for spec in table.specs.values():
            if spec.family != family or (spec.digest, "supernet", 0, 0) in table.rows:
                continue
            begin = time.process_time()
            psnr_db = validation_psnr_rgb(supernet.extract(spec).eval(), looked_at)
            finite = math.isfinite(psnr_db)
            reason = "" if finite else f"validation PSNR is {psnr_db}"
            table.add([Row(spec.digest, "supernet", 0, 0, psnr_db if finite else None, None, 0.0, reason)])
            table.write(folder)
            tell(f"{spec.label()}: {psnr_db:.3f} dB inherited ({time.process_time() - begin:.1f} s)")
    table.write(folder)
    return table
