"""How much memory reading a long log takes, measured in a process of its own (on Linux, which keeps its peak)."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.progress import track

from energy_route_env.checks import require, require_real, require_whole

WRITTEN_AT_ONCE = 500_000
READ = """
import sys
from energy_route_env.world.traces import read_log
source, repairs = read_log(sys.argv[1], float(sys.argv[2]))
source.draw(__import__("numpy").random.default_rng(0), 1000)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**10
print(repairs.rows, len(source.record.series), source.record.series.sum(), peak)
"""


@dataclass(frozen=True)
class MemoryArgs:
    """Write a log of random requests into a temporary folder, read it, and show the peak memory of reading."""

    rows: int = 100_000_000
    """Requests; a million take 30 MB of disk."""
    rate: float = 5.0
    """Requests a second."""
    slot_seconds: float = 1.0
    """Length of a slot."""
    folder: Path | None = None
    """Where the temporary folder is made; by default where the system has them."""

    def check(self) -> None:
        require(sys.platform == "linux", "platform", sys.platform, "linux: it says what a process took at its peak")
        require_whole("rows", self.rows, 1000)
        there = self.folder is None or self.folder.is_dir()
        require(there, "folder", str(self.folder), "a folder that is there already")
        for name in ("rate", "slot_seconds"):
            require_real(name, getattr(self, name), 0.0, above=True)


def main(args: MemoryArgs) -> None:
    """Write, read and print."""
    args.check()
    console = Console()
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "requests.csv"
        write_log(file, args.rows, args.rate, console)
        start = time.perf_counter()
        answer = read_log(file, args.slot_seconds)
        seconds, size = time.perf_counter() - start, file.stat().st_size
    rows, slots, counted, peak = answer.split()
    console.print(
        f"Read {int(rows):,} rows ({size / 2**20:,.0f} MB) in {seconds:.0f} s into {int(slots):,} slots with "
        f"{int(counted):,} requests: {float(peak):.0f} MB at the peak, Python and its libraries included (2^20 bytes).",
        soft_wrap=True,
    )


def read_log(file: Path, slot_seconds: float) -> str:
    """Read the log in a process of its own and return what it says; an InputError shows why that failed."""
    command = [sys.executable, "-c", READ, str(file), str(slot_seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (done.stderr.splitlines() or ["it said nothing"])[-1].rstrip(".")
    require(done.returncode == 0, "exit code of the process that read the log", done.returncode, f"0; {last}")
    return done.stdout


def write_log(file: Path, rows: int, rate: float, console: Console) -> None:
    """Write Poisson requests from 2024 on as CSV, by chunks: a time to 100 ns and a number of tokens."""
    rng, now = np.random.default_rng(0), 0.0
    with file.open("w") as out:
        out.write("TIMESTAMP,GeneratedTokens\n")
        for first in track(range(0, rows, WRITTEN_AT_ONCE), "writing the log", console=console):
            times = now + rng.standard_exponential(min(WRITTEN_AT_ONCE, rows - first)).cumsum() / rate
            now = float(times[-1])
            stamps = np.datetime64("2024-01-01", "ns") + (np.rint(times * 1e7) * 100).astype("timedelta64[ns]")
            tokens = rng.integers(1, 5000, len(times)).tolist()
            text = np.datetime_as_string(stamps, unit="ns").tolist()
            out.writelines(f"{stamp[:-2]},{token}\n" for stamp, token in zip(text, tokens, strict=True))
