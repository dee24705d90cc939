"""One self-contained HTML page from the saved tables of a benchmark; it opens anywhere, without a network."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
import pandas as pd
import tyro
from markupsafe import Markup, escape
from rich.console import Console

from energy_route_env import SCENARIOS
from energy_route_env.checks import require
from energy_route_env.files import write_atomically
from eval.columns import COLUMNS, filled, settings
from eval.figures import dispatchers_figure, save_figure
from eval.pictures import PICTURES
from eval.records import read_csv
from eval.summary import verdicts


@dataclass(frozen=True)
class ReportArgs:
    """Write report.html, one self-contained page, into the folder of a finished benchmark."""

    folder: tyro.conf.Positional[Path]
    """The benchmark's folder, with summary.csv and run.json."""
    figures: Path | None = None
    """A folder of `python -m eval figures`; the report shows its figures too."""


def main(args: ReportArgs) -> None:
    """Write the report and print where it is."""
    Console().print(f"Report: {write_report(args.folder, args.figures)}", soft_wrap=True)


def write_report(folder: Path, figures: Path | None = None) -> Path:
    """Write `folder`/report.html from the tables saved there, whole or not at all; return its path.

    The folder has a benchmark's summary.csv and run.json, that of figures to show has its run.json. If one of them is
    missing or not readable, an InputError says so.
    """
    summary = read_csv(_existing(folder, "summary.csv", "folder"), "folder")
    records = [_record(folder, "folder")]
    if figures is not None:
        records.append(_record(figures, "figures"))
    page = _template().render(
        title="Energy-aware routing: " + ", ".join(summary["scenario"].unique()),
        style=Markup(Path(__file__).with_suffix(".css").read_text()),
        size=_size(summary),
        episodes=" or ".join(f"{count:,}" for count in summary["episodes"].unique()),
        verdicts=verdicts(summary),
        sections=list(_sections(summary)),
        pictures=PICTURES,
        comparison=_comparison(summary),
        gallery=None if figures is None else _gallery(figures),
        columns={column.name: column for column in COLUMNS if column.source in summary}.values(),
        record=records[0],
        commands=dict.fromkeys(record["command"] for record in records),
    )
    write_atomically(folder / "report.html", page.encode())
    return folder / "report.html"


def _template() -> jinja2.Template:
    """Load the page's template. It escapes every value that is not `Markup`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    return environment.get_template("report.html")


def _code(text: str) -> Markup:
    """Escape the text; show as code what is between backticks."""
    return Markup(re.sub("`(.*?)`", r"<code>\1</code>", str(escape(text))))


def _existing(folder: Path, name: str, argument: str) -> Path:
    require((folder / name).is_file(), argument, str(folder), f"a folder of results with {name}")
    return folder / name


def _record(folder: Path, argument: str) -> dict[str, Any]:
    """Read run.json."""
    text = _existing(folder, "run.json", argument).read_text()
    try:
        record = json.loads(text)
    except json.JSONDecodeError:
        record = {}
    require("command" in record, argument, str(folder), "a folder of results whose run.json names the command")
    return record


def _size(summary: pd.DataFrame) -> str:
    """Say how many dispatchers, scenarios and ratios there are."""
    counts = {name: summary[name].nunique() for name in ("dispatcher", "scenario", "ratio")}
    return ", ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in counts.items()) + " of renewable supply to demand"


def _sections(summary: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield name, description and tables of each scenario."""
    for name, rows in summary.groupby("scenario", sort=False):
        about = SCENARIOS[str(name)].summary if name in SCENARIOS else ""
        yield {"name": name, "about": about, "tables": [_table(title, some) for title, some in settings(rows)]}


def _table(title: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Return title, heads and rows of one table; the rows of least auxiliary energy are the best."""
    columns = filled(rows)
    heads = ["dispatcher", *(f"{name}, {unit}" for name, unit, _ in columns)]
    best = rows["cost"] == rows["cost"].min()
    shown = zip(rows["dispatcher"], best, zip(*(cells for _, _, cells in columns), strict=True), strict=True)
    named = [{"name": name, "best": is_best, "cells": cells} for name, is_best, cells in shown]
    return {"title": title, "heads": heads, "rows": named}


def _comparison(summary: pd.DataFrame) -> str:
    """Plot the dispatchers' figure from this very summary."""
    with TemporaryDirectory() as scratch:
        save_figure(dispatchers_figure(summary), Path(scratch) / "dispatchers")
        return _source(Path(scratch) / "dispatchers.svg")


def _gallery(folder: Path) -> dict[str, str]:
    """Read the figures of a folder by name, except the comparison, which the report plots itself."""
    files = {name: folder / f"{name}.svg" for name in PICTURES if name != "dispatchers"}
    found = {name: _source(file) for name, file in files.items() if file.is_file()}
    require(bool(found), "figures", str(folder), "a folder with figures (.svg) of `python -m eval figures`")
    return found


def _source(svg: Path) -> str:
    """Return the picture as a data URL."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
