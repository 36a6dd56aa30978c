"""A benchmark recorded on real photographs: stopped and continued, asked, damaged, and held against what it says."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from nas_sr.benchmark.inherited import record_inherited
from nas_sr.benchmark.measuring import record_latencies
from nas_sr.benchmark.members import long_members, members
from nas_sr.benchmark.protocol import Protocol
from nas_sr.benchmark.recording import record, tasks
from nas_sr.benchmark.table import LATENCIES, TRAININGS, Table, read_table
from nas_sr.config import Phase, Training, parse
from nas_sr.data.image_sets import image_sets
from nas_sr.errors import UsageError
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile
from nas_sr.space import read_space
from nas_sr.supernet.initialisation import initial_network
from nas_sr.supernet.stored import SUPERNET, save_supernet
from nas_sr.supernet.supernet import Supernet
from nas_sr.train.execution import Execution
from nas_sr.train.loop import train
from nas_sr.train.rungs import at_rung
from nas_sr.train.state import TrainingState
from tests.search.quick import answered, quick_cpu

_SPACES: dict[str, dict[str, Any]] = {
    "imdeception": {"fixed": {"depth": 2, "head": 16}, "parameters": {"core": [2, 4], "gidbs": [1, 2]}},
    "compact": {"family": "compact", "parameters": {"width": [4, 8, 12], "depth": [1, 2]}},
}


class Recorded(NamedTuple):
    path: Path
    protocol: Protocol
    told: list[str]
    table: Table


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Stopped after the first training, then gone on with."""
    folder = tmp_path_factory.mktemp("benchmark")
    for name, space in _SPACES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(space))
    protocol = Protocol(
        spaces={str(folder / "imdeception.yaml"): 1, str(folder / "compact.yaml"): 2},
        training=Training(phases=(Phase(steps=6, batch=2),), precision="fp32", memory_format="channels_last"),
        validation_megapixels=0.02,
        steps=(4, 6),
        seeds=(0,),
        long_steps=(10,),
        long_seeds=(0, 1),
        long_every=2,
    )
    path, told = folder / "table", list[str]()

    def stop(text: str) -> None:
        told.append(text)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(path, protocol, None, None, processes=1, tell=stop)
    assert len(read_table(path).rows) == 2
    return Recorded(path, protocol, told, record(path, protocol, None, None, processes=1, tell=told.append))


def test_stopped_recording_goes_on_and_does_nothing_twice(recorded: Recorded) -> None:
    wanted = {
        (task.spec.digest, "scratch", task.seed, steps) for task in tasks(recorded.protocol) for steps in task.steps
    }
    assert recorded.table.rows.keys() == read_table(recorded.path).rows.keys() == wanted
    assert len(wanted) == 3 * 2 + 2 + 2 * 3  # from seed 0 in three networks, two of them long too; from seed 1 these
    assert len(recorded.told) == 3 + 2 + 2
    again: list[str] = []
    record(recorded.path, recorded.protocol, None, None, processes=1, tell=again.append)
    assert not again


def test_row_is_what_a_training_of_its_length_gives(recorded: Recorded) -> None:
    protocol, (spec, *_) = recorded.protocol, long_members(recorded.protocol)
    sets = image_sets(None, None, 4, 16)
    looked_at = bounded(sets.val, protocol.validation_megapixels)
    training = at_rung(protocol.training.model_copy(update={"seed": 1}), 10)
    state = TrainingState(initial_network(spec, 1), training, Execution(memory_format="channels_last"))
    *_, last = train(state, sets.train, lambda network: validation_psnr_rgb(network, looked_at))
    row = recorded.table.query(spec, 1, 10)
    assert (row.psnr_db, row.loss) == (last.psnr_db, last.loss)


def test_networks_are_spread_over_cost_and_drawn_once_and_for_all() -> None:
    protocol = Protocol(spaces={"compact_x4": 12}, largest_macs_g=21)
    found = [counts(spec).macs_g for spec in members(protocol)]
    assert found == sorted(found)
    assert len({spec.digest for spec in members(protocol)}) == 12
    ratios = [after / before for before, after in itertools.pairwise(found)]
    even = (found[-1] / found[0]) ** (1 / 11)
    assert max(ratios) < even**2.1
    assert found[-1] <= 21
    assert [spec.digest for spec in long_members(protocol)] == [spec.digest for spec in members(protocol)[::4]]


def test_only_what_was_recorded_is_answered(recorded: Recorded) -> None:
    spec = members(recorded.protocol)[1]
    with pytest.raises(UsageError, match="of 5 steps from scratch, seed 0; it has from scratch, seed 0: 4, 6"):
        recorded.table.query(spec, 0, 5)
    with pytest.raises(UsageError, match="not in the table, which has 3 others"):
        recorded.table.query(ImdeceptionSpec(core=12), 0, 4)


