"""`python -m eval regimes`: its arguments, its tables, and what it prints."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agents import make_dispatcher, slot_distribution
from energy_route_env import make_scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import SlotDistribution, expected_auxiliary_energy
from eval.regime_fit import checkpoints, log_slope
from eval.regimes import RegimesArgs, fit_table, law_columns, main
from eval.rollout import simulate


def exact_slots(ratio: float, dispatcher: str) -> SlotDistribution:
    return slot_distribution(make_dispatcher(dispatcher, make_scenario("uncertain", renewable_ratio=ratio)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("episodes", 1), ("horizon", 99), ("repetitions", 0), ("seed", -1), ("slope_from", 10_000)],
        *[("ratios", ()), ("dispatchers", ())],
    ],
)
def test_the_commands_arguments_are_checked(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{field} is "):
        RegimesArgs(**{field: value}).check()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A small run's folder, and what it printed on a terminal of 80 columns."""
    args = RegimesArgs(
        ratios=(0.9, 1.0),
        scenario="uncertain",
        dispatchers=("myopic", "variance-aware"),
        episodes=30,
        horizon=1000,
        repetitions=2,
        name="small",
        results=tmp_path_factory.mktemp("results"),
    )
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setenv("COLUMNS", "80")
        main(args)
    yield args.results / "small", printed.getvalue()


def test_the_command_saves_curves_and_the_fits_of_just_these(small: tuple[Path, str]) -> None:
    folder, _ = small
    assert sorted(file.name for file in folder.iterdir()) == ["curves.csv.gz", "regimes.csv", "run.json"]
    curves, regimes = pd.read_csv(folder / "curves.csv.gz"), pd.read_csv(folder / "regimes.csv")
    assert len(curves) == 2 * 2 * 2 * 30 * len(checkpoints(1000))
    places = [(ratio, name) for ratio in (0.9, 1.0) for name in ("myopic", "variance-aware")]
    known = {place: law_columns(exact_slots(*place), checkpoints(1000), 100) for place in places[::2]}
    known |= {place: law_columns(None, checkpoints(1000), 100) for place in places[1::2]}
    again = fit_table(curves, known, 100).replace({"law_regime": {"": np.nan}})
    pd.testing.assert_frame_equal(again, regimes, check_dtype=False, rtol=1e-9)


def test_every_dispatcher_ratio_and_repetition_has_draws_of_its_own(small: tuple[Path, str]) -> None:
    curves = pd.read_csv(small[0] / "curves.csv.gz")
    at_end = curves[curves["slots"] == 1000].groupby(["ratio", "dispatcher", "repetition"])["auxiliary_j"].mean()
    assert at_end.nunique() == len(at_end) == 8


def test_theory_stands_beside_the_fit_where_it_applies(small: tuple[Path, str]) -> None:
    regimes = pd.read_csv(small[0] / "regimes.csv")
    of_theory = regimes[regimes["dispatcher"] == "myopic"]
    assert regimes["law_drift_j"].isna().tolist() == (regimes["dispatcher"] == "variance-aware").tolist()
    assert of_theory["law_regime"].tolist() == ["sqrt-then-linear", "sqrt-then-linear", "sqrt", "sqrt"]
    assert of_theory["law_drift_j"].to_numpy() == pytest.approx([69.565, 69.565, 0, 0], abs=1e-2)
    assert of_theory["law_volatility_j"].to_numpy() == pytest.approx([883.1, 883.1, 896.1, 896.1], abs=0.1)
    assert of_theory["law_transition_slots"].iloc[0] == pytest.approx(102.6, abs=0.1)


def test_where_slots_are_correlated_curves_are_simulated_beside_long_run_theory(tmp_path: Path) -> None:
    args = RegimesArgs(scenario="correlated", ratios=(0.9,), episodes=30, horizon=1000, name="one", results=tmp_path)
    main(args)
    scenario = make_scenario("correlated", renewable_ratio=0.9, horizon_slots=1000)
    curves, fits = (pd.read_csv(tmp_path / "one" / f"{name}.csv") for name in ("curves", "regimes"))
    row = fits.iloc[0]
    simulated = simulate(scenario, make_dispatcher("myopic", scenario), 30).auxiliary_j[:, 0]
    assert curves.loc[curves["slots"] == 1000, "auxiliary_j"].to_numpy() == pytest.approx(simulated)
    assert row["law_regime"] == "sqrt-then-linear"  # T* = 301
    assert row["law_volatility_j"] == pytest.approx(scenario.volatility_j)
    slots = checkpoints(1000)
    expected = np.tile(expected_auxiliary_energy(scenario.drift_j, scenario.volatility_j, slots), (2, 1))
    assert row["law_slope"] == pytest.approx(log_slope(slots, expected, 100, 1000).mean)


def test_the_command_prints_two_tables_no_wider_than_80_columns(small: tuple[Path, str]) -> None:
    _, printed = small
    lines = [line for line in printed.splitlines() if not line.startswith(("Results:", "measuring"))]
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:4] == ["myopic", "1", "sqrt", "2"] for line in lines)
    assert sum(line.startswith("variance-aware") for line in lines) == 4
