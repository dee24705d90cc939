"""The command line answers an error with a sentence and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.refusals import AT_LEAST_0, COUNT_FROM_0, COUNT_FROM_1

from eval.__main__ import main as run_command_line

ROOT = Path(__file__).parents[1]

SHORT = "--num-envs 1 --rounds 1 --steps 1 --single-steps 1"
COMMAND_LINES = [
    ("benchmark --scenarios papr", "'papr'", "nearest valid one is 'paper'"),
    ("benchmark --dispatchers oracl", "'oracl'", "nearest valid one is 'oracle'"),
    ("benchmark --dispatchers error-2", "'error-2'", "at most 1.0"),
    ("benchmark --dispatchers fixed-7", "'fixed-7'", "at most 1"),
    ("benchmark --episodes 1", "episodes is 1", "a whole number, 2 or more"),
    ("benchmark --seed -1", "seed is -1", COUNT_FROM_0),
    ("benchmark --ratios -1", "renewable_ratio is -1.0", AT_LEAST_0),
    ("benchmark --ratios nan", "renewable_ratio is nan", AT_LEAST_0),
    ("benchmark --name a/b", "name is 'a/b'", "a plain folder name"),
    ("benchmark --name ..", "name is '..'", "a plain folder name"),
    (f"speed {SHORT} --num-envs 0", "num_envs is 0", COUNT_FROM_1),
    (f"speed {SHORT} --rounds 0", "rounds is 0", COUNT_FROM_1),
    (f"speed {SHORT} --steps 0", "steps is 0", COUNT_FROM_1),
    (f"speed {SHORT} --single-steps 0", "single_steps is 0", COUNT_FROM_1),
    ("tune-threshold --thresholds 2", "threshold is 2.0", "at most 1.0"),
    ("tune-threshold --episodes 1", "episodes is 1", "a whole number, 2 or more"),
    ("tune-threshold --scenario sollar", "'sollar'", "nearest valid one is 'solar'"),
    ("tune-threshold --ratio inf", "renewable_ratio is inf", AT_LEAST_0),
    ("curves", "runs is ()", "one or more folders of training runs"),
]


@pytest.mark.parametrize(("line", "value", "allowed"), COMMAND_LINES, ids=[line for line, _, _ in COMMAND_LINES])
def test_the_command_line_answers_an_error_with_a_sentence(
    line: str, value: str, allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["eval", *line.split()])
    with pytest.raises(SystemExit) as caught:
        run_command_line()
    message = str(caught.value.code)  # a text: the interpreter prints it to stderr and exits with 1
    assert message.startswith("error: ")
    assert value in message
    assert allowed in message
    assert "\n" not in message
    assert list(tmp_path.rglob("*")) == [], "nothing may be left behind"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["benchmark", "--scenarios", "papr"], "scenario 'papr' is unknown; the nearest valid one is 'paper'"),
        (["benchmark", "--episodes", "1"], "episodes is 1, but it must be a whole number, 2 or more."),
    ],
)
def test_an_error_goes_to_stderr_with_exit_code_1_and_no_traceback(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "eval", *arguments, "--results", str(tmp_path / "results")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["benchmark", "--episode-count", "5"], ["benchmark", "--episodes", "x"]]
)
def test_a_line_that_cannot_be_parsed_fails_without_a_traceback(arguments: list[str]) -> None:
    result = subprocess.run([sys.executable, "-m", "eval", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert arguments[-2 if arguments[-1] in "5x" else -1].strip("-") in result.stderr
    assert "Traceback" not in result.stderr
