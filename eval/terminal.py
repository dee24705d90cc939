"""How tables and progress look on a terminal."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from eval.columns import filled, settings


def filled_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    left: Collection[str] = ("dispatcher",),
) -> Table:
    """Fill a table; columns whose heads are in `left` hold words, the others numbers that never wrap."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for head in heads:
        words = head in left
        table.add_column(head, justify="left" if words else "right", no_wrap=not words)
    for row in rows:
        table.add_row(*row)
    return table


def summary_tables(summary: pd.DataFrame) -> Iterator[Table]:
    """Yield two tables for each scenario and ratio, three where failures are retried; each narrower than 80 columns."""
    for title, rows in settings(summary):
        for kind, heading in (("energy", title), ("cost", None), ("failures", None)):
            columns = filled(rows, kind)
            if kind == "failures" and not columns:
                continue
            heads = ["dispatcher\n", *(f"{name}\n{unit}" for name, unit, _ in columns)]
            cells = zip(rows["dispatcher"], *(cells for _, _, cells in columns), strict=True)
            yield filled_table(heads, cells, heading, left=heads[:1])


def progress_bar(console: Console) -> Progress:
    """Return a bar with the current task, how much is done, and the time so far."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
