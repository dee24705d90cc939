"""Intervals that cover what they say, and result folders that appear whole or not at all."""

import json
import platform
import subprocess
from datetime import datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from energy_route_env.checks import InputError
from eval import records
from eval.records import ResultFolder, run_record
from eval.statistics import Estimate

SHORT = pd.DataFrame({"a": [1, 2, 3], "b": [0.1, 1 / 3, 1e-300]})
LONG = pd.DataFrame({"x": np.random.default_rng(0).standard_normal(1001)})

# Intervals


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_an_estimate_is_students_interval(n: int) -> None:
    samples = np.random.default_rng(n).gamma(2.0, 300.0, n)
    estimate = Estimate.of(samples)
    low, high = stats.t.interval(0.95, n - 1, loc=samples.mean(), scale=stats.sem(samples))
    assert estimate.mean == pytest.approx(samples.mean(), rel=1e-14)
    assert estimate.standard_error == pytest.approx(stats.sem(samples), rel=1e-12)
    assert estimate.mean - estimate.half_width == pytest.approx(low, rel=1e-12)
    assert estimate.mean + estimate.half_width == pytest.approx(high, rel=1e-12)


def test_the_interval_covers_the_true_mean_in_95_percent_of_experiments() -> None:
    # Of 20 000 experiments with 6 normal samples 95 % must cover, give or take a standard error of
    # sqrt(0.95 * 0.05 / 20000) = 0.0015; the bound is 3.5 of them. A normal quantile (1.96) would cover 89.3 %.
    experiments = np.random.default_rng(0).normal(5.0, 2.0, (20_000, 6))
    covered = [abs(e.mean - 5.0) <= e.half_width for e in map(Estimate.of, experiments)]
    assert np.mean(covered) == pytest.approx(0.95, abs=3.5 * 0.00154)


def test_the_deviation_counts_standard_errors() -> None:
    estimate = Estimate.of([1.0, 2.0, 3.0, 6.0])
    error = np.std([1, 2, 3, 6], ddof=1) / 2
    assert estimate.deviation(2.5) == pytest.approx((3.0 - 2.5) / error)
    assert estimate.deviation(4.0) == pytest.approx((3.0 - 4.0) / error)


def test_one_sample_has_a_mean_and_no_error() -> None:
    estimate = Estimate.of([7.0])
    assert estimate.mean == 7.0
    assert np.isnan([estimate.standard_error, estimate.half_width, estimate.deviation(7.0)]).all()


def test_equal_samples_have_no_width_and_no_deviation() -> None:
    estimate = Estimate.of([4, 4, 4])
    assert (estimate.mean, estimate.standard_error, estimate.half_width) == (4.0, 0.0, 0.0)
    assert np.isnan(estimate.deviation(3.0))


# Result folders


