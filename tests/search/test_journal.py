"""The journal against kills: a lock nobody holds any more, and a line cut short."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import optuna

from nas_sr.search.journal import open_journal


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
                from nas_sr.search.journal import KernelLock
                KernelLock(Path(sys.argv[1])).acquire()
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
