"""Commands say in one line what a user got wrong, and show the traceback of what we got wrong."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

import eval.benchmark
from agents import NAMES
from energy_route_env.checks import InputError, MissingExtra
from eval.__main__ import COMMANDS, main
from eval.recorded import WorldArgs
from eval.records import ResultArgs, command_line

ROOT = Path(__file__).parents[1]
SMALL = ["benchmark", "--scenarios", "uncertain", "--ratios", "1", "--dispatchers", "random", "--episodes", "2"]


def said(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """How a command that must fail in one line does so."""
    monkeypatch.setattr(sys, "argv", ["eval", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return str(caught.value.code)


def test_a_programming_error_shows_its_traceback_and_fails(tmp_path: Path) -> None:
    lines = (
        "import sys",
        "import numpy as np",
        "import eval.benchmark, eval.__main__",
        "def broken(*_): return np.ones(2) + np.ones(3)",
        "eval.benchmark.summarise = broken",
        f"sys.argv = {['eval', *SMALL, '--results', str(tmp_path)]!r}",
        "eval.__main__.main()",
    )
    result = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "in broken" in result.stderr
    assert result.stderr.strip().endswith("ValueError: operands could not be broadcast together with shapes (2,) (3,)")


def break_the_benchmark(error: BaseException, results: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the benchmark raise the error; its arguments."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(eval.benchmark, "summarise", broken)
    return [*SMALL, "--results", str(results)]


@pytest.mark.parametrize(
    "error", [ValueError("a"), ImportError("b"), FileExistsError("c"), OSError("d"), KeyError("e")], ids=repr
)
def test_no_error_of_ours_is_hidden(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["eval", *break_the_benchmark(error, tmp_path, monkeypatch)])
    with pytest.raises(type(error)) as caught:
        main()
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a is 1, but it must be 2."), "error: a is 1, but it must be 2."),
        (MissingExtra("Install b."), "error: Install b."),
        (KeyboardInterrupt(), "interrupted: finished parts are in the .partial folder"),
    ],
    ids=["input", "extra", "interrupted"],
)
def test_any_other_end_is_one_line(
    error: BaseException, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(monkeypatch, *break_the_benchmark(error, tmp_path, monkeypatch)) == line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("benchmark --name there --results {0}", "there exists already: give another --name, or --overwrite"),
        ("benchmark --name .. --results {0}", "name is '..', but it must be a plain folder name."),
        ("benchmark --dispatchers fixed-x", "dispatcher is 'fixed-x', but its number is not valid"),
        ("regimes --seed -1", "seed is -1, but it must be a whole number, 0 or more."),
        ("day --seed -1", "seed is -1, but it must be a whole number, 0 or more."),
        ("figures --seed -1", "seed is -1, but it must be a whole number, 0 or more."),
        ("figures --horizon 50", "horizon is 50, but it must be a whole number, 100 or more."),
        ("figures --tables {0}", "a folder with any of"),
        ("figures --tables {0}/empty", "tables is '{0}/empty/summary.csv', but it must be a CSV table with rows."),
        ("report {0}", "a folder of results with summary.csv."),
        ("report {0}/empty", "folder is '{0}/empty/summary.csv', but it must be a CSV table with rows."),
        ("curves {0}", "each must be the folder of a run"),
        ("plan --solve-for error-rate --budget-j 10000", "the smallest possible budget is 17171.5 J."),
        ("plan --solve-for budget --confidence 0.9 --horizon 10000000", "horizon_slots is 10000000"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "summary.csv").touch()
    monkeypatch.chdir(tmp_path)
    message = said(monkeypatch, *line.format(tmp_path).split())
    assert message.startswith("error: ")
    assert words.format(tmp_path) in message
    assert "\n" not in message
    assert {path.name for path in tmp_path.iterdir()} == {"there", "empty"}, "nothing may be left behind"


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_a_report_needs_the_record_of_the_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "summary.csv").write_text("scenario\npaper\n")
    (tmp_path / "run.json").write_text(text)
    assert "a folder of results whose run.json names the command." in said(monkeypatch, "report", str(tmp_path))


@pytest.mark.parametrize(
    ("module", "install"),
    [("pvlib", "pip install 'energy-route-env[solar]'."), ("agents.learned", "pip install -e '.[learned]'.")],
)
def test_a_missing_extra_is_one_line_that_says_what_to_install(
    module: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = said(monkeypatch, *f"day --dispatchers learned --results {tmp_path}".split())
    assert message.startswith("error: ")
    assert message.endswith(install)


def test_wrong_input_and_missing_extras_can_be_caught_as_what_they_are_in_python() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingExtra, ImportError)


# Flags


def flat_fields(arguments: type) -> list[dataclasses.Field]:
    """Return the fields that are flags; those of a recorded world are flags of their own."""
    fields = dataclasses.fields(arguments)
    return [flag for field in fields for flag in (flat_fields(WorldArgs) if field.name == "world" else [field])]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_flag_with_its_text(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["eval", command, "--help"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.replace("│", "").split())
    arguments = COMMANDS[command][0]
    for field in flat_fields(arguments):
        flag = "PATH" if field.name in ("folder", "runs", "file") else f"--{field.name.replace('_', '-')}"
        assert flag in shown
    if issubclass(arguments, ResultArgs):
        assert "Seed of all randomness; 0 is the benchmark's." in shown
        assert "Replace an existing folder of that name." in shown


def helped(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What --help of a command prints, or what is printed after a mistake."""
    monkeypatch.setattr(sys, "argv", ["eval", *command.split()])
    with pytest.raises(SystemExit):
        main()
    return " ".join("".join(capsys.readouterr()).replace("│", "").split())


