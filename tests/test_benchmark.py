"""The command line end to end: what it writes, what it prints, and what is left when it is killed."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from agents import SurplusDeferral
from agents.policies import shipped_policies
from energy_route_env import SCENARIOS as NAMED, make_scenario
from energy_route_env.checks import InputError
from eval import benchmark
from eval.benchmark import BenchmarkArgs
from eval.rollout import simulate
from eval.statistics import Estimate

ROOT = Path(__file__).parents[1]
EPISODES = 6
SCENARIOS = {name: scenario for name, scenario in NAMED.items() if not scenario.retries}
"""`measured` runs in test_pool_command.py: its tables have more columns."""
PLACE = ["scenario", "ratio", "dispatcher"]
BALANCE = ["initial_j", "harvested_j", "auxiliary_j", "consumed_j", "stored_j", "spilled_j", "lost_j"]
THEORY = ["drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se"]
ROUTING = ["myopic", "oracle", "scaling-law", "variance-aware", "optimal", "error-0.05", "fixed-0", "fixed-1", "random"]
SMALL = BenchmarkArgs(scenarios=("uncertain",), ratios=(0.9,), dispatchers=("random",), episodes=3, name="small")


def run(args: BenchmarkArgs, results: Path, **changes: object) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Episodes, summary and what was printed on a terminal of 80 columns."""
    args = BenchmarkArgs(**(vars(args) | {"results": results} | changes))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setenv("COLUMNS", "80")
        benchmark.main(args)
    episodes, summary = (
        pd.read_csv(next((results / args.name).glob(f"{table}.csv*"))) for table in ("episodes", "summary")
    )
    return episodes, summary, printed.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Every scenario with its default dispatchers, at ratio 1."""
    return run(
        BenchmarkArgs(scenarios=tuple(SCENARIOS), ratios=(1.0,), episodes=EPISODES, seed=3, name="whole"),
        tmp_path_factory.mktemp("results"),
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "eval", *arguments]


def on_a_terminal_of_80_columns(*arguments: str) -> str:
    environment = os.environ | {"COLUMNS": "80"}
    result = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def without_sentences(printed: str) -> Iterator[str]:
    """The lines that are laid out for 80 columns: all but the closing sentences, which the terminal itself wraps."""
    return (
        line
        for line in printed.splitlines()
        if not re.match(r"Note:|Results:|Report:|\w+, ratio [\d.]+: (?!\d+ episodes)", line)
    )


# The tables on disk


def test_the_episodes_table_has_a_row_for_every_episode_of_every_run(whole: tuple) -> None:
    episodes, _, _ = whole
    assert list(episodes.columns) == [*PLACE, "episode", "tasks", "latency_s", "cost", *BALANCE]
    waiting = [name for name in ROUTING if name != "optimal"]
    waiting += ["greedy-deferral", "surplus-deferral", "cheap-hours", "receding-climatology"]
    names = {
        name: [*(waiting if scenario.can_wait else ROUTING), *["learned"] * (name in shipped_policies())]
        for name, scenario in SCENARIOS.items()
    }
    for name in ("solar", "gusty"):
        names[name].remove("cheap-hours")  # it is for scenarios with a grid source
    expected = [(name, 1.0, dispatcher) for name, dispatchers in names.items() for dispatcher in dispatchers]
    groups = dict(iter(episodes.groupby(PLACE, sort=False)))
    assert list(groups) == expected
    assert all(list(group["episode"]) == list(range(EPISODES)) for group in groups.values())
    assert len(episodes) == len(expected) * EPISODES


def test_every_dispatcher_meets_the_same_episodes(whole: tuple) -> None:
    episodes, _, _ = whole
    for _, group in episodes.groupby(["scenario", "ratio", "episode"]):
        assert len(group) >= len(ROUTING)
        assert group["tasks"].nunique() == 1
        assert group["harvested_j"].nunique() == 1
    for _, group in episodes.groupby(PLACE):
        assert group["harvested_j"].nunique() == EPISODES, "and no two of these are the same"


def test_the_summary_has_a_row_for_every_run(whole: tuple) -> None:
    episodes, summary, _ = whole
    kind = ["same_as", "privileged", "episodes", "horizon_slots", "unit"]
    numbers = ["cost", "cost_half_width", "difference", "difference_half_width"]
    best = ["best", "above_best", "above_best_half_width"]
    shares = ["auxiliary_j", "energy_per_task_j", "latency_s", "grid_share", "spilled_share"]
    assert list(summary.columns) == [*PLACE, *kind, *numbers, *best, *shares, *THEORY]
    assert summary[PLACE].to_numpy().tolist() == episodes[PLACE].drop_duplicates().to_numpy().tolist()
    assert (summary["episodes"] == EPISODES).all()
    horizons = dict(zip(summary["scenario"], summary["horizon_slots"], strict=True))
    assert horizons == {name: scenario.horizon_slots for name, scenario in SCENARIOS.items()}
    units = dict(zip(summary["scenario"], summary["unit"], strict=True))
    assert units == dict.fromkeys(SCENARIOS, "J") | {"carbon": "kg CO2"}


def half_width(samples: np.ndarray) -> float:
    n = len(samples)
    return float(stats.t.ppf(0.975, n - 1) * samples.std(ddof=1) / np.sqrt(n))


def test_the_summary_is_what_the_episodes_say(whole: tuple) -> None:
    episodes, summary, _ = whole
    """With so few episodes nothing is controlled."""
    costs = episodes.pivot(index=["scenario", "episode"], columns="dispatcher", values="cost")
    for row in summary.itertuples():
        table = episodes[(episodes["scenario"] == row.scenario) & (episodes["dispatcher"] == row.dispatcher)]
        own = costs.loc[row.scenario][row.dispatcher].to_numpy()
        difference = own - costs.loc[row.scenario]["myopic"].to_numpy()
        recomputed = {
            "cost": own.mean(),
            "cost_half_width": half_width(own),
            "difference": difference.mean(),
            "difference_half_width": half_width(difference),
            "auxiliary_j": table["auxiliary_j"].mean(),
            "energy_per_task_j": table["consumed_j"].sum() / table["tasks"].sum(),
            "latency_s": np.average(table["latency_s"], weights=table["tasks"]),
            "grid_share": table["auxiliary_j"].sum() / table["consumed_j"].sum(),
            "spilled_share": table["spilled_j"].sum() / table["harvested_j"].sum(),
        }
        for column, value in recomputed.items():
            assert getattr(row, column) == pytest.approx(value, rel=1e-12, abs=1e-6), (row.dispatcher, column)


def test_the_reference_differs_from_itself_by_nothing(whole: tuple) -> None:
    _, summary, _ = whole
    reference = summary[summary["dispatcher"] == "myopic"]
    assert len(reference) == len(SCENARIOS)
    assert (reference[["difference", "difference_half_width"]] == 0).all(axis=None)


def test_theory_stands_exactly_where_it_applies(whole: tuple) -> None:
    _, summary, _ = whole
    by_value, noisy = summary["dispatcher"].isin(["variance-aware", "optimal"]), ["uncertain", "volatile"]
    blind = (
        ~(by_value & summary["scenario"].isin(noisy))
        & (summary["dispatcher"] != "learned")
        & ~summary["scenario"].isin(["solar", "gusty", "carbon"])
    )
    for column in THEORY:
        applies = blind & ~((summary["scenario"] == "correlated") & column.startswith("exact"))
        assert (summary[column].notna() == applies).all(), column


@pytest.mark.parametrize(
    ("dispatcher", "drift", "volatility", "exact"),
    [("myopic", 0.0, 696.89, 17171.5), ("error-0.05", 3.678, 699.86, 19153.1)],
)
def test_the_papers_rows_carry_the_known_predictions(
    whole: tuple, dispatcher: str, drift: float, volatility: float, exact: float
) -> None:
    _, summary, _ = whole
    row = summary[(summary["scenario"] == "paper") & (summary["dispatcher"] == dispatcher)].iloc[0]
    assert row["drift_j"] == pytest.approx(drift, abs=6e-4)
    assert row["volatility_j"] == pytest.approx(volatility, abs=6e-3)
    assert row["exact_j"] == pytest.approx(exact, abs=0.06)
    if dispatcher == "myopic":
        assert row["brownian_j"] == pytest.approx(17583.5, abs=0.06)


def test_deviations_are_in_standard_errors_of_the_mean(whole: tuple) -> None:
    _, summary, _ = whole
    error = summary["cost_half_width"] / stats.t.ppf(0.975, EPISODES - 1)
    for kind in ("brownian", "exact"):
        expected = (summary["cost"] - summary[f"{kind}_j"]) / error
        np.testing.assert_allclose(summary[f"{kind}_deviation_se"], expected, rtol=1e-9)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        run(SMALL, tmp_path, name=name, seed=seed, dispatchers=("random", "error-0.05"))
    for table in ("episodes.csv", "summary.csv"):
        first, again = ((tmp_path / name / table).read_bytes() for name in ("first", "again"))
        assert first == again
    first, other = (pd.read_csv(tmp_path / name / "episodes.csv") for name in ("first", "other"))
    assert not np.isin(first["harvested_j"], other["harvested_j"]).any()


def test_an_episode_depends_on_the_seed_and_its_number_alone(tmp_path: Path) -> None:
    few, _, _ = run(SMALL, tmp_path, name="few", episodes=2, dispatchers=("fixed-1",))
    many, _, _ = run(SMALL, tmp_path, name="many", episodes=5, dispatchers=("oracle", "fixed-1"))
    same = many[(many["episode"] < 2) & (many["dispatcher"] != "oracle")]
    pd.testing.assert_frame_equal(few, same.reset_index(drop=True), check_exact=True)


def test_the_reference_always_runs_and_each_dispatcher_once_at_each_ratio(tmp_path: Path) -> None:
    _, summary, printed = run(SMALL, tmp_path, ratios=(0.8, 1.1), dispatchers=("oracle", "oracle"))
    expected = [["uncertain", ratio, name] for ratio in (0.8, 1.1) for name in ("myopic", "oracle")]
    assert summary[PLACE].to_numpy().tolist() == expected
    assert summary["drift_j"].iloc[0] > 0 > summary["drift_j"].iloc[2]
    assert re.findall(r"^uncertain, ratio ([\d.]+): least", printed, re.MULTILINE) == ["1.1"]  # the nearest to critical


@pytest.mark.parametrize("twice", [{"scenarios": ("uncertain", "uncertain")}, {"ratios": (0.9, 0.9)}], ids=repr)
def test_naming_a_setting_twice_does_not_count_its_episodes_twice(twice: dict, tmp_path: Path) -> None:
    once = {key: value[:1] for key, value in twice.items()}
    _, expected, _ = run(SMALL, tmp_path, name="once", **once)
    _, summary, _ = run(SMALL, tmp_path, name="twice", **twice)
    pd.testing.assert_frame_equal(summary, expected)


# The folder


def test_a_second_run_of_the_same_name_is_refused_before_it_works(tmp_path: Path) -> None:
    run(SMALL, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {"episodes.csv", "summary.csv", "run.json", "report.html"}
    with pytest.raises(InputError, match="small exists already"):
        run(SMALL, tmp_path, seed=1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run(SMALL, tmp_path, seed=1, overwrite=True)
    assert {path.name for path in tmp_path.rglob("*")} == {
        "small",
        "episodes.csv",
        "summary.csv",
        "run.json",
        "report.html",
    }
    assert (tmp_path / "small" / "episodes.csv").read_bytes() != before[tmp_path / "small" / "episodes.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 1)], ids=["killed", "interrupted"]
)
def test_a_run_that_is_stopped_leaves_its_finished_parts_and_no_finished_folder(
    number: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    arguments = command("benchmark", "--episodes", "300", "--name", "stopped", "--results", str(tmp_path))
    process = subprocess.Popen(
        arguments,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    partial = tmp_path / "stopped.partial"
    waited_until = time.monotonic() + 60
    while not (partial / "episodes-002.csv.gz").exists():
        assert process.poll() is None and time.monotonic() < waited_until
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["stopped.partial"]
    first = pd.read_csv(partial / "episodes-001.csv.gz")
    assert (len(first), set(first["dispatcher"])) == (300, {"myopic"})
    if number == signal.SIGINT:
        assert said == "interrupted: finished parts are in the .partial folder\n"


# What is printed


def test_the_tables_fit_80_columns_with_nothing_cut_off(whole: tuple) -> None:
    _, _, printed = whole
    assert "…" not in printed
    too_wide = [line for line in without_sentences(printed) if len(line) > 80]
    assert too_wide == []


@pytest.mark.parametrize("names", [("fixed-1",), ("surplus-deferral-0.999", "error-0.0123")])
def test_the_tables_fit_with_large_values_wide_intervals_and_long_names(names: tuple[str, ...], tmp_path: Path) -> None:
    _, _, printed = run(SMALL, tmp_path, scenarios=("paper",), ratios=(0.25,), dispatchers=names, episodes=2)
    assert "…" not in printed
    assert [line for line in without_sentences(printed) if len(line) > 80] == []
    assert all(sum(name in line for line in without_sentences(printed)) >= 2 for name in names)


def test_the_tables_show_the_summarys_numbers(whole: tuple) -> None:
    _, summary, printed = whole
    scales = dict.fromkeys(SCENARIOS, 1e3) | {"solar": 1e9, "gusty": 1e9, "carbon": 1.0}
    lines = printed.splitlines()
    for row in summary[summary["dispatcher"] == summary["same_as"]].itertuples():
        scale = scales[row.scenario]
        table = summary[(summary["scenario"] == row.scenario) & (summary["ratio"] == row.ratio)]
        digits = 1 if table["cost"].max() >= 1000 * scale else 2
        shown = f"{row.cost / scale:,.{digits}f} ± {row.cost_half_width / scale:,.{digits}f}"
        matching = [line for line in lines if line.split()[:1] == [row.dispatcher] and shown in line]
        assert matching, (row.dispatcher, shown)
        if row.dispatcher != "myopic":
            digits = 1 if table["difference"].abs().max() >= 1000 * scale else 2
            half = f"{row.difference_half_width / scale:,.{digits}f}"
            difference = f"{round(row.difference / scale, digits) + 0.0:+,.{digits}f} ± {half}"
            assert any(difference in line for line in matching)


def test_the_sentences_name_the_best_and_the_farthest_prediction(whole: tuple) -> None:
    _, summary, printed = whole
    for name, rows in summary.groupby("scenario", sort=False):
        sentence = next(line for line in printed.splitlines() if line.startswith(f"{name}, ratio 1: least"))
        rules = rows[~rows["privileged"] & (rows["same_as"] != "optimal")]
        best = rows.loc[rows["same_as"] == rules.sort_values("cost").iloc[0]["same_as"]]
        assert f"least by {' = '.join(best['dispatcher'])}, " in sentence
        kind, share = best.iloc[0][["best", "above_best"]]
        assert kind == ("bound" if SCENARIOS[name].can_wait else "optimum")
        assert f"{share:+.1%} (±" in sentence and f"above the {kind}" in sentence
        deviations = rows["exact_deviation_se"].abs().dropna()
        if len(deviations):
            farthest = f"{deviations.max():.1f} standard errors"
            assert f"rows with an exact prediction: {len(deviations)}, the farthest {farthest} from it" in sentence
        else:
            assert "no exact theory covers this scenario" in sentence


def test_the_last_line_names_the_files_that_were_written(tmp_path: Path) -> None:
    _, _, printed = run(SMALL, tmp_path)
    last = printed.splitlines()[-1]
    found = re.fullmatch(r"Results: (.+) \((.+)\)", last)
    assert found is not None
    folder, named = Path(found[1]), found[2].split(", ")
    assert folder == tmp_path / "small"
    assert sorted(named) == sorted(path.name for path in folder.iterdir())


def test_the_command_runs_end_to_end(tmp_path: Path) -> None:
    arguments = ["--scenarios", "uncertain", "--ratios", "0.9", "--dispatchers", "random", "--episodes", "3"]
    folder = ["--name", "small", "--results", str(tmp_path / "command")]
    printed = on_a_terminal_of_80_columns("benchmark", *arguments, *folder)
    run(SMALL, tmp_path / "function")
    for table in ("episodes.csv", "summary.csv"):
        written, expected = ((tmp_path / by / "small" / table).read_bytes() for by in ("command", "function"))
        assert written == expected
    assert "Benchmark: 2 runs (scenario x ratio x dispatcher) of 3 episodes, seed 0." in printed
    assert "…" not in printed


# The other commands


@pytest.mark.slow
def test_speed_prints_its_table() -> None:
    printed = on_a_terminal_of_80_columns(
        "speed", "--rounds", "1", "--num-envs", "64", "--steps", "20", "--single-steps", "200"
    )
    rows = re.findall(
        r"^ +(1|64)\D*? {2,}([\d,]+) +([\d,]+) +([\d.]+) \(([\d.]+) to ([\d.]+)\) *$", printed, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["1", "64", "64"]
    for _, ours, theirs, *ratios in rows:
        expected = float(ours.replace(",", "")) / float(theirs.replace(",", ""))
        assert [float(ratio) for ratio in ratios] == pytest.approx([expected] * 3, abs=0.0051)  # printed to two digits
    assert "CartPole" in printed
    memory = re.search(r"Memory that 64 environments add: (\d+) MB", printed)
    assert memory is not None and 0 < int(memory[1]) < 200
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_tune_threshold_prints_means_and_paired_differences_to_the_default() -> None:
    printed = on_a_terminal_of_80_columns("tune-threshold", "--episodes", "20")
    number = r"[+-]?[\d.]+"
    rows = re.findall(
        rf"^\W*({number})\W+({number}) ± ({number})\W+?({number}) ± ({number})\W*$", printed, re.MULTILINE
    )
    shown = {float(row[0]): tuple(map(float, row[1:])) for row in rows}
    assert list(shown) == [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0]
    assert shown[SurplusDeferral.DEFAULT_THRESHOLD][2:] == (0.0, 0.0)
    scenario = make_scenario("solar")
    half, default = (
        simulate(scenario, SurplusDeferral(scenario, threshold), 20, seed=1).balance["auxiliary_j"] / 1e9
        for threshold in (0.5, SurplusDeferral.DEFAULT_THRESHOLD)
    )
    mean, difference = Estimate.of(half), Estimate.of(half - default)
    expected = (mean.mean, mean.half_width, difference.mean, difference.half_width)
    assert shown[0.5] == pytest.approx(expected, abs=5.1e-4)  # printed to three digits
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
