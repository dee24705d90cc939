"""From parameters and difficulty to tokens, joules and seconds (the paper's Section IV and Appendix B).

*The paper* is Ellis-Mohr, Hartman and Varshney, "Energy-Aware Routing to Large Reasoning Models",
arXiv 2601.00823. All functions take arrays that broadcast against each other and return float64 arrays in SI
units. A difficulty is measured in units of pretraining loss: **a smaller one is harder**.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from energy_route_env.checks import require, require_real, require_sequence
from energy_route_env.pool import stopping as on_success
from energy_route_env.pool.base import Attempts, Pool, PossibleAttempts
from energy_route_env.pool.noise_grid import gauss_rule
from energy_route_env.units import FloatArray

BudgetMethod = Literal["normal", "exact"]
Stopping = Literal["budget", "on_success", "late"]


@dataclass(frozen=True, kw_only=True)
class ScalingLaws:
    """Every published parameter of the laws, with its source.

    Raises:
        InputError: if a parameter is not positive and finite, or `failure_probability` is not below 1.
    """

    irreducible_loss: float = 1.69
    """L_irr, Hoffmann et al. 2022."""
    loss_coefficient: float = 406.4
    """A of Hoffmann et al. 2022; on the compute-optimal frontier it becomes A (1 + alpha / beta)."""
    loss_exponent: float = 0.34
    """alpha of Hoffmann et al. 2022, the paper's gamma."""
    data_exponent: float = 0.28
    """beta of Hoffmann et al. 2022."""
    skill_slope: float = 5.0
    """b, the steepness of skill success in the gap between loss and difficulty (the paper's Appendix B)."""
    skills: float = 50.0
    """m, the number of skills that a task needs (the paper's Appendix B)."""
    failure_probability: float = 0.1
    """epsilon, the probability that the budget does not suffice (the paper's Appendix B)."""
    tokens_per_attempt: float = 20.0
    """omega, tokens per skill attempt (the paper's Appendix B)."""
    n_layers: float = 48.0
    """Layers, for every model size (the paper's Appendix B)."""
    attention_width: float = 2048.0
    """d_attn, for every model size (the paper's Appendix B)."""
    joules_per_param: float = 1e-11
    """E_mem, the energy of reading one parameter once (the paper's Appendix B)."""
    joules_per_flop: float = 1e-12
    """E_comp (the paper's Appendix B)."""
    params_per_second: float = 5e12
    """BW, memory bandwidth (the paper's Appendix B)."""
    flops_per_second: float = 2e13
    """TP, compute throughput (the paper's Appendix B)."""
    batch_size: float = 1.0
    """Requests that share one reading of the parameters (the paper's Appendix B)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            require_real(field.name, getattr(self, field.name), 0.0, above=True)
        require(self.failure_probability < 1, "failure_probability", self.failure_probability, "below 1")

    @property
    def frontier_coefficient(self) -> float:
        """Gamma = A (1 + alpha / beta), about 900: the loss coefficient where compute is spent optimally."""
        return self.loss_coefficient * (1 + self.loss_exponent / self.data_exponent)


PUBLISHED = ScalingLaws()
PROMPT_TOKENS = 500.0
"""What a router reads before it decides, where nothing else is said."""
MOST_ATTEMPTS = 2.0**53
"""Most attempts that method "exact" counts: a float holds every whole number up to here."""


def pretraining_loss(n_params: ArrayLike, laws: ScalingLaws = PUBLISHED) -> FloatArray:
    """Return the pretraining loss L(N) = L_irr + Gamma N^-gamma of a compute-optimal model with N parameters."""
    reducible = laws.frontier_coefficient * np.asarray(n_params, float) ** -laws.loss_exponent
    return np.asarray(laws.irreducible_loss + reducible)


def skill_success(n_params: ArrayLike, difficulty: ArrayLike, laws: ScalingLaws = PUBLISHED) -> FloatArray:
    """Return the probability p(N, l) = 1 / (1 + exp(b (L(N) - l))) that one skill attempt succeeds."""
    gap = pretraining_loss(n_params, laws) - np.asarray(difficulty, float)
    return np.asarray(1 / (1 + np.exp(laws.skill_slope * gap)))


def attempt_budget(success: ArrayLike, method: BudgetMethod = "normal", laws: ScalingLaws = PUBLISHED) -> FloatArray:
    """Return the attempts K after which m skills have succeeded with probability 1 - epsilon.

    Args:
        success: probability that one attempt succeeds, in (0, 1].
        method: "normal" for the paper's normal approximation (not whole), "exact" for the smallest whole K with
            P(Binomial(K, p) >= m) >= 1 - epsilon.
        laws: the parameters m and epsilon.

    Raises:
        InputError: if the method is unknown, or "exact" would have to count beyond `MOST_ATTEMPTS`.
    """
    require(method in get_args(BudgetMethod), "method", method, "'normal' or 'exact'")
    p = np.asarray(success, float)
    return _normal_budget(p, laws) if method == "normal" else _exact_budget(p, laws)


def _normal_budget(p: FloatArray, laws: ScalingLaws) -> FloatArray:
    """Return K = [(z sqrt(1-p) + sqrt(z^2 (1-p) + 4m)) / 2]^2 / p."""
    from scipy import special

    z, failure = special.ndtri(1 - laws.failure_probability), 1 - p
    root = z * np.sqrt(failure) + np.sqrt(z * z * failure + 4 * laws.skills)
    return np.asarray(root * root / (4 * p))


def _exact_budget(p: FloatArray, laws: ScalingLaws) -> FloatArray:
    """Bisect P(Binomial(K, p) >= m) = I_p(m, K - m + 1) over whole K."""
    from scipy import special

    low = np.full(p.shape, np.ceil(laws.skills) - 1)
    with np.errstate(divide="ignore", over="ignore"):
        high = np.ceil(2 * _normal_budget(p, laws)) + 2
    most = float(np.max(high, initial=0.0))
    too_many = f"at most {MOST_ATTEMPTS:g}: the task is too hard, the model too small or the failure too improbable"
    require(most <= MOST_ATTEMPTS, "attempts of method 'exact'", most, too_many)
    while np.any(high - low > 1):
        middle = np.maximum(np.floor((low + high) / 2), np.ceil(laws.skills))
        enough = special.betainc(laws.skills, middle - laws.skills + 1, p) >= 1 - laws.failure_probability
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


def budget_success(
    n_params: ArrayLike, difficulty: ArrayLike, method: BudgetMethod = "normal", laws: ScalingLaws = PUBLISHED
) -> FloatArray:
    """Return the probability that a task is solved within its budget: 1 - epsilon, or P(Binomial(K, p) >= m) exactly.

    Example:
        >>> budget_success([1e9, 1e10], 1.7, "exact").round(4)
        array([0.9003, 0.9003])
    """
    from scipy import special

    p = skill_success(n_params, difficulty, laws)
    if method == "normal":
        return np.full(p.shape, 1 - laws.failure_probability)
    return np.asarray(special.betainc(laws.skills, attempt_budget(p, method, laws) - laws.skills + 1, p))


def token_budget(
    n_params: ArrayLike, difficulty: ArrayLike, method: BudgetMethod = "normal", laws: ScalingLaws = PUBLISHED
) -> FloatArray:
    """Return the tokens T = omega K granted to a task of this difficulty (oracle stopping)."""
    return laws.tokens_per_attempt * attempt_budget(skill_success(n_params, difficulty, laws), method, laws)


def _flops(n_params: FloatArray, tokens: FloatArray, laws: ScalingLaws, square: FloatArray) -> FloatArray:
    """Return F = 2 N T + n_layers d_attn T^2 (Kaplan et al. 2020, plus attention that grows with the context).

    The mean of T^2 is `square` times the square of the mean.
    """
    return np.asarray(2 * n_params * tokens + laws.n_layers * laws.attention_width * tokens * tokens * square)


def energy_of_tokens(
    n_params: ArrayLike, tokens: ArrayLike, laws: ScalingLaws = PUBLISHED, squared_variation: ArrayLike = 0.0
) -> FloatArray:
    """Return joules by tokens: e = E_mem N T / batch + E_comp F; the exact mean where the tokens vary.

    Args:
        n_params: parameters of the model.
        tokens: T, or its mean.
        laws: the scaling laws.
        squared_variation: Var T / (E T)^2.
    """
    params, mean = np.asarray(n_params, float), np.asarray(tokens, float)
    reading = laws.joules_per_param * params * mean / laws.batch_size
    flops = _flops(params, mean, laws, 1 + np.asarray(squared_variation, float))
    return np.asarray(reading + laws.joules_per_flop * flops)


def latency_of_tokens(n_params: ArrayLike, tokens: ArrayLike, laws: ScalingLaws = PUBLISHED) -> FloatArray:
    """Return seconds by tokens: tau = N T / (BW batch) + F / TP."""
    params, count = np.asarray(n_params, float), np.asarray(tokens, float)
    reading = params * count / (laws.params_per_second * laws.batch_size)
    return np.asarray(reading + _flops(params, count, laws, np.ones(())) / laws.flops_per_second)


def inference_energy(
    n_params: ArrayLike, difficulty: ArrayLike, method: BudgetMethod = "normal", laws: ScalingLaws = PUBLISHED
) -> FloatArray:
    """Return the energy of one task in joules: e = E_mem N T / batch + E_comp F.

    Example:
        >>> inference_energy([1e9, 1e10], 1.7).round(2)
        array([1037.89,  956.92])
    """
    return energy_of_tokens(n_params, token_budget(n_params, difficulty, method, laws), laws)


def inference_latency(
    n_params: ArrayLike, difficulty: ArrayLike, method: BudgetMethod = "normal", laws: ScalingLaws = PUBLISHED
) -> FloatArray:
    """Return the latency of one task in seconds: tau = N T / (BW batch) + F / TP."""
    return latency_of_tokens(n_params, token_budget(n_params, difficulty, method, laws), laws)


def router_energy_j(
    n_params: ArrayLike, prompt_tokens: float = PROMPT_TOKENS, laws: ScalingLaws = PUBLISHED
) -> FloatArray:
    """Return the joules of a decision by a language model that reads a prompt once: 2 N n E_comp + E_mem N / batch.

    Its answer is read off that one pass. Attention over the prompt, 0.02 J for 500 tokens, is left out.

    Example:
        >>> float(router_energy_j(1e9))
        1.01
    """
    params = np.asarray(n_params, float)
    reading = laws.joules_per_param * params / laws.batch_size
    return np.asarray(2 * params * prompt_tokens * laws.joules_per_flop + reading)


@dataclass(frozen=True)
class ModelPool(Pool):
    """A pool whose models all follow the same scaling laws.

    Args:
        n_params: the parameter count of each model, one or more.
        laws: the scaling laws.
        method: how token budgets are computed, "normal" (the paper) or "exact".
        stopping: when a model stops. "budget" (the paper): exactly at its budget. "on_success": once m skills have
            succeeded, so that every task is solved and its tokens are a matter of luck (`pool.stopping`), drawn for
            every task and model independently. "late": at (1 + overspend) times its budget, which solves no more.
        dispersion: d, coefficient of variation of an attempt's tokens from task to task, at most 1; on success only.
        overspend: kappa, the share of the budget that is spent on top of it; late only.

    Raises:
        InputError: if there is no model, a count is not positive and finite, the method or the stopping is unknown, or
            dispersion or overspend is out of range or of no use.
    """

    n_params: tuple[float, ...] = (1e9, 1e10)
    laws: ScalingLaws = PUBLISHED
    method: BudgetMethod = "normal"
    stopping: Stopping = "budget"
    dispersion: float = 0.0
    overspend: float = 0.0

    def __post_init__(self) -> None:
        allowed = "one or more parameter counts, such as (1e9, 1e10), or a ModelPool"
        object.__setattr__(self, "n_params", require_sequence("models", self.n_params, allowed))
        for count in self.n_params:
            require_real("models (a parameter count)", count, 0.0, above=True)
        require(isinstance(self.laws, ScalingLaws), "laws", self.laws, "a ScalingLaws")
        require(self.method in get_args(BudgetMethod), "method", self.method, "'normal' or 'exact'")
        known = "'budget', 'on_success' or 'late'"
        require(self.stopping in get_args(Stopping), "stopping", self.stopping, known)
        require_real("dispersion", self.dispersion, 0.0, on_success.MOST_DISPERSION)
        least, d = on_success.LEAST_DISPERSION, self.dispersion
        require(d == 0 or d >= least, "dispersion", d, f"0, or {least} or more")
        require_real("overspend", self.overspend, 0.0)
        for name, kind in (("dispersion", "on_success"), ("overspend", "late")):
            of_use = self.stopping == kind or getattr(self, name) == 0
            require(of_use, name, getattr(self, name), f"0 unless stopping is {kind!r}")

    @property
    def skill_slope(self) -> float:
        return self.laws.skill_slope

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        success = self._success(difficulty)
        variation = self._squared_variation(success) if self.stopping == "on_success" else 0.0
        return energy_of_tokens(self.n_params, self._tokens(success), self.laws, variation)

    def success_chance(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Return the chance of success within the budget, 1 where a model stops on success (see `Pool`)."""
        if self.stopping == "on_success":
            return super().success_chance(observed, noise)
        nodes, weights = gauss_rule(noise)
        difficulty = np.asarray(observed, float)[..., None, None] + noise * nodes
        params = np.asarray(self.n_params)[:, None]
        return np.asarray(budget_success(params, difficulty, self.method, self.laws) @ weights)

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's seconds on every model, at its mean tokens (see `Pool`)."""
        return latency_of_tokens(self.n_params, self._tokens(self._success(difficulty)), self.laws)

    def draw_attempts(self, rng: np.random.Generator, difficulty: FloatArray) -> Attempts | None:
        if self.stopping != "on_success":
            return None
        success = self._success(difficulty)
        luck = on_success.draw(rng, success, self.laws.skills, self.dispersion)
        energy_j = energy_of_tokens(self.n_params, self._tokens(success) * luck, self.laws)
        return Attempts(energy_j, np.ones(energy_j.shape, bool))

    def possible_attempts(self, difficulty: FloatArray) -> PossibleAttempts:
        """Return the law of what happens to tasks of these true difficulties, shape (n,) (see `Pool`)."""
        if self.stopping != "on_success":
            return super().possible_attempts(difficulty)
        success = self._success(difficulty)
        nodes, weights = on_success.rule(success, self.laws.skills, self.dispersion)
        probability, node = on_success.coupled(weights.swapaxes(1, 2))
        luck = np.take_along_axis(nodes.swapaxes(1, 2), node, axis=1)
        energy_j = energy_of_tokens(self.n_params, self._tokens(success)[:, None] * luck, self.laws)
        return PossibleAttempts(energy_j, np.ones_like(energy_j), probability)

    def _success(self, difficulty: ArrayLike) -> FloatArray:
        """Return the success of one attempt on every model, shape `difficulty.shape + (n_models,)`."""
        return skill_success(self.n_params, np.asarray(difficulty, float)[..., None], self.laws)

    def _tokens(self, success: FloatArray) -> FloatArray:
        """Return the mean tokens of a task by the success of one attempt."""
        if self.stopping == "on_success":
            return np.asarray(self.laws.tokens_per_attempt * self.laws.skills / success)
        return self.laws.tokens_per_attempt * attempt_budget(success, self.method, self.laws) * (1 + self.overspend)

    def _squared_variation(self, success: FloatArray) -> FloatArray:
        return on_success.squared_variation(success, self.laws.skills, self.dispersion)
