"""A recorded benchmark: a folder with a Parquet file of trainings and one of latencies, the protocol inside.

A training has one row: of a network, from a start, a seed, to a length. A latency has one: of a network, on a target.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from nas_sr.benchmark.protocol import Protocol
from nas_sr.config import parse
from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.base import Spec
from nas_sr.families.counts import Counts, counts
from nas_sr.families.registry import parse_spec
from nas_sr.files import replacing

TRAININGS, LATENCIES = "trainings.parquet", "latencies.parquet"
_FORMAT = "nas-sr benchmark 2"
Start = Literal["scratch", "supernet"]


class Row(NamedTuple):
    """One training of one network, to one length. `psnr_db` is None where it diverged, and `reason` says how.

    From "scratch" the network begins at its family's start; from "supernet" with inherited weights, of which the
    length 0 is the score without any training.
    """

    digest: str
    start: Start
    seed: int
    steps: int
    psnr_db: float | None  # RGB, on the protocol's validation pixels, of the weights after the last step
    loss: float | None  # mean of all its steps
    cpu_ms_per_step: float  # of those that it did not share with a shorter length, without validation
    reason: str = ""


class LatencyRow(NamedTuple):
    """One network's latency on one target. `relative_latency` is None where there is none, and `reason` says why."""

    digest: str
    target: str  # name of the hardware profile
    backend: str
    precision: str
    relative_latency: float | None  # to the reference network, run in between: what compares
    raw_latency_ms: float | None  # median, as the clock said
    reference_ms: float | None  # of the reference network meanwhile, likewise
    iqr_ms: float | None
    stable: bool
    reason: str = ""  # why it is not stable, or why there is none


class About(NamedTuple):
    """What the rows are of."""

    protocol: Protocol
    content: dict[str, Any]  # digests of the networks and of the images that were trained on and validated on
    machine: dict[str, Any]  # and the versions
    supernets: Mapping[str, Any] = MappingProxyType({})  # family -> content and training of the one inherited from