def test_help_names_every_dispatcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = helped("benchmark --help", monkeypatch, capsys)
    shown = shown[shown.index("--dispatchers") : shown.index("--episodes")]
    assert [name for name in NAMES if name not in shown] == []


def test_help_shows_a_commands_own_options_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = helped("benchmark --help", monkeypatch, capsys)
    places = [shown.index(flag) for flag in ("--scenarios", "--figures", "--seed", "--columns", "--n-gpus", "--part")]
    assert places == sorted(places)


def test_after_a_typo_the_options_of_that_command_are_suggested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = helped("plan --raio 1", monkeypatch, capsys)
    assert "Perhaps you meant: --ratio {None}|FLOAT Renewable ratio: mean harvest" in shown
    assert "--ratios" not in shown
    assert "run python -m eval plan --help" in shown
    assert "Available subcommands: benchmark, figures" in helped("benchmrk", monkeypatch, capsys)


@pytest.mark.parametrize(("episodes", "is_few"), [("99", True), ("100", False)])
def test_few_episodes_are_noted(
    episodes: str, is_few: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL[:-1], episodes, "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["eval", *arguments])
    main()
    assert ("Note: with fewer than 100 episodes" in capsys.readouterr().out) == is_few


def test_seven_commands_share_the_arguments_of_the_results() -> None:
    sharing = {name for name, (arguments, _) in COMMANDS.items() if issubclass(arguments, ResultArgs)}
    assert sharing == {"benchmark", "figures", "regimes", "latency", "day", "decision-map", "pool"}


# The command of a run


@pytest.mark.parametrize("module", ["eval.__main__", "eval"])
def test_the_command_can_be_pasted(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = type("Spec", (), {"name": module})
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    monkeypatch.setattr(sys, "argv", ["/somewhere/eval/__main__.py", "day", "--name", "two words", "--ratio", "1"])
    assert command_line() == "python -m eval day --name 'two words' --ratio 1"


def test_a_scripts_command_names_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys, "argv", ["my script.py", "3"])
    assert command_line() == "python 'my script.py' 3"


def test_a_finished_run_names_its_command(tmp_path: Path) -> None:
    arguments = [*SMALL, "--name", "two words", "--results", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "eval", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    record = json.loads((tmp_path / "two words" / "run.json").read_text())
    assert record["command"] == f"python -m eval {' '.join(SMALL)} --name 'two words' --results {tmp_path}"
    assert record["command"] in (tmp_path / "two words" / "report.html").read_text().replace("&#39;", "'")
