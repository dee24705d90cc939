"""A table of outcomes: its entries, and what dispatchers take for each solved question, on questions for testing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.table import Table

from agents import make_dispatcher
from agents.orders import Calibrated
from energy_route_env import Scenario, Trace
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.scenarios import measured_scenario
from energy_route_env.units import FloatArray
from eval.columns import number
from eval.records import ResultArgs, run_record
from eval.rollout import run_traces
from eval.runs import ORDERS, fits
from eval.statistics import Estimate
from eval.table import TableArgs
from eval.terminal import filled_table

REFERENCE = "cascade"
"""What the others are compared with."""


@dataclass(frozen=True)
class PoolArgs(ResultArgs, TableArgs):
    """Show a table of outcomes as a pool, and what its questions for testing take under dispatchers that fit it."""

    file: Annotated[Path, tyro.conf.Positional] = Path("misguided_energy.csv")
    """The table, CSV or Parquet; by default the one that ships with the package."""
    policies: tuple[Path, ...] = ()
    """Policies to show beside the others: .safetensors files of `python -m train ppo --pool FILE`."""


def main(args: PoolArgs) -> None:
    """Read the table, save and print what it says."""
    args.check()
    pool, console = args.read(args.file), Console()
    folder = args.folder("pool")
    questions = question_table(pool, [str(policy) for policy in args.policies])
    entries, dispatchers = entry_table(pool), dispatcher_table(questions)
    folder.finish({"entries": entries, "dispatchers": dispatchers, "questions": questions}, run_record(asdict(args)))
    console.print(about(pool), soft_wrap=True)
    console.print("", _shown_entries(entries), "")
    console.print(_shown_dispatchers(dispatchers), "")
    for sentence in verdicts(questions):
        console.print(sentence, soft_wrap=True)
    console.print(folder.contents(), soft_wrap=True)


def about(pool: MeasuredPool) -> str:
    """Say in a sentence or two what the table holds."""
    outcomes, n_training = pool.outcomes, pool.n_training
    hints = ["family"] * (len(set(outcomes.families)) > 1) + ["prompt length"] * (outcomes.prompt_length is not None)
    split = f"{n_training} for training, {len(outcomes.questions) - n_training} for testing"
    return (
        f"{len(outcomes.questions)} questions with all {len(pool)} entries ({outcomes.dropped} others left out): "
        f"{split}. Dispatchers see of a question: {' and '.join(hints) or 'nothing'}."
    )


def entry_table(pool: MeasuredPool) -> pd.DataFrame:
    """Return a row for each entry: what it took and solved, and how that was estimated for questions for testing.

    `brier` is the mean square of estimated chance minus success, over questions for testing and their ways;
    `brier_mean` the same with the mean of the training questions as the estimate.
    """
    outcomes, test, train = pool.outcomes, pool.numbers("test"), pool.numbers("train")
    estimates = Calibrated(measured_scenario(pool)).estimates(test.astype(float))
    solved = outcomes.solved[test]
    plain = outcomes.solved[train].mean(axis=(0, 2))
    columns = {
        "entry": pool.names,
        "joules": outcomes.energy_j.mean(axis=(0, 2)),
        "solved_share": outcomes.solved.mean(axis=(0, 2)),
        "seconds": np.nan if outcomes.seconds is None else outcomes.seconds.mean(axis=(0, 2)),
        "test_joules": outcomes.energy_j[test].mean(axis=(0, 2)),
        "expected_joules": estimates.energy_j.mean(axis=0),
        "test_solved_share": solved.mean(axis=(0, 2)),
        "expected_chance": estimates.chance.mean(axis=0),
        "brier": ((estimates.chance[..., None] - solved) ** 2).mean(axis=(0, 2)),
        "brier_mean": ((plain[:, None] - solved) ** 2).mean(axis=(0, 2)),
    }
    return pd.DataFrame(columns)


def question_table(pool: MeasuredPool, policies: Sequence[str] = ()) -> pd.DataFrame:
    """Return a row for each question for testing: the share of its ways that any entry solves, and mean joules.

    The joules are of all attempts at it until it is solved or every entry has failed, a column for each dispatcher:
    those of `ORDERS` and the policy that ships with the project where they fit, and other policies by their paths.
    """
    test, ways = pool.numbers("test"), pool.outcomes.energy_j.shape[-1]
    scenario, traces = alone(pool)
    table: dict[str, Any] = {"question": [pool.outcomes.questions[number] for number in test]}
    for name in (*(name for name in (*ORDERS, "learned") if fits(name, scenario)), *policies):
        result = run_traces(scenario, make_dispatcher(name, scenario), traces)
        table["solved_share"] = result.tally["solved"].reshape(-1, ways).mean(axis=1)  # the same under all
        table[name] = result.balance["consumed_j"].reshape(-1, ways).mean(axis=1)
    return pd.DataFrame(table)


def alone(pool: MeasuredPool) -> tuple[Scenario, list[Trace]]:
    """Return an episode for every way of every question for testing, way by way, in which it is the only task.

    The battery is empty; the one slot harvests the mean, so that a policy is asked what it often meets in training.
    """
    scenario, energy_j, solved = measured_scenario(pool), pool.outcomes.energy_j, pool.outcomes.solved
    traces = [
        Trace.of([scenario.harvest.mean_j], [0], [float(number)], energy_j=taken_j[None], solved=right[None])
        for number in pool.numbers("test")
        for taken_j, right in zip(energy_j[number].T, solved[number].T, strict=True)
    ]
    return replace(scenario, horizon_slots=1), traces


def per_solved(spent_j: FloatArray, solved_share: FloatArray) -> Estimate:
    """Return the joules for each solved question, from independent questions: a ratio of means r = E e / E s.

    Its error is that of the mean of (e - r s) / E s (the delta method), with Student's t. Given a difference of two
    dispatchers' joules, it is the interval of the paired difference, since they solve the same. Where no question is
    solved, all is nan.
    """
    if not solved_share.any():
        return Estimate(math.nan, math.nan, math.nan)
    ratio = float(spent_j.mean() / solved_share.mean())
    spread = Estimate.of((spent_j - ratio * solved_share) / solved_share.mean())
    return Estimate(ratio, spread.standard_error, spread.half_width)


def dispatcher_table(questions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each dispatcher, thriftiest first: joules for each solved question, and the cascade's less.

    The interval of the difference is paired by question.
    """
    share, rows = questions["solved_share"].to_numpy(float), []
    for name in questions.columns.drop(["question", "solved_share"]):
        taken = per_solved(questions[name].to_numpy(float), share)
        difference = per_solved((questions[name] - questions[REFERENCE]).to_numpy(float), share)
        row = {"dispatcher": name, "questions": len(share), "solved_share": share.mean()}
        row |= {"per_solved_j": taken.mean, "per_solved_j_half_width": taken.half_width}
        rows.append(row | {"difference_j": difference.mean, "difference_j_half_width": difference.half_width})
    return pd.DataFrame(rows).sort_values("per_solved_j", ignore_index=True)


