"""Subcommands from dataclasses, and how their errors are shown."""

import inspect
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
    for arguments, _ in commands.values():
        own_first(arguments)
    try:
        args = parse(prog, commands)
        next(start for arguments, start in commands.values() if isinstance(args, arguments))(args)
    except (InputError, MissingExtra) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {if_interrupted}")


def parse(prog: str, commands: Commands) -> Any:
    """Return the arguments of the command that `sys.argv` names; a suggestion after a typo is of that command alone."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in commands:
        return tyro.cli(commands[name][0], prog=f"{prog} {name}", args=sys.argv[2:])
    subcommands: dict[str, Callable[..., Any]] = {name: arguments for name, (arguments, _) in commands.items()}
    return tyro.extras.subcommand_cli_from_dict(subcommands, prog=prog)


def own_first(arguments: Any) -> None:
    """Have `--help` show a command's own options before those that it shares with others."""
    found = arguments.__dataclass_fields__
    names = [name for part in arguments.__mro__ for name in inspect.get_annotations(part) if name in found]
    arguments.__dataclass_fields__ = {name: found[name] for name in (*names, *found)}
