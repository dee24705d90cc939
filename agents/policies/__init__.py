"""The policies that come with the project, one for each scenario: weights (.safetensors) and card (.json)."""

from pathlib import Path


def shipped_policies() -> dict[str, Path]:
    """Return the weights' file of each scenario that has a policy, by the scenario's name."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.safetensors"))}
