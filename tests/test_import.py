import subprocess
import sys

HEAVY = (
    "torch",
    "stable_baselines3",
    "matplotlib",
    "pandas",
    "pvlib",
    "ray",
    "agents",
    "eval",
    "train",
    "tyro",
    "rich",
    "PIL",
    "pygame",
)


def test_importing_the_package_loads_none_of_the_extras() -> None:
    code = f"import sys, energy_route_env, energy_route_env.theory; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