def verdicts(questions: pd.DataFrame) -> Iterator[str]:
    """Say of each pair that should stand in this order whether the questions show it."""
    share = questions["solved_share"].to_numpy(float)
    if not share.any():
        yield "No entry solves any question for testing: there are no joules for each solved question to compare."
        return
    known = ["question", "solved_share", "hindsight", REFERENCE, "largest-first"]
    best = questions.drop(columns=known, errors="ignore").mean().idxmin()
    digits = decimals(per_solved(questions["hindsight"].to_numpy(float), share).mean)
    for less, more in (("hindsight", best), (best, REFERENCE), (REFERENCE, "largest-first")):
        if np.allclose(questions[more], questions[less], rtol=1e-9, atol=0):
            yield f"{less} and {more} take the same on each question."
            continue
        gap = per_solved((questions[more] - questions[less]).to_numpy(float), share)
        yield (
            f"{less} < {more} by {_with_interval(gap.mean, gap.half_width, digits)} J for each solved question, on "
            f"{len(share)} question{'s' * (len(share) > 1)}: {_finding(gap)}."
        )


def _finding(gap: Estimate) -> str:
    """Say whether a difference that should be above 0 is shown to be."""
    if math.isnan(gap.half_width):
        return "not shown, since a single question has no interval"
    if gap.mean > gap.half_width:
        return "shown"
    if gap.mean < -gap.half_width:
        return "not so"
    return "not shown, since the interval reaches 0: too few questions, or too weak a hint"


def decimals(*values: float) -> int:
    """Return how many decimals show three figures of each of the values, of those that are not above 0 none.

    Example:
        >>> decimals(0.0123, 45.6), decimals(1234.5)
        (4, 0)
    """
    smallest = min((value for value in values if value > 0), default=1e3)
    return max(0, 2 - math.floor(math.log10(smallest)))


def _with_interval(mean: float, half_width: float, digits: int, sign: str = "") -> str:
    """Write a mean with the half width of its interval, where it has one."""
    shown = number(mean, 1, digits, sign)
    return shown if math.isnan(half_width) else f"{shown} ± {number(half_width, 1, digits)}"


def _shown_entries(entries: pd.DataFrame) -> Table:
    heads = {
        "joules": ("all\nJ", 1.0),
        "solved_share": ("\n%", 0.01),
        "seconds": ("\ns", 1.0),
        "test_joules": ("test\nJ", 1.0),
        "test_solved_share": ("\n%", 0.01),
        "expected_joules": ("seen\nJ", 1.0),
        "expected_chance": ("\n%", 0.01),
    }
    joules = decimals(*entries[["joules", "test_joules", "expected_joules"]].to_numpy(float).ravel())
    digits = {name: joules if "joules" in name else 0 for name in heads} | {"seconds": decimals(*entries["seconds"])}
    cells = [[number(value, size, digits[name]) for value in entries[name]] for name, (_, size) in heads.items()]
    rows = zip(entries["entry"], *cells, strict=True)
    title = "Entries: joules and share solved, of all, on test, and as fitted for test"
    return filled_table(["\nentry", *(head for head, _ in heads.values())], rows, title, left=["\nentry"])


def _shown_dispatchers(dispatchers: pd.DataFrame) -> Table:
    heads = ["\ndispatcher", "joules for each\nsolved question", f"minus\n{REFERENCE}", "solved\n%"]
    digits = decimals(*dispatchers["per_solved_j"])
    pairs = [
        [_with_interval(mean, half, digits, sign) for mean, half in zip(means, halves, strict=True)]
        for means, halves, sign in (
            (dispatchers["per_solved_j"], dispatchers["per_solved_j_half_width"], ""),
            (dispatchers["difference_j"], dispatchers["difference_j_half_width"], "+"),
        )
    ]
    shares = [number(share, 0.01, 1) for share in dispatchers["solved_share"]]
    rows = zip(dispatchers["dispatcher"], *pairs, shares, strict=True)
    return filled_table(heads, rows, "Test: each tried until solved or all entries failed", left=heads[:1])
