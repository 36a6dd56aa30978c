"""What a process leaves when it is killed."""

import signal
import subprocess
import sys

import psutil

_LEAVES_A_CHILD = """
import subprocess, sys
import psutil
from nas_sr.orphans import ended_with_this
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with ended_with_this([psutil.Process(child.pid)]):
    print(child.pid, flush=True)
    sys.stdin.read()
"""


def test_children_end_with_a_process_that_is_killed() -> None:
    for how in (signal.SIGKILL, None):
        with subprocess.Popen(
            [sys.executable, "-c", _LEAVES_A_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdin
            child = psutil.Process(int(process.stdout.readline()))
            assert child.is_running()
            if how:
                process.send_signal(how)
            else:
                process.stdin.close()
        gone, _ = psutil.wait_procs([child], timeout=60)
        assert gone
