"""The command line: `python -m train <command> --help`."""

from __future__ import annotations

from eval.commands import run
from train import ppo, speed

COMMANDS = {"ppo": (ppo.PPOArgs, ppo.main), "speed": (speed.SpeedArgs, speed.main)}


def main() -> None:
    """Parse the command line and run the command."""
    run("python -m train", COMMANDS, "what was trained up to the last checkpoint is kept")


if __name__ == "__main__":
    main()
