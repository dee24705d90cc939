"""What can be learned from the training questions of a measured pool: chances, joules, and an order of attempts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import MissingExtra, require
from energy_route_env.pool.measured import Estimates, MeasuredPool
from energy_route_env.units import FloatArray, IntArray

LEAST = 1e-6
"""Smallest share of an entry's mean joules that a question is taken to have taken: a Gamma variable is above 0."""
MOST_ORDERED = 16
"""Most entries that an order is sought for: every set of them is gone through."""


def fitted(pool: MeasuredPool) -> Estimates:
    """Fit chances and joules on the training questions, by family and prompt length; estimate those of all questions.

    For each entry, a logistic regression of success and a Gamma regression of joules (of their mean itself, with a
    logarithmic link) on one indicator per family and the logarithm of the prompt's length, standardised. In both the
    squares of the coefficients count half, beside a question's whole; a question counts once, whatever its runs.

    Raises:
        MissingExtra: if scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import GammaRegressor, LogisticRegression
    except ImportError as error:
        raise MissingExtra("Fitting needs scikit-learn: pip install 'energy-route-env[fit]'.") from error
    train, known = pool.numbers("train"), features(pool)
    energy_j, chance = np.empty((2, *pool.outcomes.energy_j.shape[:2]))
    for entry in range(len(pool)):
        taken_j = pool.outcomes.energy_j[train, entry].mean(axis=-1)
        unit = taken_j.mean()
        relative = np.maximum(taken_j / unit, LEAST)
        regressor = GammaRegressor(alpha=1 / len(train), max_iter=1000).fit(known[train], relative)
        energy_j[:, entry] = unit * regressor.predict(known)
        solved = pool.outcomes.solved[train, entry].mean(axis=-1)
        chance[:, entry] = solved.mean()
        if 0 < solved.mean() < 1:
            twice, either = np.concatenate([known[train]] * 2), np.repeat([1, 0], len(train))
            weight = np.concatenate([solved, 1 - solved])
            classifier = LogisticRegression().fit(twice, either, sample_weight=weight)
            chance[:, entry] = classifier.predict_proba(known)[:, 1]
    return Estimates(energy_j, chance)


def features(pool: MeasuredPool) -> FloatArray:
    """Return what the estimates go by, shape (n_questions, n_features): a column per family of the training questions.

    Where prompt lengths are known, one more: log(1 + length), less its mean and divided by its standard deviation over
    the training questions.
    """
    outcomes, train = pool.outcomes, pool.numbers("train")
    families = np.array(outcomes.families)
    columns = [(families == family).astype(float) for family in sorted(set(families[train].tolist()))]
    if outcomes.prompt_length is not None:
        logarithm = np.log1p(outcomes.prompt_length)
        columns.append((logarithm - logarithm[train].mean()) / (logarithm[train].std() or 1.0))
    return np.column_stack(columns)


def best_order(energy_j: FloatArray, solved: NDArray[np.bool_]) -> IntArray:
    """Return the order of attempts that takes the fewest joules on given outcomes, shape (n_models,).

    Every task is tried until it is solved or no entry is left, in one and the same order. What the entries left to try
    will take depends only on which have failed: with F(S) the least joules of all tasks that every entry in S fails,
    F(S) = min over k not in S of (joules of k on these tasks) + F(S and k). This is exact, whatever the entries'
    successes have to do with each other.

    Args:
        energy_j: joules of every task on every entry, shape (n_tasks, n_models).
        solved: whether it is solved, likewise.

    Raises:
        InputError: if there are more entries than `MOST_ORDERED`.
    """
    n_models = energy_j.shape[1]
    require(n_models <= MOST_ORDERED, "entries", n_models, f"at most {MOST_ORDERED}, to seek their best order")
    everything = (1 << n_models) - 1
    least_j, first = np.zeros(everything + 1), np.zeros(everything + 1, int)
    for tried in range(everything - 1, -1, -1):
        is_tried = tried >> np.arange(n_models) & 1 == 1
        left = ~solved[:, is_tried].any(axis=1)
        next_j = energy_j[left].sum(axis=0) + least_j[tried | 1 << np.arange(n_models)]
        first[tried] = np.where(is_tried, np.inf, next_j).argmin()
        least_j[tried] = next_j[first[tried]]
    order: list[int] = []
    while len(order) < n_models:
        order.append(int(first[sum(1 << k for k in order)]))
    return np.array(order)


def best_orders(pool: MeasuredPool) -> dict[str, IntArray]:
    """Return the best order on the training questions of every family, and by "" on all of them."""
    families, outcomes = np.array(pool.outcomes.families), pool.outcomes
    orders = {}
    for family in {"", *families.tolist()}:
        train = [n for n in pool.numbers("train") if family in ("", families[n])]
        if train:
            energy_j = outcomes.energy_j[train].transpose(0, 2, 1).reshape(-1, len(pool))
            solved = outcomes.solved[train].transpose(0, 2, 1).reshape(-1, len(pool))
            orders[family] = best_order(energy_j, solved)
    return orders
