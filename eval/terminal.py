"""How tables and progress look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from eval.columns import filled, settings


def plain_table(title: str | None = None) -> Table:
    """Return a table with a bold title and a line under its head, as narrow as its columns allow."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def filled_table(
    columns: Sequence[tuple[str, Sequence[str]]], title: str | None = None, left: Sequence[str] = ("dispatcher",)
) -> Table:
    """Fill a table from heads and cells, one pair a column.

    Args:
        columns: heads, and as many cells in each column.
        title: of the table.
        left: heads of the columns of words: they are aligned left and may wrap. The others are aligned right.
    """
    table = plain_table(title)
    for head, _ in columns:
        words = head in left
        table.add_column(head, justify="left" if words else "right", no_wrap=not words)
    for row in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*row)
    return table


def summary_tables(summary: pd.DataFrame) -> Iterator[Table]:
    """Yield two tables, each narrower than 80 columns, for each scenario and ratio."""
    for title, rows in settings(summary):
        names = ("dispatcher\n", list(rows["dispatcher"]))
        for kind, head in (("energy", title), ("cost", None)):
            columns = [(f"{name}\n{unit}", cells) for name, unit, cells in filled(rows, kind)]
            yield filled_table([names, *columns], head, left=names[:1])


def progress_bar(console: Console) -> Progress:
    """Return a bar with the current task, how much is done, and the time so far."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
