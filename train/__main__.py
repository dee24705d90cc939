"""The command line: `python -m train <command> --help`."""

from eval.commands import Commands, run
from train import ppo, speed

COMMANDS: Commands = {"ppo": (ppo.PPOArgs, ppo.main), "speed": (speed.SpeedArgs, speed.main)}


def main() -> None:
    """Run the command of `sys.argv`."""
    run("python -m train", COMMANDS, "the last checkpoint is kept; continue with --resume")


if __name__ == "__main__":
    main()
