"""The journal against kills, full disks and lost power: whole lines only, and a lock that nobody holds any more."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_sr.errors import WorkError
from nas_sr.search.journal import WholeLines, open_journal


def _study(path: Path) -> optuna.Study:
    return optuna.create_study(
        storage=open_journal(path), study_name="s", directions=["maximize", "minimize"], load_if_exists=True
    )


def test_line_cut_short_is_dropped_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    study = _study(journal)
    study.add_trial(optuna.trial.create_trial(values=[30.0, 5.0]))
    whole = journal.read_bytes()
    for cut in (1, 7, 20):
        journal.write_bytes(whole + b'{"op_code": 5, "worker_id": "xyz-and-more"'[:cut])
        study = _study(journal)
        assert [trial.values for trial in study.trials] == [[30.0, 5.0]]
        assert journal.read_bytes().startswith(whole)
    study.add_trial(optuna.trial.create_trial(values=[31.0, 6.0]))
    assert [trial.values for trial in _study(journal).trials] == [[30.0, 5.0], [31.0, 6.0]]


@settings(max_examples=50)
@given(
    lines=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5000), max_size=2), max_size=4),
    rest=st.one_of(
        st.binary(max_size=9000).map(lambda rest: rest.replace(b"\n", b" ")),
        st.integers(1, 9000).map(lambda zeros: b"\0" * zeros),
        st.integers(1, 9000).map(lambda zeros: b"\0" * zeros + b'"}\n'),
        st.just('{"name": "é'.encode()[:-1]),
    ),
)
def test_whatever_a_cut_write_left_is_gone_before_the_next_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, str]], rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("journals") / "journal.log"
    written = WholeLines(path)
    for line in lines:
        written.append_logs([line])
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(rest)
    assert list(WholeLines(path).read_logs(0)) == lines  # a reader passes over it ...
    assert path.read_bytes() == whole + rest  # ... and writes nothing
    written.append_logs([{"the": "next"}])
    assert path.read_bytes() == whole + b'{"the":"next"}\n'
    assert list(WholeLines(path).read_logs(0)) == [*lines, {"the": "next"}]


_FILLS_UP = """
import resource, sys
from pathlib import Path
import optuna
from nas_sr.errors import WorkError
from nas_sr.search.journal import open_journal

path = Path(sys.argv[1])
study = optuna.load_study(study_name="s", storage=open_journal(path))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in (0, 1, 100):
    before = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + room, unlimited[1]))
    try:
        study.add_trial(optuna.trial.create_trial(values=[0.0, 0.0], user_attrs={"long": "x" * 300}))
    except WorkError as error:
        print(error)
    assert path.stat().st_size == before, "cut back at once"
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    study.add_trial(optuna.trial.create_trial(values=[31.0, room]))
"""


def test_write_that_fails_half_way_leaves_a_whole_journal_and_says_why(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    _study(journal).add_trial(optuna.trial.create_trial(values=[30.0, 5.0]))
    done = subprocess.run([sys.executable, "-c", _FILLS_UP, str(journal)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 3 * (
        f"{journal}: cannot be written: File too large; nothing that it holds is lost: raise the limit on the size of"
        " files (`ulimit -f unlimited`), and go on with the same command\n"
    )
    assert [trial.values for trial in _study(journal).trials] == [[30.0, 5.0], [31.0, 0.0], [31.0, 1.0], [31.0, 100.0]]


def test_full_disk_is_named_and_interrupts_leave_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel does when half of a line is written."""
    journal = tmp_path / "journal.log"
    study = _study(journal)
    whole = journal.read_bytes()
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fails(descriptor: int, error: BaseException = error) -> None:
            assert journal.read_bytes() != whole
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            with pytest.raises((WorkError, KeyboardInterrupt)) as caught:
                study.set_user_attr("a", "b")
        assert isinstance(caught.value, KeyboardInterrupt) or "make room on that disk" in str(caught.value)
        assert journal.read_bytes() == whole
    study.set_user_attr("a", "c")
    assert _study(journal).user_attrs == {"a": "c"}


def test_lock_of_a_killed_process_does_not_block(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    _study(journal)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import sys, time
                from pathlib import Path
                from nas_sr.files import locked
                with locked(Path(sys.argv[1])):
                    print("held", flush=True)
                    time.sleep(600)
                """
            ),
            f"{journal}.lock",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    _study(journal).add_trial(optuna.trial.create_trial(values=[30.0, 5.0]))  # would wait for ever on a stale lock
