"""The command line: `python -m eval <command> --help`."""

from __future__ import annotations

import sys

import tyro

from eval import benchmark, speed, tune

COMMANDS = {
    "benchmark": (benchmark.BenchmarkArgs, benchmark.main),
    "speed": (speed.SpeedArgs, speed.main),
    "tune-threshold": (tune.TuneArgs, tune.main),
}


def main() -> None:
    """Parse the command line and run the command; what is wrong with its arguments is said in a sentence."""
    try:
        args = tyro.extras.subcommand_cli_from_dict(
            {name: arguments for name, (arguments, _) in COMMANDS.items()}, prog="python -m eval"
        )
        next(run for arguments, run in COMMANDS.values() if isinstance(args, arguments))(args)
    except (ValueError, FileExistsError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: what was finished stands in the .partial folder")


if __name__ == "__main__":
    main()
