"""One self-contained HTML page from the saved tables of a benchmark: it opens anywhere, without a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import tyro
from rich.console import Console

from energy_route_env import SCENARIOS
from energy_route_env.checks import require
from energy_route_env.units import energy_unit
from eval.figures import PICTURES, dispatchers_figure, save_figure
from eval.records import write_atomically
from eval.summary import REFERENCE, interval, number, verdicts

MADE = {
    "auxiliary": "Mean over episodes of the energy drawn from the grid in a whole episode, ± the half width of its "
    "95 % interval (Student's t).",
    f"minus {REFERENCE}": f"Mean of the episode-by-episode difference to the {REFERENCE} dispatcher, which meets the "
    "same traces, with the interval of that paired difference; in percent, the same over its mean.",
    "Brownian": "E[D_T] of a Brownian motion with the dispatcher's own drift and standard deviation per slot (the "
    "paper's Theorem 2). Given where slots are independent, nothing can wait, the battery is ideal and the dispatcher "
    "does not look at it.",
    "exact": "E[D_T] by Spitzer's identity, without approximation, under the same conditions.",
    "off by": "Simulated minus exact, in standard errors of the simulation.",
    "per task, latency": "Energy and seconds of a query, averaged over all tasks of all episodes.",
    "grid, spilled": "Share of all energy consumed that the grid gave; share of the harvest that a full battery lost.",
    "drift, std": "Mean and standard deviation of a slot's demand minus harvest, from the dispatcher's slot law.",
}
"""What the tables' columns mean and how their numbers were made."""


@dataclass(frozen=True)
class ReportArgs:
    """Write report.html, one self-contained page, into the folder of a finished benchmark."""

    folder: tyro.conf.Positional[Path]
    """The benchmark's folder, with summary.csv and run.json."""
    figures: Path | None = None
    """A folder of `python -m eval figures`, whose figures the report shows too."""


def main(args: ReportArgs) -> None:
    """Write the report and say where it lies."""
    Console().print(f"Report: {write_report(args.folder, args.figures)}", soft_wrap=True)


def write_report(folder: Path, figures: Path | None = None) -> Path:
    """Write `folder`/report.html from the tables saved there, whole or not at all.

    Args:
        folder: a benchmark's, with summary.csv and run.json.
        figures: a folder of figures to show too, with its run.json.

    Returns:
        The report's path.

    Raises:
        ValueError: if summary.csv or run.json is missing in a folder, or the summary holds no row.
    """
    summary = pd.read_csv(_existing(folder, "summary.csv", "folder"))
    require(len(summary) > 0, "folder", str(folder), "one whose summary.csv holds rows")
    record = json.loads(_existing(folder, "run.json", "folder").read_text())
    drawn = None if figures is None else json.loads(_existing(figures, "run.json", "figures").read_text())
    parts = [
        _head(summary, record),
        _verdict_list(summary),
        _comparison(summary),
        *_scenario_sections(summary),
        "" if figures is None else _gallery(figures),
        _definitions(),
        _again(record, drawn),
    ]
    style = Path(__file__).with_suffix(".css").read_text()
    page = PAGE.format(title=escape(_title(summary)), style=style, body="\n".join(parts))
    write_atomically(folder / "report.html", page.encode())
    return folder / "report.html"


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _existing(folder: Path, name: str, argument: str) -> Path:
    require((folder / name).is_file(), argument, str(folder), f"a folder of results with {name}")
    return folder / name


def _title(summary: pd.DataFrame) -> str:
    return "Energy-aware routing: " + ", ".join(summary["scenario"].unique())


def _tag(name: str, content: str, **attributes: str) -> str:
    """An element around ready HTML; attributes are escaped."""
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{shown}>{content}</{name}>"


def _head(summary: pd.DataFrame, record: dict[str, Any]) -> str:
    """What was asked, and of what size the answer is."""
    asked = (
        "Which reasoning model should run which task, when power is renewable, stored and uncertain, so that the least "
        "energy is drawn from the grid?"
    )
    counts = {name: summary[name].nunique() for name in ("dispatcher", "scenario", "ratio")}
    size = ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
    size += " of renewable supply to demand"
    episodes = " or ".join(f"{count:,}" for count in summary["episodes"].unique())
    run = (
        f"{size}; {episodes} episodes each, on the same randomness for all. Run finished {record['finished_utc'][:10]}."
    )
    places = {f"scenario-{name}": name for name in summary["scenario"].unique()} | {"made": "numbers", "again": "again"}
    links = " · ".join(_tag("a", escape(text), href=f"#{place}") for place, text in places.items())
    words = _tag("p", asked) + _tag("p", escape(run), class_="soft") + _tag("nav", links)
    return _tag("h1", escape(_title(summary))) + words


def _sentences(summary: pd.DataFrame) -> dict[str, str]:
    """The verdict on each scenario, by its name."""
    return dict(zip(summary.groupby("scenario", sort=False).groups, verdicts(summary), strict=True))


def _verdict_list(summary: pd.DataFrame) -> str:
    items = (_tag("li", escape(sentence)) for sentence in _sentences(summary).values())
    return _tag("h2", "What came out") + _tag("ul", "".join(items), class_="verdicts")


def _comparison(summary: pd.DataFrame) -> str:
    """The dispatchers' figure, drawn from this very summary."""
    with TemporaryDirectory() as scratch:
        save_figure(dispatchers_figure(summary), Path(scratch) / "dispatchers")
        return _figure("dispatchers", (Path(scratch) / "dispatchers.svg").read_bytes())


def _figure(name: str, svg: bytes) -> str:
    picture = PICTURES[name]
    source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    image = f'<div class="paper"><img alt="{escape(picture.alt)}" src="{source}"></div>'
    words = _tag("strong", escape(picture.title)) + _code(picture.caption)
    return _tag("figure", image + _tag("figcaption", words), id=f"figure-{name}")


