"""Results on disk. They are written to a partial folder and moved into place whole; nothing is replaced unasked."""

from __future__ import annotations

import itertools
import json
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from energy_route_env.checks import InputError, require, require_whole

PACKAGES = ("energy-route-env", "gymnasium", "numpy", "scipy", "pandas", "pvlib", "torch", "stable-baselines3")


@dataclass(frozen=True)
class ResultArgs:
    """Arguments of every command that saves a folder of results."""

    seed: int = 0
    """Seed of all randomness; 0 is the benchmark's."""
    name: str = ""
    """Name of the results' folder; by default <command>-<date>-<time>."""
    results: Path = Path("results")
    """Where the folder goes."""
    overwrite: bool = False
    """Replace an existing folder of that name."""

    def check(self) -> None:
        """Raise an InputError where an argument is wrong."""
        require_whole("seed", self.seed, 0)

    def folder(self, kind: str) -> ResultFolder:
        """Make the folder for the results of this kind of run."""
        return ResultFolder(self.results, self.name, kind, self.overwrite)


class ResultFolder:
    """A folder of results that appears whole or not at all.

    From the first file on, the run's parts are in `<name>.partial` beside it. A killed run leaves them there; the next
    run of that name renames them to `<name>.killed-<number>`.

    Without a name it is called <kind>-<date>-<time>. `overwrite` replaces an existing folder of that name, once the new
    one is complete; else that raises an InputError, as does a name that is not a plain one.
    """

    def __init__(self, results: Path, name: str | None, kind: str, overwrite: bool = False) -> None:
        name = name or f"{kind}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        require(Path(name).name == name and name not in (".", ".."), "name", name, "a plain folder name")
        self.path = results / name
        if self.path.exists() and not overwrite:
            raise InputError(f"{self.path} exists already: give another --name, or --overwrite to replace it.")
        self._parts: list[Path] = []

    @cached_property
    def partial(self) -> Path:
        """Where the run's files go until it has finished, made for the first of them."""
        partial = self.path.with_name(f"{self.path.name}.partial")
        if partial.exists():
            names = (partial.with_suffix(f".killed-{number}") for number in itertools.count(1))
            partial.rename(next(name for name in names if not name.exists()))
        partial.mkdir(parents=True)
        return partial

    def save_part(self, name: str, table: pd.DataFrame) -> None:
        self._parts.append(self.partial / f"{name}.csv.gz")
        table.to_csv(self._parts[-1], index=False, compression={"method": "gzip", "compresslevel": 1})

    def finish(self, tables: dict[str, pd.DataFrame], record: dict[str, Any]) -> None:
        """Save the tables (long ones compressed) and the record, delete the parts, and move the folder into place."""
        for name, table in tables.items():
            suffix = ".csv.gz" if len(table) > 1000 else ".csv"
            table.to_csv(self.partial / f"{name}{suffix}", index=False)
        (self.partial / "run.json").write_text(json.dumps(record, indent=2, default=str) + "\n")
        for part in self._parts:
            part.unlink()
        if self.path.exists():
            shutil.rmtree(self.path)
        self.partial.rename(self.path)

    def contents(self) -> str:
        """Say in one line where the finished results are, and name the files."""
        return f"Results: {self.path} ({', '.join(sorted(file.name for file in self.path.iterdir()))})"


def run_record(arguments: dict[str, Any]) -> dict[str, Any]:
    """Record what is needed to run again: command, arguments, time, versions, git state."""
    return {
        "command": command_line(),
        "arguments": arguments,
        "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version for package in PACKAGES if (version := _version(package))},
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (changes := _git("status", "--porcelain")) is None else bool(changes),
    }


def command_line() -> str:
    """Return the command that started this process, ready to paste into a shell."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["-m", module.name.removesuffix(".__main__")] if module else sys.argv[:1]
    return shlex.join(["python", *program, *sys.argv[1:]])


def read_csv(path: Path, argument: str) -> pd.DataFrame:
    """Read a saved table.

    Raises:
        InputError: naming the command's argument, if the file is not a table with rows.
    """
    try:
        table = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        table = pd.DataFrame()
    require(len(table) > 0, argument, str(path), "a CSV table with rows")
    return table


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Return git's answer in this checkout; None outside one."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
