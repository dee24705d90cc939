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
        self.path, self._partial = results / name, results / f"{name}.partial"
        if self.path.exists() and not overwrite:
            raise FileExistsError(f"{self.path} exists already: give another --name, or --overwrite to replace it.")
        self._partial.mkdir(parents=True, exist_ok=True)
        self._parts: list[Path] = []

    def save_part(self, name: str, table: pd.DataFrame) -> None:
        """Save a finished part of the run."""
        self._parts.append(self._partial / f"{name}.csv.gz")
        table.to_csv(self._parts[-1], index=False, compression={"method": "gzip", "compresslevel": 1})

    def finish(self, tables: dict[str, pd.DataFrame], record: dict[str, Any]) -> None:
        """Save the whole tables (long ones compressed) and the record, drop the parts, and move into place."""
        for name, table in tables.items():
            suffix = ".csv.gz" if len(table) > 1000 else ".csv"
            table.to_csv(self._partial / f"{name}{suffix}", index=False)
        (self._partial / "run.json").write_text(json.dumps(record, indent=2, default=str) + "\n")
        for part in self._parts:
            part.unlink()
        if self.path.exists():
            shutil.rmtree(self.path)
        self._partial.rename(self.path)


def run_record(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is needed to run again: arguments, time, versions, git state."""
    return {
        "arguments": arguments,
        "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version for package in PACKAGES if (version := _version(package))},
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
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
