"""What the command `pool` computes from a table, and how a table is named on the command line."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_measured import CONFIGURATIONS, OUTCOMES, needs

from energy_route_env.checks import InputError
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.scenarios import measured_scenario
from eval import benchmark
from eval.__main__ import main
from eval.benchmark import BenchmarkArgs
from eval.pool import decimals, dispatcher_table, entry_table, per_solved, question_table, verdicts
from eval.runs import dispatcher_names
from eval.table import TableArgs

COMPLETE = ("gemma-2-2b-it", "gemma-2-9b-it", "Meta-Llama-3.1-8B-Instruct", "gemma-2-27b-it")
COMPLETE += ("Meta-Llama-3.1-70B-Instruct", "Mistral-Large-2", "Llama-3.1-405B-Inst@sambanova")


def small_table(folder: Path) -> Path:
    rng = np.random.default_rng(12)
    rows = [
        {"question": f"q{k}", "model": model, "correct": int(rng.random() < chance), "output_tokens": 10 + k}
        for k in range(30)
        for model, chance in (("small", 0.5), ("large", 0.9))
    ]
    path = folder / "small.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_interval_of_joules_by_solved_questions_is_the_bootstraps() -> None:
    """200 questions: the half width by the delta method is that of 4000 resamplings to 10 %."""
    rng = np.random.default_rng(13)
    share = rng.random(200)
    spent = 100 * rng.exponential(1.0, 200) * (2 - share)
    estimate = per_solved(spent, share)
    assert estimate.mean == pytest.approx(spent.sum() / share.sum())
    at = rng.integers(200, size=(4000, 200))
    low, high = np.quantile(spent[at].sum(axis=1) / share[at].sum(axis=1), [0.025, 0.975])
    assert estimate.half_width == pytest.approx((high - low) / 2, rel=0.1)


def test_a_verdict_is_shown_only_where_the_interval_leaves_out_0() -> None:
    columns = {"solved_share": [1.0, 0.5, 1.0], "hindsight": [1.0, 2.0, 3.0], "best-order": [2.0, 3.1, 4.0]}
    columns |= {"calibrated": [9.0, 9.0, 9.0], "cascade": [1.0, 4.0, 9.0], "largest-first": [1.0, 1.0, 1.0]}
    said = list(verdicts(pd.DataFrame(columns)))
    assert said[0].startswith("hindsight < best-order by 1.24 ± ") and said[0].endswith("on 3 questions: shown.")
    assert (
        said[1].startswith("best-order < cascade by 1.96 ± ") and "not shown, since the interval reaches 0" in said[1]
    )
    assert said[2].startswith("cascade < largest-first by -4.40 ± ") and "the interval reaches 0" in said[2]
    columns |= {"largest-first": [-9.0, -5.0, 1.0], "best-order": [1.0, 2.0, 3.0]}
    said = list(verdicts(pd.DataFrame(columns)))
    assert said[0] == "hindsight and best-order take the same on each question."
    assert said[2].endswith(": not so.")


# Tables of few or many entries and questions


def written(folder: Path, entries: int = 3, questions: int = 30, solved: int = 1) -> Path:
    rows = [
        {"question": f"q{k}", "model": f"m{m}", "correct": solved * int((k + m) % 3 == 0), "joules": (m + 1) / 8}
        for k in range(questions)
        for m in range(entries)
    ]
    pd.DataFrame(rows).to_csv(folder / "own.csv", index=False)
    return folder / "own.csv"


def shown(options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["eval", "pool", *options])
    main()
    return capsys.readouterr().out


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"entries": 17}, "calibrated < cascade by"),
        ({"solved": 0}, "No entry solves any question for testing"),
        ({"questions": 3}, "on 1 question: not shown, since a single question has no interval."),
        ({"entries": 1}, "cascade and largest-first take the same on each question."),
    ],
)
def test_any_table_has_its_sentences(
    fields: dict[str, int],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown([str(written(tmp_path, **fields)), "--results", str(tmp_path)], monkeypatch, capsys)
    assert said in text and not re.search(r"inf|nan|±\s+\D", text)
    assert ("best-order" in text) == (fields.get("entries", 0) < 17)


def test_joules_are_shown_with_three_figures_or_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown([str(written(tmp_path)), "--results", str(tmp_path)], monkeypatch, capsys)
    assert re.search(r"m0 +0\.125 ", text) and re.search(r"hindsight +0\.\d{3} ± 0\.\d{3} ", text)
    assert [decimals(*values) for values in ((0.0123, 45.6), (1234.5,), (9.99,), ())] == [4, 0, 2, 0]


def test_a_run_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, results = tmp_path / "none.safetensors", tmp_path / "results"
    monkeypatch.setattr(sys, "argv", ["eval", "pool", "--policies", str(policy), "--results", str(results)])
    with pytest.raises(SystemExit, match=r"none\.safetensors"):
        main()
    assert not results.exists()


def test_the_shares_and_scores_of_entries_are_those_of_the_table() -> None:
    pool = MeasuredPool.from_table("misguided_energy.csv")
    table, test = entry_table(pool), pool.numbers("test")
    assert table["solved_share"].to_numpy() == pytest.approx(pool.outcomes.solved.mean(axis=(0, 2)))
    assert table["test_joules"].to_numpy() == pytest.approx(pool.outcomes.energy_j[test].mean(axis=(0, 2)))
    chance = pool.outcomes.solved[pool.numbers("train")].mean(axis=(0, 2))
    share = pool.outcomes.solved[test].mean(axis=(0, 2))
    assert table["brier_mean"].to_numpy() == pytest.approx(share - 2 * chance * share + chance**2)


def test_a_table_is_named_by_its_columns_and_rates(tmp_path: Path) -> None:
    file = small_table(tmp_path)
    pool = TableArgs(joules_per_token={"S": 1.0, "large": 9.0}, names={"small": "S"}).read(file)
    assert pool.names == ("S", "large")
    assert pool.outcomes.energy_j[:, 1] == pytest.approx(9 * pool.outcomes.energy_j[:, 0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"configured": {"small": "x"}}, "configured is .*, but it must be empty without configurations"),
        ({"configurations": Path("x"), "joules_per_token": {"a": 1.0}}, "give one of them"),
        ({"configurations": Path("x")}, "configured is .*, but it must be pairs"),
        ({"joules_per_token": {"small": 0.0}}, "joules per token of small is 0.*, but it must be .* above 0"),
        ({"joules_per_token": {"small": 1e51}}, "joules per token of small is 1e.51, but it must be .* at most 1e.50"),
    ],
)
def test_rates_that_contradict_each_other_are_refused(changes: dict, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        TableArgs(**changes).read(small_table(tmp_path))


def test_the_command_line_takes_pairs_and_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(small_table(tmp_path))
    rates = ["--joules-per-token", "small", "1", "large", "9"]
    place = ["--results", str(tmp_path / "results"), "--name", "x"]
    monkeypatch.setattr(sys, "argv", ["eval", "pool", file, *rates, *place])
    main()
    assert len(pd.read_csv(tmp_path / "results" / "x" / "dispatchers.csv")) == 5
    monkeypatch.setattr(sys, "argv", ["eval", "pool", file, "--columns", "joules", "J", *place])
    with pytest.raises(SystemExit, match=r"^error: column of .*small.csv 'J' is unknown; the nearest"):
        main()


def test_a_pool_of_one_entry_has_the_dispatchers_that_fit_it(tmp_path: Path) -> None:
    names = dispatcher_names(measured_scenario(MeasuredPool.from_table(written(tmp_path, entries=1))))
    assert {"myopic", "fixed-0", "cascade"} <= set(names) and not {"error-0.05", "fixed-1"} & set(names)


def test_the_benchmark_runs_on_a_table(tmp_path: Path) -> None:
    """Its tasks are the table's questions for testing: what its episodes solve lies between none and all."""
    args = BenchmarkArgs(
        pool=small_table(tmp_path),
        joules_per_token={"small": 1.0, "large": 9.0},
        ratios=(1.0,),
        episodes=3,
        results=tmp_path,
        name="run",
    )
    benchmark.main(args)
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    assert set(summary["scenario"]) == {"measured"}
    assert {"cascade", "calibrated", "best-order", "largest-first", "hindsight"} <= set(summary["dispatcher"])
    assert "scaling-law" not in set(summary["dispatcher"])
    assert set(summary.loc[summary["privileged"], "dispatcher"]) == {"oracle", "error-0.05", "hindsight"}
    assert summary["solved_share"].between(0.5, 1.0).all()
    assert summary["latency_s"].isna().all(), "the table has no seconds"
    with pytest.raises(InputError, match=r"scenarios is \('paper',\), but it must be .*'measured'"):
        benchmark.main(BenchmarkArgs(pool=args.pool, scenarios=("paper",)))