def entries(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def finished(results: Path, name: str | None = "run", **tables: pd.DataFrame) -> ResultFolder:
    folder = ResultFolder(results, name, "benchmark")
    folder.save_part("part-001", SHORT)
    folder.finish(tables or {"summary": SHORT}, {"seed": 0})
    return folder


def test_a_finished_folder_holds_the_tables_and_the_record_alone(tmp_path: Path) -> None:
    folder = finished(tmp_path, summary=SHORT, episodes=LONG)
    assert folder.path == tmp_path / "run"
    assert entries(tmp_path) == ["run", "run/episodes.csv.gz", "run/run.json", "run/summary.csv"]


def test_tables_are_written_to_the_last_bit(tmp_path: Path) -> None:
    folder = finished(tmp_path, short=SHORT, long=LONG)
    for table, name in ((SHORT, "short.csv"), (LONG, "long.csv.gz")):
        written = pd.read_csv(folder.path / name, dtype=str)
        assert list(written.columns) == list(table.columns)
        assert [[float(cell) for cell in row] for row in written.to_numpy()] == table.to_numpy().tolist()


def test_the_record_is_json_whatever_the_arguments_are(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path, "run", "benchmark")
    folder.finish({}, {"results": Path("a/b"), "ratios": (0.9, 1.0)})
    assert json.loads((folder.path / "run.json").read_text()) == {"results": str(Path("a/b")), "ratios": [0.9, 1.0]}


def test_before_the_end_there_is_only_the_partial_folder_with_its_parts(tmp_path: Path) -> None:
    results = tmp_path / "not" / "there yet"
    folder = ResultFolder(results, "run", "benchmark")
    assert not results.exists()
    folder.save_part("part-001", SHORT)
    assert entries(results) == ["run.partial", "run.partial/part-001.csv.gz"]
    folder.save_part("part-002", LONG)
    assert entries(results) == ["run.partial", "run.partial/part-001.csv.gz", "run.partial/part-002.csv.gz"]
    pd.testing.assert_frame_equal(pd.read_csv(results / "run.partial" / "part-001.csv.gz"), SHORT)


def test_what_a_killed_run_left_is_set_aside_and_gets_into_no_other_results(tmp_path: Path) -> None:
    for _ in range(2):
        killed = ResultFolder(tmp_path, "run", "benchmark")
        killed.save_part("part-007", LONG)
    finished(tmp_path)
    kept = [f"run.killed-{number}{file}" for number in (1, 2) for file in ("", "/part-007.csv.gz")]
    assert entries(tmp_path) == ["run", *kept, "run/run.json", "run/summary.csv"]


def test_an_existing_folder_is_never_replaced_unasked(tmp_path: Path) -> None:
    finished(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(InputError, match=r"run exists already: give another --name, or --overwrite to replace it\.$"):
        ResultFolder(tmp_path, "run", "benchmark")
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert entries(tmp_path) == ["run", "run/run.json", "run/summary.csv"]


def test_overwrite_replaces_the_whole_folder_and_only_at_the_end(tmp_path: Path) -> None:
    finished(tmp_path, old=SHORT)
    folder = ResultFolder(tmp_path, "run", "benchmark", overwrite=True)
    folder.save_part("part-001", SHORT)
    assert (tmp_path / "run" / "old.csv").exists()
    folder.finish({"new": SHORT}, {})
    assert entries(tmp_path) == ["run", "run/new.csv", "run/run.json"]


def test_overwrite_needs_nothing_to_be_there(tmp_path: Path) -> None:
    ResultFolder(tmp_path, "run", "benchmark", overwrite=True).finish({}, {})
    assert entries(tmp_path) == ["run", "run/run.json"]


@pytest.mark.parametrize("name", ["a/b", "../run", "..", ".", "/run", "run/", "./run"])
def test_a_name_that_is_a_path_is_refused(name: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    with pytest.raises(InputError, match=r"^name is '.+', but it must be a plain folder name\.$"):
        ResultFolder(results, name, "benchmark")
    assert entries(tmp_path) == []


def test_without_a_name_the_folder_is_called_by_kind_and_time(tmp_path: Path) -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    name = finished(tmp_path, None).path.name
    when = datetime.strptime(name, "benchmark-%Y%m%d-%H%M%S").astimezone()
    assert before <= when <= datetime.now().astimezone()


# The record of a run


def test_the_record_says_what_is_needed_to_run_again() -> None:
    arguments: dict[str, Any] = {"seed": 3, "ratios": (0.9, 1.0)}
    record = run_record(arguments)
    assert set(record) == {
        "command",
        "arguments",
        "finished_utc",
        "python",
        "platform",
        "versions",
        "git_commit",
        "git_dirty",
    }
    assert record["arguments"] == arguments
    assert record["python"] == platform.python_version()
    assert record["platform"] == platform.platform()
    age = datetime.now(timezone.utc) - datetime.fromisoformat(record["finished_utc"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    json.dumps(record)


def test_the_record_holds_the_version_of_every_package_that_matters() -> None:
    versions = run_record({})["versions"]
    assert {"energy-route-env", "gymnasium", "numpy", "scipy", "pandas"} <= set(versions)
    assert versions == {name: metadata.version(name) for name in versions}


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert set(run_record({})["versions"]) == {"numpy"}


def test_the_record_holds_the_checkouts_commit_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    source = tmp_path / "records.py"
    monkeypatch.setattr(records, "__file__", str(source))
    git("init", "--quiet")
    source.write_text("one")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    clean = run_record({})
    assert (clean["git_commit"], clean["git_dirty"]) == (git("rev-parse", "HEAD"), False)
    source.write_text("two")
    assert run_record({})["git_dirty"] is True


def test_outside_of_a_checkout_commit_and_changes_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "__file__", str(tmp_path / "records.py"))
    record = run_record({})
    assert (record["git_commit"], record["git_dirty"]) == (None, None)
