"""Processors that a process may use: affinity and the quotas of control groups, from files as Linux lays them out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas_sr.device_program.cores import cpu_quota, physical_cores, usable_cpus

V2 = "31 23 0:28 {top} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 32 0:30 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
V1_OF_MEMORY = "34 32 0:31 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


def tree(root: Path, groups: str, mounts: str, files: dict[str, str]) -> str:
    """A root folder whose process is in `groups`; `files` lie under sys/fs/cgroup."""
    content = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts}
    content |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_nothing_there_and_no_limit_are_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(str(tmp_path)) is None
    files = {"cpu.max": "max 100000\n"}
    assert cpu_quota(tree(tmp_path, "0::/\n", V2.format(top="/"), files)) is None
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    root = tree(tmp_path / "v1", "4:cpu,cpuacct:/\n", V1.format(top="/"), files)
    assert cpu_quota(root) is None
    assert usable_cpus(root) == len(os.sched_getaffinity(0))


def test_version_2_takes_the_smallest_of_all_groups_around_the_process(tmp_path: Path) -> None:
    files = {
        "pods/cpu.max": "150000 100000",
        "pods/one/cpu.max": "400000 100000",
        "pods/one/job/cpu.max": "max 100000",
        "pods/other/cpu.max": "10000 100000",
    }
    root = tree(tmp_path, "0::/pods/one/job\n", V2.format(top="/"), files)
    assert cpu_quota(root) == pytest.approx(1.5)
    assert usable_cpus(root) == 1  # rounded down


def test_version_1_reads_the_hierarchy_of_the_cpu_controller(tmp_path: Path) -> None:
    group = "docker/a1"
    files = {f"cpu,cpuacct/{group}/cpu.cfs_{name}_us": text for name, text in {"quota": "50", "period": "100"}.items()}
    files |= {f"memory/{group}/cpu.cfs_{name}_us": text for name, text in {"quota": "1", "period": "100"}.items()}
    groups = f"5:memory:/{group}\n4:cpu,cpuacct:/{group}\n1:name=systemd:/\n0::/\n"
    root = tree(tmp_path, groups, V1.format(top="/") + V1_OF_MEMORY.format(top="/"), files)
    assert cpu_quota(root) == pytest.approx(0.5)
    assert usable_cpus(root) == 1  # never none


@pytest.mark.parametrize(
    ("path", "place"), [("/docker/a1", ""), ("/docker/a1/worker", "worker/"), ("/", ""), ("/../other", "")]
)
def test_container_that_sees_its_own_group_as_the_top_one(tmp_path: Path, path: str, place: str) -> None:
    root = tree(tmp_path, f"0::{path}\n", V2.format(top="/docker/a1"), {f"{place}cpu.max": "100000 100000"})
    assert cpu_quota(root) == pytest.approx(1.0)


def test_quota_above_the_processors_changes_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/\n", V2.format(top="/"), {"cpu.max": "99900000 100000"})
    assert usable_cpus(root) == len(os.sched_getaffinity(0))


def test_broken_files_are_no_quota(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/\nrubbish\n", "rubbish\n" + V2.format(top="/"), {"cpu.max": "50000"})
    assert cpu_quota(root) is None


def test_affinity_counts_and_hyperthreads_of_one_core_are_one(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    cpus = [(number, number // 2) for number in range(2 * (max(allowed) + 1))]
    text = "\n".join(f"processor : {cpu}\nphysical id : 0\ncore id : {core}\n" for cpu, core in cpus)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(text)
    one = allowed[0]
    asks = (
        f"import os; os.sched_setaffinity(0, {{{one}}})\n"
        "from nas_sr.device_program.cores import physical_cores, usable_cpus\n"
        f"print(usable_cpus(), physical_cores(), physical_cores({str(tmp_path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]
    assert physical_cores(str(tmp_path)) == len({cpu // 2 for cpu in allowed})
