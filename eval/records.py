"""Results on disk: written aside, moved into place whole, never over something that is there unasked."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

PACKAGES = ("energy-route-env", "gymnasium", "numpy", "scipy", "pandas", "pvlib", "torch", "stable-baselines3")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, in a folder made if need be, so that a kill leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


class ResultFolder:
    """A folder of results that appears whole or not at all.

    While the run goes on its parts stand in `<name>.partial` beside it, where a killed run leaves them.

    Args:
        results: the folder of all results.
        name: the name of this one; by default <kind>-<date>-<time>.
        kind: what ran.
        overwrite: whether an existing folder of that name is replaced, once the new one is complete.

    Raises:
        ValueError: if the name is not a plain one.
        FileExistsError: if a folder of that name exists and is not to be replaced.
    """

    def __init__(self, results: Path, name: str | None, kind: str, overwrite: bool = False) -> None:
        """Make the partial folder."""
        name = name or f"{kind}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        if Path(name).name != name or name in (".", ".."):
            raise ValueError(f"name is {name!r}, but it must be a plain folder name.")
        self.path, self.partial = results / name, results / f"{name}.partial"
        if self.path.exists() and not overwrite:
            raise FileExistsError(f"{self.path} exists already: give another --name, or --overwrite to replace it.")
        _set_aside(self.partial)
        self.partial.mkdir(parents=True)
        self._parts: list[Path] = []

    def save_part(self, name: str, table: pd.DataFrame) -> None:
        """Save a finished part of the run."""
        self._parts.append(self.partial / f"{name}.csv.gz")
        table.to_csv(self._parts[-1], index=False, compression={"method": "gzip", "compresslevel": 1})

    def finish(self, tables: dict[str, pd.DataFrame], record: dict[str, Any]) -> None:
        """Save the whole tables (long ones compressed) and the record, drop the parts, and move into place."""
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
        """A line that says where the finished results lie and what is there."""
        return f"Results: {self.path} ({', '.join(sorted(file.name for file in self.path.iterdir()))})"


def _set_aside(partial: Path) -> None:
    """Keep what a killed run of the same name has left, under the first free number."""
    number = 1
    while partial.exists():
        kept = partial.with_suffix(f".killed-{number}")
        if not kept.exists():
            partial.rename(kept)
        number += 1


def run_record(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is needed to run again: arguments, time, versions, git state."""
    return {
        "arguments": arguments,
        "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version for package in PACKAGES if (version := _version(package))},
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (changes := _git("status", "--porcelain")) is None else bool(changes),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """What git answers in this checkout, None outside of one."""
    try:
        result = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
