"""placeholder until merge"""

from pathlib import Path


def write_fp16(source: Path, target: Path) -> None:
    raise NotImplementedError
