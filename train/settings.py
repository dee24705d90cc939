"""Hyper-parameters of PPO, one table for all scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from energy_route_env.checks import require, require_real, require_whole

Shaping = Literal["none", "brownian"]


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """What Stable-Baselines3's PPO is given; its documentation explains the terms.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    total_steps: int
    """Decisions to train on, over all environments."""
    num_envs: int = 256
    """Environments stepped together."""
    rollout_steps: int = 64
    """Decisions of each environment between two updates."""
    batch_size: int = 4096
    """Decisions in a minibatch."""
    epochs: int = 4
    """Passes over a rollout."""
    learning_rate: float = 1e-3
    """At the start; it falls linearly to 0."""
    discount: float = 1.0
    """Gamma; 1 is the objective itself, since episodes are finite."""
    gae_lambda: float = 0.95
    """How far an advantage looks beyond its own reward."""
    entropy_weight: float = 0.0
    """Weight of the policy's entropy in the loss."""
    reward_unit_tasks: float = 1.0
    """Rewards are in units of so many tasks' mean energy; such that returns stay small."""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units of each hidden layer (tanh) of policy and value function."""

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("total_steps", "num_envs", "rollout_steps", "batch_size", "epochs"):
            require_whole(name, getattr(self, name), 1)
        for name in ("learning_rate", "reward_unit_tasks"):
            require_real(name, getattr(self, name), 0.0, above=True)
        for name in ("discount", "gae_lambda"):
            require_real(name, getattr(self, name), 0.0, 1.0)
        require_real("entropy_weight", self.entropy_weight, 0.0)
        require(len(self.hidden_sizes) > 0, "hidden_sizes", self.hidden_sizes, "one or more layer sizes")
        for size in self.hidden_sizes:
            require_whole("hidden_sizes (one of them)", size, 1)


SETTINGS: dict[tuple[str, Shaping], PPOSettings] = {
    # Shaped rewards hold a decision's whole expected cost: advantages need not look further, lambda 0 has least noise.
    # In `paper` two models differ by 9 J in 790 at one difficulty: it takes many decisions to tell that from noise.
    ("paper", "brownian"): PPOSettings(total_steps=4_000_000, gae_lambda=0.0, rollout_steps=128, batch_size=8192),
    ("uncertain", "brownian"): PPOSettings(total_steps=1_000_000, gae_lambda=0.0),
    # Unshaped ones come many decisions late, when the battery is empty: long rollouts and a long look-ahead.
    ("paper", "none"): PPOSettings(total_steps=6_000_000, rollout_steps=128, batch_size=8192),
    ("uncertain", "none"): PPOSettings(total_steps=3_000_000, rollout_steps=128, batch_size=8192),
    # A job that waits pays off up to a day (some 500 decisions) later: lambda 0.99 looks that far, a little entropy
    # keeps deferral from being settled too early. No shaping: the Brownian value function knows no night or backlog.
    ("solar", "none"): PPOSettings(
        total_steps=10_000_000,
        num_envs=512,
        rollout_steps=256,
        batch_size=16_384,
        gae_lambda=0.99,
        entropy_weight=0.003,
        reward_unit_tasks=50.0,
    ),
}
"""Settings by scenario and shaping."""


def settings_for(scenario: str, shaping: Shaping) -> PPOSettings:
    """The table's settings; a scenario that is not in it gets those of `uncertain`."""
    return SETTINGS.get((scenario, shaping), SETTINGS["uncertain", shaping])
