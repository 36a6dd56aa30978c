from __future__ import annotations

import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import nas_sr
from nas_sr.measure.device_lock import SharedDevice, measuring, visitors
from tests.waiting import until

# Every event is one line "who what when", appended in one write.
PRELUDE = """
import os, sys, time
from nas_sr.measure.device_lock import SharedDevice, measuring
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(what):
    os.write(log, f"{sys.argv[2]} {what} {time.monotonic()}\\n".encode())
"""
TRAINER = """
with SharedDevice("test") as training:
    while True:
        training.step_boundary()
        say("begin")
        time.sleep(0.02)
        say("end")
"""
MEASURER = """
for _ in range(3):
    with measuring("test", when_waiting=lambda: say("wait")):
        say("begin")
        time.sleep(0.05)
        say("end")
"""
HOLDER = """
with {holding}:
    say("begin")
    time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Starts programs that write to one log; all are gone when the test ends."""
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path / "cache"))
    started = []

    def run(program: str, name: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", PRELUDE + program, str(tmp_path / "log"), name])
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def _events(tmp_path: Path) -> list[tuple[str, str, float]]:
    path = tmp_path / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(who, what, float(when)) for who, what, when in map(str.split, lines)]


def _spans(events, kind: str) -> list[tuple[float, float]]:
    """(begin, end) of everything done by those whose name starts with `kind`; a killed one's last may be open."""
    spans = []
    for who in {who for who, _, _ in events if who.startswith(kind)}:
        own = [(what, when) for name, what, when in events if name == who and what != "wait"]
        spans += [(begin[1], end[1]) for begin, end in itertools.pairwise(own) if begin[0] == "begin"]
    return sorted(spans)


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_no_step_runs_during_a_measurement_and_trainings_go_on_afterwards(start, tmp_path):
    trainers = ["trainer1", "trainer2", "trainer3"]
    for name in trainers:
        start(TRAINER, name)
    until(lambda: {who for who, what, _ in _events(tmp_path) if what == "end"} == set(trainers))
    assert start(MEASURER, "measurer").wait(60) == 0
    at_end = len(_spans(_events(tmp_path), "trainer"))
    until(lambda: len(_spans(_events(tmp_path), "trainer")) > at_end + 6)

    events = _events(tmp_path)
    measurements = _spans(events, "measurer")
    assert len(measurements) == 3
    assert not [pair for pair in itertools.product(measurements, _spans(events, "trainer")) if _overlap(*pair)]
    # Each training steps aside after one step; one more may have passed the turnstile at the moment it was taken.
    for asked in [when for who, what, when in events if what == "wait"]:
        begun = next(begin for begin, _ in measurements if begin > asked)
        for name in trainers:
            assert sum(who == name and what == "begin" and asked < when < begun for who, what, when in events) <= 2


def test_trainings_run_beside_each_other(start, tmp_path):
    start(HOLDER.format(holding='SharedDevice("test")'), "one")
    start(HOLDER.format(holding='SharedDevice("test")'), "two")
    until(lambda: len(_events(tmp_path)) == 2)


def test_two_measurements_never_overlap(start, tmp_path):
    measurers = [start(MEASURER, f"measurer{number}") for number in range(3)]
    assert [process.wait(60) for process in measurers] == [0, 0, 0]
    spans = _spans(_events(tmp_path), "measurer")
    assert len(spans) == 9
    assert not [pair for pair in itertools.pairwise(spans) if _overlap(*pair)]


@pytest.mark.parametrize("holding", ['SharedDevice("test")', 'measuring("test")'])
def test_killed_holder_frees_the_device(start, tmp_path, holding):
    holder = start(HOLDER.format(holding=holding), "holder")
    until(lambda: _events(tmp_path))
    measurer = start(MEASURER, "measurer")
    until(lambda: any(what == "wait" for _, what, _ in _events(tmp_path)))
    assert not _spans(_events(tmp_path), "measurer")
    holder.kill()
    assert measurer.wait(60) == 0


def test_free_device_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path))
    with SharedDevice("test") as training:
        training.step_boundary()
    waited = []
    with measuring("test", when_waiting=lambda: waited.append(True)), SharedDevice("another"):
        pass
    assert not waited


def test_visitors_are_those_that_shared_a_device_and_still_run(start, tmp_path):
    """A process that trained on a GPU keeps what it has in its memory, also between two trainings."""
    between = start('with SharedDevice("test"): pass\nsay("begin")\ntime.sleep(600)', "between")
    holder = start(HOLDER.format(holding='SharedDevice("test", "another")'), "holder")
    measurer = start(HOLDER.format(holding='measuring("third")'), "measurer")
    until(lambda: len(_events(tmp_path)) == 3)
    assert visitors("test") == {between.pid, holder.pid}
    assert visitors("another") == {holder.pid}
    assert visitors("third") == set()
    assert measurer.poll() is None
    holder.kill()
    holder.wait()
    assert (visitors("test"), visitors("another")) == ({between.pid}, set())


def test_process_with_the_number_of_one_that_ended_is_a_visitor(tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path))
    left = tmp_path / "locks" / f"{platform.node()}.reused.visitors" / str(os.getpid())
    left.parent.mkdir(parents=True)
    left.touch()
    with SharedDevice("reused"):
        assert visitors("reused") == {os.getpid()}
    assert visitors("reused") == {os.getpid()}


def test_one_module_asks_the_operating_system_for_locks() -> None:
    package = Path(nas_sr.__file__).parent
    asking = [path.relative_to(package).as_posix() for path in package.rglob("*.py") if "fcntl" in path.read_text()]
    assert asking == ["device_program/file_lock.py"]