@needs(OUTCOMES)
def test_on_the_large_table_the_dispatchers_stand_in_order() -> None:
    """1429 held-out questions: hindsight < best of calibrated and best-order < cascade < largest-first, all shown."""
    columns = {"question": "qid", "family": "task", "joules": "J_at_batch64"}
    questions = question_table(TableArgs(columns=columns, entries=COMPLETE).read(OUTCOMES))
    said = list(verdicts(questions))
    assert len(questions) == 1429 and [sentence.endswith(": shown.") for sentence in said] == [True] * 3
    per_solved_j = dispatcher_table(questions).set_index("dispatcher")["per_solved_j"]
    assert per_solved_j[["hindsight", "best-order", "cascade"]].to_numpy() == pytest.approx([1252, 1439, 1466], abs=1)


@needs(CONFIGURATIONS)
def test_token_rates_come_from_the_configurations(tmp_path: Path) -> None:
    args = TableArgs(
        configurations=CONFIGURATIONS,
        configured={"small": "Qwen/Qwen3-8B", "large": "Qwen/Qwen3-32B"},
        gpu="B200",
    )
    energy_j = args.read(small_table(tmp_path)).outcomes.energy_j
    assert (energy_j[:, 1] / energy_j[:, 0]).ravel() == pytest.approx(0.467136 / 0.262194, rel=1e-3)
