"""Learning from another dispatcher before PPO."""

from pathlib import Path

import numpy as np
import pytest

from agents import make_dispatcher
from agents.learned import Learned
from energy_route_env import make_scenario
from eval.rollout import simulate
from train.cloning import clone, let_the_policy_learn
from train.ppo import PPOArgs, make_envs, make_model
from train.settings import PPOSettings, settings_for

SMALL: PPOSettings = {"steps": 6_000, "num_envs": 32, "rollout_steps": 32, "batch_size": 512}
CARBON = make_scenario("carbon", horizon_slots=72)


@pytest.mark.parametrize("name", ["cheap-hours", "receding-perfect-24"])
def test_a_clone_decides_like_its_teacher(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule sees no more than the policy, which costs at most 5 % more; the plan sees the future."""
    monkeypatch.setattr("train.cloning.EPISODES", 32 if name == "cheap-hours" else 2)
    monkeypatch.setattr("train.cloning.BATCH_SIZE", 256)
    settings = settings_for("carbon", "none", SMALL)
    model, teacher = make_model(make_envs(CARBON, settings, "none"), settings, 0), make_dispatcher(name, CARBON)
    before, wanted = (simulate(CARBON, policy, 50).cost.mean() for policy in (Learned.from_sb3(model), teacher))
    clone(model, CARBON, teacher, seed=0)
    after = simulate(CARBON, Learned.from_sb3(model), 50).cost.mean()
    assert after < 1.05 * wanted if name == "cheap-hours" else after < before


def test_at_first_the_value_function_learns_alone() -> None:
    settings = settings_for("carbon", "none", SMALL)
    model = make_model(make_envs(CARBON, settings, "none"), settings, 0)
    parts = model.policy.action_net, model.policy.value_net
    weights = [part.weight.detach().clone().numpy() for part in parts]
    for learns in (False, True):
        let_the_policy_learn(model, learns)
        model.learn(4096, reset_num_timesteps=False)
        same = [np.array_equal(part.weight.detach().numpy(), old) for part, old in zip(parts, weights, strict=True)]
        assert same == [not learns, False]


def test_a_teacher_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dispatcher 'greedy' is unknown"):
        PPOArgs(scenario="carbon", clone="greedy", runs=tmp_path).check()
