"""Subcommands from dataclasses, and how their errors are shown."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import tyro

from energy_route_env.checks import InputError, MissingExtra

Commands = Mapping[str, tuple[type, Callable[..., object]]]
"""For each command's name, the dataclass of its arguments and the function that takes one."""


def run(prog: str, commands: Commands, if_interrupted: str) -> None:
    """Parse the command line and run the command.

    Wrong input, a missing extra and an interruption (with `if_interrupted`) print one line to stderr and exit with 1.
    Every other error shows its traceback.
    """
    subcommands: dict[str, Callable[..., Any]] = {name: arguments for name, (arguments, _) in commands.items()}
    try:
        args = tyro.extras.subcommand_cli_from_dict(subcommands, prog=prog)
        next(start for arguments, start in commands.values() if isinstance(args, arguments))(args)
    except (InputError, MissingExtra) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {if_interrupted}")
