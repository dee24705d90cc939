"""Episodes and the benchmark are what they were, to the last bit."""

import json
from pathlib import Path

import pandas as pd
import pytest
from golden.record import FILE, SUMMARY, cases, machine, products, run_benchmark

RECORD = json.loads(FILE.read_text())
same_machine = pytest.mark.skipif(
    machine() != RECORD["machine"], reason="this machine rounds exponentials otherwise than the one of the record"
)


@same_machine
@pytest.mark.parametrize("name", cases())
def test_episodes_are_what_they_were_to_the_last_bit(name: str) -> None:
    """Observations, rewards, masks and balances."""
    assert cases()[name]() == RECORD["digests"][name]


@same_machine
@pytest.mark.skipif(products() != RECORD["products"], reason="this machine adds up products in another order")
@pytest.mark.slow
def test_the_benchmark_is_what_it_was_to_the_last_bit(tmp_path: Path) -> None:
    run_benchmark(tmp_path / "summary.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "summary.csv"), pd.read_csv(SUMMARY), check_exact=True)