class Table:
    """Rows by digest, start, seed and length, latencies by digest and target, and the networks they are of."""

    def __init__(
        self, about: About, specs: Iterable[Spec], rows: Iterable[Row], latencies: Iterable[LatencyRow] = ()
    ) -> None:
        self.about = about
        self.specs = {spec.digest: spec for spec in specs}
        self.rows: dict[tuple[str, Start, int, int], Row] = {}
        self.latencies = {(row.digest, row.target): row for row in latencies}
        self.add(rows)

    def query(self, spec: Spec | str, seed: int, steps: int, start: Start = "scratch") -> Row:
        """The row of a network (or its digest), a seed and a length.

        Raises:
            UsageError: the table has no such row; says which seeds and lengths it has of the network, if any.
        """
        digest = spec if isinstance(spec, str) else spec.digest
        row = self.rows.get((digest, start, seed, steps))
        if row is not None:
            return row
        of_it = sorted(key for key in self.rows if key[0] == digest)
        if not of_it:
            raise UsageError(f"network {digest} is not in the table, which has {len(self.specs)} others")
        has = "; ".join(
            f"from {one}, seed {each}: {', '.join(str(key[3]) for key in of_it if key[1:3] == (one, each))}"
            for one, each in sorted({key[1:3] for key in of_it})
        )
        raise UsageError(
            f"network {digest} has no training of {steps} steps from {start}, seed {seed}; it has {has} steps"
        )

    def latency(self, spec: Spec | str, target: str) -> LatencyRow:
        """A network's latency on a target, by the name of its hardware profile.

        Raises:
            UsageError: the table has none; says which targets it has.
        """
        digest = spec if isinstance(spec, str) else spec.digest
        row = self.latencies.get((digest, target))
        if row is None:
            known = sorted({key[1] for key in self.latencies})
            raise UsageError(f"network {digest} has no latency on {target}; targets: {', '.join(known) or 'none'}")
        return row

    def counts(self, digest: str) -> Counts:
        """What a network of the table costs."""
        return counts(self.specs[digest])

    def add(self, rows: Iterable[Row]) -> None:
        """Takes further rows; one that is there already is replaced."""
        self.rows |= {(row.digest, row.start, row.seed, row.steps): row for row in rows}

    def write(self, folder: Path) -> None:
        """Writes the whole benchmark in the place of the one before.

        Columns: those of `Row`, the network's family, spec (JSON) and counts; those of `LatencyRow`. Missing values
        are nulls.
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
            "supernets": dict(self.about.supernets),
        }
        folder.mkdir(parents=True, exist_ok=True)
        schema = pa.schema(_COLUMNS, metadata={"nas_sr": json.dumps(about)})
        with replacing(folder / TRAININGS) as temporary:
            pq.write_table(pa.table(columns, schema=schema), temporary, compression="zstd")
        if self.latencies:
            latencies = [self.latencies[key]._asdict() for key in sorted(self.latencies)]
            with replacing(folder / LATENCIES) as temporary:
                pq.write_table(
                    pa.Table.from_pylist(latencies, schema=pa.schema(_LATENCY_COLUMNS)), temporary, compression="zstd"
                )


_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("digest", pa.string()),
    ("start", pa.string()),
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


_LATENCY_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("digest", pa.string()),
    ("target", pa.string()),
    ("backend", pa.string()),
    ("precision", pa.string()),
    ("relative_latency", pa.float64()),
    ("raw_latency_ms", pa.float64()),
    ("reference_ms", pa.float64()),
    ("iqr_ms", pa.float64()),
    ("stable", pa.bool_()),
    ("reason", pa.string()),
]


def parse_start(text: str) -> Start:
    """A start by its name.

    Raises:
        UsageError: no such start.
    """
    for known in get_args(Start):
        if text == known:
            return known
    raise unknown_name("start", text, get_args(Start))


def exists(folder: Path) -> bool:
    """Whether a benchmark was recorded there."""
    return (folder / TRAININGS).is_file()


def read_table(folder: Path) -> Table:
    """A recorded benchmark.

    Raises:
        UsageError: no such folder, not a table of this format, or a row that cannot be (it is named).
    """
    path = folder / TRAININGS
    found = _read(path, _COLUMNS)
    about = _about(path, (found.schema.metadata or {}).get(b"nas_sr"))
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
    if len({row[:4] for row in rows}) < len(rows):
        raise UsageError(f"{path}: a network, start, seed and length have two rows")
    latencies = list(_latencies(folder / LATENCIES, specs)) if (folder / LATENCIES).exists() else []
    return Table(about, specs.values(), rows, latencies)


def _read(path: Path, columns: list[tuple[str, pa.DataType]]) -> pa.Table:
    try:
        found = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise UsageError(f"{path}: no recorded benchmark there") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
    missing = [name for name, _ in columns if name not in found.column_names]
    if missing:
        raise UsageError(f"{path}: no column {', '.join(missing)}")
    return found


def _latencies(path: Path, specs: Mapping[str, Spec]) -> Iterator[LatencyRow]:
    for number, value in enumerate(_read(path, _LATENCY_COLUMNS).to_pylist()):
        where = f"{path}, row {number}"
        row = LatencyRow(**{name: value[name] for name in LatencyRow._fields})
        if row.digest not in specs:
            raise UsageError(f"{where}: network {row.digest} has no trainings")
        if row.relative_latency is None:
            if not row.reason:
                raise UsageError(f"{where}: no relative_latency, and no reason why")
        elif not (math.isfinite(row.relative_latency) and row.relative_latency > 0):
            raise UsageError(f"{where}: relative_latency is {row.relative_latency}")
        yield row


def _about(path: Path, metadata: bytes | None) -> About:
    try:
        plain = json.loads(metadata or b"")
        if plain["format"] != _FORMAT:
            raise UsageError(f"{path}: of format {plain['format']}, and this version reads {_FORMAT}")
        protocol = parse(plain["protocol"], Protocol, f"{path}: protocol")
        return About(protocol, plain["content"], plain["machine"], plain["supernets"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{path}: not a table that `nas-sr bench record` wrote: it does not say what it holds"
        ) from None


def _check(row: Row, where: str) -> None:
    absent = [name for name in Row._fields if name not in ("psnr_db", "loss") and getattr(row, name) is None]
    if absent:
        raise UsageError(f"{where}: no {', '.join(absent)}")
    if row.start not in get_args(Start):
        raise UsageError(f"{where}: start is {row.start}, which must be one of {', '.join(get_args(Start))}")
    if row.psnr_db is None and not row.reason:
        raise UsageError(f"{where}: no psnr_db, and no reason why")
    if row.psnr_db is not None and not math.isfinite(row.psnr_db):
        raise UsageError(f"{where}: psnr_db is {row.psnr_db}")
