"""The table of a recorded benchmark: one row a network, seed and length, in a Parquet file with its protocol inside."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from nas_sr.benchmark.protocol import Protocol
from nas_sr.config import parse
from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.counts import Counts, counts
from nas_sr.families.registry import parse_spec
from nas_sr.files import replacing

_FORMAT = "nas-sr benchmark 1"


class Row(NamedTuple):
    """One training of one network, to one length. `psnr_db` is None where it diverged, and `reason` says how."""

    digest: str
    seed: int
    steps: int
    psnr_db: float | None  # RGB, on the protocol's validation pixels, of the weights after the last step
    loss: float | None  # mean of all its steps
    cpu_ms_per_step: float  # of those that it did not share with a shorter length, without validation
    reason: str = ""


class About(NamedTuple):
    """What the rows are of."""

    protocol: Protocol
    content: dict[str, Any]  # digests of the networks and of the images that were trained on and validated on
    machine: dict[str, Any]  # and the versions


class Table:
    """Rows by digest, seed and length, and the networks they are of."""

    def __init__(self, about: About, specs: Iterable[Spec], rows: Iterable[Row]) -> None:
        self.about = about
        self.specs = {spec.digest: spec for spec in specs}
        self.rows = {(row.digest, row.seed, row.steps): row for row in rows}

    def query(self, spec: Spec | str, seed: int, steps: int) -> Row:
        """The row of a network (or its digest), a seed and a length.

        Raises:
            UsageError: the table has no such row; says which seeds and lengths it has of the network, if any.
        """
        digest = spec if isinstance(spec, str) else spec.digest
        row = self.rows.get((digest, seed, steps))
        if row is not None:
            return row
        of_it = [key for key in self.rows if key[0] == digest]
        if not of_it:
            raise UsageError(f"network {digest} is not in the table, which has {len(self.specs)} others")
        has = "; ".join(
            f"seed {each}: {', '.join(str(key[2]) for key in sorted(of_it) if key[1] == each)}"
            for each in sorted({key[1] for key in of_it})
        )
        raise UsageError(f"network {digest} has no training of {steps} steps from seed {seed}; it has {has} steps")

    def counts(self, digest: str) -> Counts:
        """What a network of the table costs."""
        return counts(self.specs[digest])

    def add(self, rows: Iterable[Row]) -> None:
        """Takes further rows; one that is there already is replaced."""
        self.rows |= {(row.digest, row.seed, row.steps): row for row in rows}

    def write(self, path: Path) -> None:
        """Writes the whole table in the place of the one before.

        Columns: those of `Row`, the network's family, spec (JSON) and counts. Missing values are nulls.
        """
        rows = [self.rows[key] for key in sorted(self.rows)]
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in Row._fields}
        columns["family"] = [self.specs[row.digest].family for row in rows]
        columns["spec"] = [json.dumps(self.specs[row.digest].to_json(), sort_keys=True) for row in rows]
        for name in Counts._fields:
            columns[name] = [getattr(self.counts(row.digest), name) for row in rows]
        about = {
            "format": _FORMAT,
            "protocol": self.about.protocol.model_dump(mode="json"),
            "content": self.about.content,
            "machine": self.about.machine,
        }
        schema = pa.schema(_COLUMNS, metadata={"nas_sr": json.dumps(about)})
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            pq.write_table(pa.table(columns, schema=schema), temporary, compression="zstd")


_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("digest", pa.string()),
    ("family", pa.string()),
    ("seed", pa.int64()),
    ("steps", pa.int64()),
    ("psnr_db", pa.float64()),
    ("loss", pa.float64()),
    ("cpu_ms_per_step", pa.float64()),
    ("reason", pa.string()),
    ("params", pa.int64()),
    ("macs_g", pa.float64()),
    ("ntire_flops_g", pa.float64()),
    ("activations_m", pa.float64()),
    ("convs", pa.int64()),
    ("spec", pa.string()),
]


def read_table(path: Path) -> Table:
    """A recorded benchmark.

    Raises:
        UsageError: no such file, not a table of this format, or a row that cannot be (it is named).
    """
    try:
        found = pq.read_table(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such table") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
    about = _about(path, (found.schema.metadata or {}).get(b"nas_sr"))
    missing = [name for name, _ in _COLUMNS if name not in found.column_names]
    if missing:
        raise UsageError(f"{path}: no column {', '.join(missing)}")
    rows, specs = [], {}
    for number, value in enumerate(found.to_pylist()):
        where = f"{path}, row {number}"
        row = Row(**{name: value[name] for name in Row._fields})
        _check(row, where)
        if row.digest not in specs:
            try:
                spec = parse_spec(json.loads(value["spec"]), where)
            except (TypeError, ValueError) as error:
                raise UsageError(f"{where}: spec: {error}") from None
            if spec.digest != row.digest:
                raise UsageError(f"{where}: digest {row.digest}, but its spec's is {spec.digest}")
            specs[row.digest] = spec
        rows.append(row)
    if len({row[:3] for row in rows}) < len(rows):
        raise UsageError(f"{path}: a network, seed and length have two rows")
    return Table(about, specs.values(), rows)


def _about(path: Path, metadata: bytes | None) -> About:
    try:
        plain = json.loads(metadata or b"")
        if plain["format"] != _FORMAT:
            raise UsageError(f"{path}: of format {plain['format']}, and this version reads {_FORMAT}")
        return About(parse(plain["protocol"], Protocol, f"{path}: protocol"), plain["content"], plain["machine"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{path}: not a table that `nas-sr bench record` wrote: it does not say what it holds"
        ) from None


def _check(row: Row, where: str) -> None:
    absent = [name for name in Row._fields if name not in ("psnr_db", "loss") and getattr(row, name) is None]
    if absent:
        raise UsageError(f"{where}: no {', '.join(absent)}")
    if row.psnr_db is None and not row.reason:
        raise UsageError(f"{where}: no psnr_db, and no reason why")
    if row.psnr_db is not None and not math.isfinite(row.psnr_db):
        raise UsageError(f"{where}: psnr_db is {row.psnr_db}")
