"""Work shared among processes gives what it gives here, and leaves nobody behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from energy_route_env import make_scenario
from eval.benchmark import _simulated
from eval.workers import workers

ROOT = Path(__file__).parents[1]


def test_runs_in_other_processes_are_those_of_this_one() -> None:
    scenario = make_scenario("uncertain", horizon_slots=20)
    arguments = (scenario, "random", 30, 4)
    with workers(2) as submit:
        there = [submit(_simulated, *arguments) for _ in range(2)]
        assert submit(os.getpid)() != os.getpid()
        tables = [get() for get in there]
    with workers(1) as submit:
        here = submit(_simulated, *arguments)()
        assert submit(os.getpid)() == os.getpid()
    assert all(table.equals(here) for table in tables)


PARENT = """
import time
from eval.workers import workers
import os
if __name__ == "__main__":
    with workers(2) as submit:
        print(submit(os.getpid)(), flush=True)
        submit(time.sleep, 600)()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=60)  # ends once no worker holds the pipe any more
    waited_until = time.monotonic() + 30
    while is_alive(worker) and time.monotonic() < waited_until:
        time.sleep(0.05)
    assert not is_alive(worker)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True