def test_commands_answer(recorded: Recorded, tmp_path: Path) -> None:
    spec = members(recorded.protocol)[1]
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec.to_json()))
    found, _ = answered(["bench", "query", str(path), "--steps", "6", "--table", str(recorded.path), "--json"])
    assert found["psnr_db"] == recorded.table.query(spec, 0, 6).psnr_db
    found, _ = answered(["bench", "table", "--table", str(recorded.path), "--json"])
    assert (found["members"], found["rows"]) == (3, 14)
    _, errors = answered(["bench", "query", str(path), "--steps", "7", "--table", str(recorded.path)], status=2)
    assert "no training of 7 steps" in errors


def test_table_of_another_protocol_is_not_mixed(recorded: Recorded) -> None:
    other = recorded.protocol.model_copy(update={"validation_megapixels": 0.01})
    with pytest.raises(UsageError, match=r"protocol.validation_megapixels was 0.02 and is now 0.01"):
        record(recorded.path, other, None, None)


def _without_column(table: pa.Table) -> pa.Table:
    return table.drop_columns(["loss"])


def _without_protocol(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({})


def _twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


def _with(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        index = table.column_names.index(column)
        values = [value, *table.column(column).to_pylist()[1:]]
        return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))

    return changed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_column, "no column loss"),
        (_without_protocol, "does not say what it holds"),
        (_twice, "a network, start, seed and length have two rows"),
        (_with("psnr_db", None), "row 0: no psnr_db, and no reason why"),
        (_with("psnr_db", float("inf")), "row 0: psnr_db is inf"),
        (_with("digest", "0" * 12), "row 0: digest 000000000000, but its spec's is"),
        (_with("spec", "{"), "row 0: spec: "),
        (_with("steps", None), "row 0: no steps"),
        (_with("start", "warm"), "row 0: start is warm, which must be one of scratch, supernet"),
    ],
)
def test_damaged_table_says_where(
    recorded: Recorded, tmp_path: Path, damage: Callable[[pa.Table], pa.Table], said: str
) -> None:
    pq.write_table(damage(pq.ParquetFile(recorded.path / TRAININGS).read()), tmp_path / TRAININGS)
    with pytest.raises(UsageError, match=said):
        read_table(tmp_path)


def test_files_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recorded benchmark there"):
        read_table(tmp_path / "missing")
    (tmp_path / TRAININGS).write_text("text")
    with pytest.raises(UsageError, match="not a Parquet file"):
        read_table(tmp_path)


def test_lengths_that_do_not_grow_are_refused() -> None:
    with pytest.raises(UsageError, match="must grow, but got 800, 400, 8000"):
        parse({"steps": [800, 400]}, Protocol, "protocol.yaml")


def test_inherited_scores_are_those_of_extracted_networks(recorded: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    shutil.copytree(recorded.path, folder)
    space = read_space(next(name for name in recorded.protocol.spaces if name.endswith("compact.yaml")))
    supernet = Supernet(space)
    supernet.initialise(0)
    save_supernet(supernet, tmp_path / "one" / SUPERNET)
    told: list[str] = []
    for _ in range(2):  # the second time nothing is left to do
        found = record_inherited(folder, [tmp_path / "one"], None, None, told.append)
    assert len(told) == 2
    looked_at = bounded(image_sets(None, None, 4, 16).val, recorded.protocol.validation_megapixels)
    for spec in members(recorded.protocol)[1:]:
        assert found.query(spec, 0, 0, "supernet").psnr_db == validation_psnr_rgb(supernet.extract(spec), looked_at)
    assert read_table(folder).rows == found.rows
    with torch.no_grad():
        next(iter(supernet.parameters())).add_(0.1)
    save_supernet(supernet, tmp_path / "other" / SUPERNET)
    with pytest.raises(UsageError, match="has scores of another supernet: digest was"):
        record_inherited(folder, [tmp_path / "other"], None, None)


def test_latencies_are_kept_and_what_is_stable_is_not_taken_again(recorded: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    shutil.copytree(recorded.path, folder)
    quick = parse(quick_cpu() | {"name": "quick"}, HardwareProfile, "quick.yaml")
    told: list[str] = []
    found = record_latencies(folder, [quick], tell=told.append)
    assert len(told) == 3
    row = read_table(folder).latency(members(recorded.protocol)[0], "quick")
    assert row == found.latency(members(recorded.protocol)[0], "quick")
    assert row.relative_latency is not None
    assert row.relative_latency > 0
    assert row.raw_latency_ms is not None
    again: list[str] = []
    record_latencies(folder, [quick], tell=again.append)
    assert len(again) == sum(not each.stable for each in found.latencies.values())
    with pytest.raises(UsageError, match="no latency on xavier; targets: quick"):
        found.latency(members(recorded.protocol)[0], "xavier")
    latencies = pq.ParquetFile(folder / LATENCIES).read()
    pq.write_table(_with("relative_latency", -1.0)(latencies), folder / LATENCIES)
    with pytest.raises(UsageError, match=r"latencies.parquet, row 0: relative_latency is -1"):
        read_table(folder)


def test_device_that_is_gone_stops_the_recording(recorded: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    shutil.copytree(recorded.path, folder)
    away = parse(quick_cpu() | {"ssh": [{"host": "127.0.0.1", "port": 1}]}, HardwareProfile, "away.yaml")
    with pytest.raises(MeasurementFailed):
        record_latencies(folder, [away])