def _code(text: str) -> str:
    """Escaped text, with what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(_tag("code", piece) if number % 2 else piece for number, piece in enumerate(pieces))


def _scenario_sections(summary: pd.DataFrame) -> Iterator[str]:
    for name, rows in summary.groupby("scenario", sort=False):
        about = SCENARIOS[name].summary if name in SCENARIOS else ""
        tables = "".join(_table(str(name), ratio, group) for ratio, group in rows.groupby("ratio", sort=False))
        heading = _tag("h2", "Scenario " + _tag("code", escape(str(name))))
        yield _tag("section", heading + _tag("p", escape(about), class_="soft") + tables, id=f"scenario-{name}")


def _table(name: str, ratio: float, rows: pd.DataFrame) -> str:
    """One table in a box of its own to scroll in; the best rows are marked."""
    columns = {head: cells for head, cells in _columns(rows).items() if any(cells)}
    head = _tag("tr", "".join(_tag("th", escape(column), scope="col") for column in ("dispatcher", *columns)))
    least = rows["auxiliary_j"].min()
    body = []
    for dispatcher, auxiliary, *cells in zip(rows["dispatcher"], rows["auxiliary_j"], *columns.values(), strict=True):
        first = _tag("th", escape(dispatcher), scope="row")
        marked = {"class_": "best"} if auxiliary == least else {}
        body.append(_tag("tr", first + "".join(_tag("td", escape(cell)) for cell in cells), **marked))
    title = f"{name}, ratio {ratio:g}: {rows['episodes'].iloc[0]} episodes of {rows['horizon_slots'].iloc[0]} slots"
    table = _tag("table", _tag("thead", head) + _tag("tbody", "".join(body)), aria_label=title)
    box = _tag("div", table, class_="scroll", role="region", tabindex="0", aria_label=f"{title}, scrolls sideways")
    return _tag("h3", escape(title)) + box


def _columns(rows: pd.DataFrame) -> dict[str, list[str]]:
    """The cells of every column but the first, as text; a column without numbers is empty throughout."""
    scale, unit = energy_unit(rows["auxiliary_j"])
    task_scale, task_unit = energy_unit(rows["energy_per_task_j"])
    reference = float(rows.loc[rows["dispatcher"] == REFERENCE, "auxiliary_j"].iloc[0])
    others = [(None if row["dispatcher"] == REFERENCE else row) for _, row in rows.iterrows()]
    shares = {"%": reference / 100} if reference > 0 else {}
    return {
        f"auxiliary, {unit}": [interval(row, "auxiliary_j", scale) for _, row in rows.iterrows()],
        **{
            f"minus {REFERENCE}, {name}": [
                "" if row is None else interval(row, "difference_j", size, "+") for row in others
            ]
            for name, size in ({unit: scale} | shares).items()
        },
        f"Brownian, {unit}": numbers(rows["brownian_j"], scale),
        f"exact, {unit}": numbers(rows["exact_j"], scale),
        "off by, SE": numbers(rows["exact_deviation_se"], digits=1, sign="+"),
        f"{task_unit} per task": numbers(rows["energy_per_task_j"], task_scale, 1),
        "latency, s": numbers(rows["latency_s"], digits=1),
        "grid, %": numbers(rows["grid_share"], 0.01, 1),
        "spilled, %": numbers(rows["spilled_share"], 0.01, 1),
        "drift, J": numbers(rows["drift_j"], digits=1),
        "std, J": numbers(rows["volatility_j"], digits=1),
    }


def numbers(values: Iterable[float], scale: float = 1.0, digits: int = 2, sign: str = "") -> list[str]:
    """The values in units of `scale`; empty where there is none."""
    return [number(value, scale, digits, sign) for value in values]


def _gallery(folder: Path) -> str:
    """The figures of a folder, but for the comparison that the report draws itself."""
    names = [name for name in PICTURES if name != "dispatchers" and (folder / f"{name}.svg").is_file()]
    require(bool(names), "figures", str(folder), "a folder with figures (.svg) of `python -m eval figures`")
    figures = "".join(_figure(name, (folder / f"{name}.svg").read_bytes()) for name in names)
    return _tag("h2", "Figures") + _tag("div", figures, class_="figures")


def _definitions() -> str:
    terms = "".join(_tag("dt", escape(term)) + _tag("dd", escape(text)) for term, text in MADE.items())
    return _tag("h2", "How each number was made", id="made") + _tag("dl", terms)


def _again(record: dict[str, Any], figures: dict[str, Any] | None) -> str:
    """Commands, seed, versions and commit."""
    commands = [_command("benchmark", record)] + ([] if figures is None else [_command("figures", figures)])
    commit = f"{record['git_commit'] or 'unknown'}" + (" (with uncommitted changes)" if record["git_dirty"] else "")
    facts = {
        "Seed": str(record["arguments"].get("seed")),
        "Commit": commit,
        "Python": f"{record['python']} on {record['platform']}",
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
    terms = "".join(_tag("dt", name) + _tag("dd", escape(value)) for name, value in facts.items())
    return _tag("h2", "How to run it again", id="again") + _tag("pre", escape("\n".join(commands))) + _tag("dl", terms)


def _command(name: str, record: dict[str, Any]) -> str:
    """The command line that the record's arguments came from, without what only says where results go."""
    words = [f"python -m eval {name}"]
    for argument, value in record["arguments"].items():
        if argument in ("name", "results", "overwrite") or value is None or value is False or value in ("", []):
            continue
        values = value if isinstance(value, list) else [value]
        words.append(" ".join([f"--{argument.replace('_', '-')}", *([] if value is True else map(str, values))]))
    return " ".join(words)
