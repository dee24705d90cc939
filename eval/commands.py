"""What the command lines have in common: subcommands from dataclasses, and errors said in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tyro


def run(prog: str, commands: dict[str, tuple[type, Callable[[Any], None]]], if_interrupted: str) -> None:
    """Parse the command line and run the command; what is wrong with its arguments is said in a sentence.

    Args:
        prog: how the program is called.
        commands: for each name its arguments and what runs it.
        if_interrupted: what becomes of an interrupted run.
    """
    try:
        subcommands = {name: arguments for name, (arguments, _) in commands.items()}
        args = tyro.extras.subcommand_cli_from_dict(subcommands, prog=prog)
        next(start for arguments, start in commands.values() if isinstance(args, arguments))(args)
    except (ValueError, FileExistsError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {if_interrupted}")
