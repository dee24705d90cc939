"""Pre-training: a policy learns to decide as another dispatcher does, before PPO takes over."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO

from agents import Dispatcher
from energy_route_env import Scenario
from energy_route_env.core.batch import Batch
from eval.rollout import draw_traces

ROUNDS, EPISODES = 4, 64
"""Rounds, and episodes of each."""
PASSES = 5
"""Passes over all that was collected, after each round."""
BATCH_SIZE = 1024
"""Decisions in a minibatch."""
LEARNING_RATE = 1e-3
"""Of Adam at the start of each round. It falls linearly to 0."""
DOUBT = 0.02
"""Probability of another action in what is learned: PPO learns nothing of actions that are never tried."""
SEED = 3_000_017
"""The training's seed is added to it. No evaluation uses these traces."""
VALUE_FIRST = 0.1
"""Share of PPO's decisions in which the value function learns alone. It knows nothing yet of the policy, which would
unlearn what it was taught."""

Decided = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Observations, shape (n, n_features), and the action that the teacher takes, shape (n,)."""


def clone(model: PPO, scenario: Scenario, teacher: Dispatcher, seed: int) -> None:
    """Train the policy to decide as the teacher does.

    Who decides is the teacher in the first round and then the policy. Every state is kept with what the teacher would
    do there, and the policy is fitted to all that was kept: `DAgger` (Ross, Gordon and Bagnell 2011).
    """
    kept: list[Decided] = []
    for number in range(ROUNDS):
        episodes = range(number * EPISODES, (number + 1) * EPISODES)
        kept.append(
            _collect(model if number else None, teacher, scenario, draw_traces(scenario, episodes, SEED + seed))
        )
        observation, answer = (torch.from_numpy(np.concatenate(part)) for part in zip(*kept, strict=True))
        _fit(model, observation, answer)


def _collect(model: PPO | None, teacher: Dispatcher, scenario: Scenario, traces: Any) -> Decided:
    """Run whole episodes, under the teacher where there is no model."""
    batch, memory = Batch(scenario, len(traces)), np.zeros((len(traces), teacher.memory_size))
    batch.load(traces, np.arange(len(traces)))
    observations, answers, ended = [], [], np.zeros(len(traces), bool)
    while not ended.all():
        decision = replace(batch.decision(teacher.privileged), memory=memory)
        answer, under_way = np.asarray(teacher.act(decision)), decision.due + decision.backlog > 0
        observations.append(decision.observation[under_way])
        answers.append(answer[under_way])
        actions = answer if model is None else model.predict(decision.observation, deterministic=True)[0]
        ended = ended | batch.step(np.asarray(actions)).ended
    return np.concatenate(observations), np.concatenate(answers)


def _fit(model: PPO, observation: torch.Tensor, answer: torch.Tensor) -> None:
    """Minimise the cross entropy."""
    optimizer = torch.optim.Adam(model.policy.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, PASSES * -(-len(observation) // BATCH_SIZE))
    for _ in range(PASSES):
        order: Any = torch.randperm(len(observation))
        for rows in order.split(BATCH_SIZE):
            distribution: Any = model.policy.get_distribution(observation[rows])
            scores = distribution.distribution.logits
            loss: Any = torch.nn.functional.cross_entropy(scores, answer[rows], label_smoothing=DOUBT)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def let_the_policy_learn(model: PPO, learns: bool) -> None:
    """Say whether PPO's updates change the policy, or its value function alone."""
    for part in (model.policy.mlp_extractor.policy_net, model.policy.action_net):
        for parameter in part.parameters():
            parameter.requires_grad_(learns)
