"""PPO's hyper-parameters: one table for all scenarios."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, get_type_hints

from energy_route_env.checks import require, require_known, require_real, require_sequence, require_whole

Shaping = Literal["none", "brownian", "expected", "optimum", "prices", "hindsight"]


class PPOSettings(TypedDict, total=False):
    """Settings of Stable-Baselines3's PPO. Its documentation explains the terms."""

    steps: int
    """Decisions to train on, in all environments together."""
    num_envs: int
    """Environments stepped together."""
    rollout_steps: int
    """Decisions of each environment between two updates."""
    batch_size: int
    """Decisions in a minibatch."""
    epochs: int
    """Passes over a rollout."""
    learning_rate: float
    """At the start. It falls linearly to 0."""
    discount: float
    """Gamma. Episodes are finite, so 1 is the objective itself."""
    gae_lambda: float
    """How far an advantage looks beyond its own reward."""
    entropy_weight: float
    """Weight of the policy's entropy in the loss."""
    reward_unit_tasks: float
    """Rewards are in units of this many tasks' mean energy, so that returns stay small."""
    hidden_sizes: tuple[int, ...]
    """Units of each hidden layer (tanh) of policy and value function."""


DEFAULTS: PPOSettings = {
    "steps": 1_000_000,
    "num_envs": 256,
    "rollout_steps": 64,
    "batch_size": 4096,
    "epochs": 4,
    "learning_rate": 1e-3,
    "discount": 1.0,
    "gae_lambda": 0.95,
    "entropy_weight": 0.0,
    "reward_unit_tasks": 1.0,
    "hidden_sizes": (64, 64),
}
"""What holds where `SETTINGS` says nothing else."""

# Waiting pays off up to a day (some 500 decisions) later: lambda 0.99 looks that far. A little entropy keeps the policy
# from giving up deferral too early. No shaping: the Brownian value function knows neither night nor backlog.
_WAITING: PPOSettings = {
    "steps": 10_000_000,
    "num_envs": 512,
    "rollout_steps": 256,
    "batch_size": 16_384,
    "gae_lambda": 0.99,
    "entropy_weight": 0.003,
    "reward_unit_tasks": 50.0,
}
# Energies have a heavy tail: more decisions and larger batches than in `uncertain`.
_VOLATILE: PPOSettings = {
    "steps": 6_000_000,
    "num_envs": 512,
    "rollout_steps": 64,
    "batch_size": 16_384,
    "gae_lambda": 0.0,
}
# Without the energies' chance many small steps pay: a decision is worth 5 J more or less in 480, and what the battery
# is worth changes within its lowest 5 %.
_EXPECTED: PPOSettings = {
    "steps": 2_000_000,
    "num_envs": 512,
    "rollout_steps": 64,
    "epochs": 8,
    "learning_rate": 3e-3,
    "gae_lambda": 0.0,
}
_PRICED: PPOSettings = _WAITING | {"gae_lambda": 0.95, "reward_unit_tasks": 5.0}
# A reward in hindsight is its decision's share of what is lost against the bound. Its prices know what a policy cannot,
# and so undervalue running early: the value function must make up for that, which is why lambda is not 0. With 0.97 and
# a learning rate of 1e-3 `carbon` had lost again after two million decisions what it had gained after one.
_HINDSIGHT: PPOSettings = {
    "rollout_steps": 256,
    "batch_size": 8192,
    "learning_rate": 7e-4,
    "gae_lambda": 0.95,
}

_MEASURED: PPOSettings = {
    "steps": 3_000_000,
    "num_envs": 1024,
    "rollout_steps": 64,
    "batch_size": 16_384,
    "entropy_weight": 0.003,
}

SETTINGS: dict[tuple[str, Shaping], PPOSettings] = {
    # A shaped reward holds its decision's whole expected cost, so advantages need not look further: lambda 0 has the
    # least noise. In `paper` two models differ by 9 J in 790 at one difficulty, which noise hides for long.
    ("paper", "brownian"): {"steps": 4_000_000, "gae_lambda": 0.0, "rollout_steps": 128, "batch_size": 8192},
    ("correlated", "brownian"): {"steps": 4_000_000, "gae_lambda": 0.0, "rollout_steps": 128, "batch_size": 8192},
    ("uncertain", "brownian"): {"steps": 1_000_000, "gae_lambda": 0.0},
    ("volatile", "brownian"): _VOLATILE,
    ("volatile", "expected"): _EXPECTED,
    ("volatile", "optimum"): _VOLATILE,
    ("uncertain", "expected"): {"steps": 1_000_000, "gae_lambda": 0.0},
    ("uncertain", "optimum"): {"steps": 1_000_000, "gae_lambda": 0.0},
    # A shaped reward holds what an attempt costs, but not the attempts that follow a failure: lambda cannot be 0.
    # Orders differ by 1 % in energy, far less than tasks do, and a policy that has become sure of one stays with it:
    # many decisions an update, and a little entropy.
    ("measured", "brownian"): _MEASURED,
    ("measured", "none"): _MEASURED,
    # Unshaped costs come many decisions late, when the battery is empty: long rollouts and a long look-ahead.
    ("paper", "none"): {"steps": 6_000_000, "rollout_steps": 128, "batch_size": 8192},
    ("uncertain", "none"): {"steps": 3_000_000, "rollout_steps": 128, "batch_size": 8192},
    ("solar", "none"): _WAITING,
    ("gusty", "none"): _WAITING,
    ("carbon", "none"): _WAITING,
    # At prices a decision is told at once most of what it saves or costs later.
    ("solar", "prices"): _PRICED,
    ("gusty", "prices"): _PRICED,
    ("carbon", "prices"): _PRICED,
    ("gusty", "hindsight"): _HINDSIGHT | {"gae_lambda": 0.97},
    ("carbon", "hindsight"): _HINDSIGHT,
}
"""What differs from the defaults, by scenario and shaping."""


def settings_for(scenario: str, shaping: Shaping, changes: PPOSettings | None = None) -> PPOSettings:
    """Return the complete settings: the changes first, then `SETTINGS`, then `DEFAULTS`.

    A scenario that is not in the table gets the settings of `uncertain`, with prices those of `solar`, with hindsight
    those of `carbon`.
    """
    like = {"prices": "solar", "hindsight": "carbon"}.get(shaping, "uncertain")
    table = SETTINGS.get((scenario, shaping), SETTINGS[like, shaping])
    settings = DEFAULTS | table | (changes or {})
    _check(settings)
    undiscounted = shaping == "none" or settings["discount"] == 1.0
    require(undiscounted, "discount", settings["discount"], "1 with shaping: else it would change the ranking")
    return settings


def _check(settings: Mapping[str, Any]) -> None:
    require_known("setting", settings, get_type_hints(PPOSettings))
    for name in ("steps", "num_envs", "rollout_steps", "batch_size", "epochs"):
        require_whole(name, settings[name], 1)
    for name in ("learning_rate", "reward_unit_tasks"):
        require_real(name, settings[name], 0.0, above=True)
    for name in ("discount", "gae_lambda"):
        require_real(name, settings[name], 0.0, 1.0)
    require_real("entropy_weight", settings["entropy_weight"], 0.0)
    for size in require_sequence("hidden_sizes", settings["hidden_sizes"], "one or more layer sizes"):
        require_whole("hidden_sizes (one of them)", size, 1)
