"""What is imported when, and what happens where a package cannot be."""

import subprocess
import sys

import energy_route_env

HEAVY = (
    *("torch", "stable_baselines3", "matplotlib", "pandas", "pvlib", "ray"),
    *("agents", "eval", "train", "tyro", "rich", "PIL", "pygame", "scipy", "numba"),
)


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def loaded(code: str) -> str:
    return run(f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])").stdout.strip()


def test_importing_the_package_loads_no_extra_and_nothing_slow() -> None:
    assert loaded("import energy_route_env, energy_route_env.theory") == "[]"


def test_a_single_environment_needs_no_compiler() -> None:
    one = "import gymnasium as gym; env = gym.make('energy_route_env:EnergyRoute-v0'); env.reset(seed=0); env.step(0)"
    assert "numba" not in loaded(one)


def test_every_public_name_is_there() -> None:
    assert all(getattr(energy_route_env, name) is not None for name in energy_route_env.__all__)
    assert set(energy_route_env.__all__) <= set(dir(energy_route_env))


def test_without_numba_many_environments_run_with_one_warning() -> None:
    code = """
import sys, warnings
sys.modules["numba"] = None
import gymnasium as gym
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    envs = gym.make_vec("energy_route_env:EnergyRoute-v0", num_envs=2, horizon_slots=3)
    envs.reset(seed=0)
    for _ in range(9):
        envs.step(envs.action_space.sample())
    envs.reset(seed=0)
print([str(one.message) for one in seen if "numba" in str(one.message)])
"""
    [message] = eval(run(code).stdout)
    assert "numba cannot be imported" in message
