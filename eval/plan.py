"""What theory says before anything runs: regime, auxiliary energy, and the harvest, battery or horizon it needs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal

from rich.console import Console
from rich.table import Table

from agents import ErrorProne, Myopic
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_known, require_whole
from energy_route_env.pool.scaling_laws import PROMPT_TOKENS, PUBLISHED, ModelPool, Stopping, router_energy_j
from energy_route_env.scenario import PAPER_DIFFICULTIES
from energy_route_env.theory import planning
from energy_route_env.theory.planning import PlanAnswer, PlanQuestion, Value
from energy_route_env.units import energy_unit
from eval.rollout import simulate
from eval.statistics import Estimate
from eval.terminal import filled_table

Unknown = Literal["harvest", "horizon", "error-rate", "budget"]
SOLVERS: dict[str, tuple[Callable[[PlanQuestion], Value], str]] = {
    "harvest": (planning.harvest_for, "least mean harvest of a slot"),
    "horizon": (planning.horizon_for, "longest horizon"),
    "error-rate": (planning.error_rate_for, "largest error rate"),
    "budget": (planning.budget_for, "smallest budget"),
}


@dataclass(frozen=True)
class PlanArgs:
    """Plan a system from theory; solve for harvest, horizon, error rate or budget where the other three are given."""

    solve_for: Unknown | None = None
    """What to solve for; its own option is ignored. By default everything is told of the system as given."""
    models: tuple[float, ...] = (1e9, 1e10)
    """Parameter counts of the pool."""
    stopping: Stopping = "budget"
    """When a model stops: at its budget, on success, or late."""
    dispersion: float = 0.0
    """Coefficient of variation of the tokens of an attempt from task to task, where models stop on success."""
    overspend: float = 0.0
    """Share of the budget spent on top of it, where models stop late."""
    difficulties: tuple[float, ...] = PAPER_DIFFICULTIES
    """Equally likely difficulties, in units of pretraining loss; smaller is harder."""
    difficulty_noise: float = 0.0
    """Standard deviation of the true difficulty around the observed one."""
    arrival_rate: float = 1.0
    """Mean tasks per slot."""
    queries_per_task: float = 1.0
    """Identical queries per task."""
    ratio: float | None = None
    """Renewable ratio: mean harvest / mean demand without errors. 1 where neither this nor the harvest is given."""
    harvest_mean_j: float | None = None
    """Mean harvest of a slot in joules, in place of the ratio."""
    harvest_cv: float = 0.5
    """Coefficient of variation of the harvest, at most 3."""
    horizon: int = 1000
    """Slots to plan for."""
    error_rate: float = 0.0
    """Probability that a task goes to another model than the right one."""
    budget_j: float | None = None
    """Auxiliary energy in joules that the horizon may take: on average, or with a confidence."""
    confidence: float | None = None
    """Probability with which the budget shall hold, and the quantile to show; by default the budget holds on average
    and the quantile is 0.95."""
    extra_share: float = 0.01
    """The battery to find may draw so much more auxiliary energy than an unlimited one of the same efficiencies."""
    charge_efficiency: float = 1.0
    """eta_c of the battery to find, applied to what is stored."""
    discharge_efficiency: float = 1.0
    """eta_d of the battery to find, applied to what it supplies."""
    check_episodes: int = 0
    """Simulate so many episodes beside the prediction of the mean; 0 for none."""
    seed: int = 0
    """Seed of these episodes."""
    json: bool = False
    """Print one JSON object, energies in joules, and nothing else."""

    def check(self) -> None:
        if self.solve_for is not None:
            require_known("solve_for", [self.solve_for], SOLVERS)
            given = self.budget_j is not None or self.solve_for == "budget"
            require(given, "budget_j", self.budget_j, f"given, to solve for {self.solve_for}")
        both = self.ratio is not None and self.harvest_mean_j is not None
        require(not both, "harvest_mean_j", self.harvest_mean_j, "None where the ratio is given")
        require_whole("check_episodes", self.check_episodes, 0)
        require(self.check_episodes != 1, "check_episodes", 1, "0, or 2 or more: one has no standard error")
        require_whole("seed", self.seed, 0)

    def question(self) -> PlanQuestion:
        """Ask what these arguments say, of the paper's scenario with their fields."""
        of_scenario, of_question = (
            {field.name: getattr(self, field.name) for field in fields(kind) if hasattr(self, field.name)}
            for kind in (Scenario, PlanQuestion)
        )
        stops = (self.stopping, self.dispersion, self.overspend)
        of_scenario["models"] = ModelPool(self.models, PUBLISHED, "normal", *stops)
        scenario = make_scenario("paper", renewable_ratio=1.0 if self.ratio is None else self.ratio, **of_scenario)
        return PlanQuestion(scenario, horizon_slots=self.horizon, **of_question)


def main(args: PlanArgs) -> None:
    """Answer and print, as tables or as JSON."""
    args.check()
    question, console = args.question(), Console()
    if args.solve_for is not None:
        solution = SOLVERS[args.solve_for][0](question)
        if args.json:
            print(json.dumps({"solve_for": args.solve_for, **asdict(solution)}))  # noqa: T201
        else:
            console.print(sentence(args.solve_for, solution, question), soft_wrap=True)
        return
    found, check = planning.answer(question), simulated(question, args.check_episodes, args.seed)
    if args.json:
        print(json.dumps(found.as_dict() | ({"simulated_mean_j": asdict(check)} if check else {})))  # noqa: T201
        return
    tables = (system_table(found), auxiliary_table(found, check), needs_table(found), router_table(found))
    for table in (*tables, winners_table(found)):
        console.print(table, "")


def sentence(unknown: str, solution: Value, question: PlanQuestion) -> str:
    """Say the solution in words."""
    wish = "on average" if question.confidence is None else f"with probability {question.confidence:g}"
    shown = {"horizon": f"{solution.value:,.0f} slots", "error-rate": f"{solution.value:.4%}"}
    number = shown.get(unknown) or joules(solution.value)
    budget = "" if question.budget_j is None or unknown == "budget" else f" with {joules(question.budget_j)}"
    return f"{SOLVERS[unknown][1]}{budget}, kept {wish}: {number} ({solution.method})"


def simulated(question: PlanQuestion, episodes: int, seed: int) -> Estimate | None:
    """Simulate the mean auxiliary energy with the question's routing and an unlimited battery; None for no episodes."""
    if episodes == 0:
        return None
    scenario = replace(question.scenario, horizon_slots=question.slots, charge_efficiency=1.0, discharge_efficiency=1.0)
    scenario = replace(scenario, renewable_ratio=question.harvest_j / (scenario.mean_demand_j or 1.0))
    dispatcher = ErrorProne(Myopic(scenario), question.error_rate)
    return Estimate.of(simulate(scenario, dispatcher, episodes, seed).auxiliary_j[:, -1])


def joules(value: float) -> str:
    """Write an energy in a unit that reads well."""
    scale, unit = energy_unit(value)
    return f"{value / scale:,.2f} {unit}"


def _energies(title: str, energies: Mapping[str, Value | None], missing: str = "not asked") -> Table:
    rows = [(name, *((joules(it.value), it.method) if it else (missing, ""))) for name, it in energies.items()]
    return filled_table(("", "energy", "method"), rows, title, left=("", "method"))


def system_table(found: PlanAnswer) -> Table:
    """Tabulate the slot's moments under the regime's name."""
    title = f"{found.regime} regime (without routing errors: {found.regime_without_errors})"
    rows = {
        "C_LB, cheapest possible, of a task": found.c_lb_task_j,
        "C_LB of a slot": found.c_lb_slot_j,
        "mean demand of a slot as routed": found.demand_j,
        "mean harvest of a slot": found.harvest_j,
        "drift of a slot": found.drift_j,
        "volatility of a slot": found.volatility_j,
    }
    return _energies(title, rows)


def auxiliary_table(found: PlanAnswer, check: Estimate | None) -> Table:
    """Tabulate the horizon's auxiliary energy, and what errors cost."""
    rows = {
        "mean": found.mean_j,
        "mean, Brownian formula": found.mean_brownian_j,
        "standard deviation": found.std_j,
        f"{found.quantile_level:.4g} quantile": found.quantile_j,
        "what routing errors add to the mean": found.error_cost_j,
    }
    table = _energies("Auxiliary energy, unlimited lossless battery", rows)
    if check is not None:
        interval = f"{joules(check.mean)} ± {joules(check.half_width)}"
        table.add_row("mean of simulated episodes, 95 % interval", interval, "simulation")
    if found.transition_slots.value < float("inf"):
        slots = f"{found.transition_slots.value:,.0f} slots"
        table.add_row("errors cost linearly from about", slots, found.transition_slots.method)
    return table


def needs_table(found: PlanAnswer) -> Table:
    """Tabulate the battery and harvest that are needed."""
    harvests = {"on average": found.harvest_for_mean_j, f"at {found.quantile_level:.4g}": found.harvest_for_quantile_j}
    rows = {f"mean harvest of a slot, budget kept {name}": need for name, need in harvests.items() if need is not None}
    battery = {"battery capacity": found.battery_j, "mean auxiliary energy with this battery": found.battery_mean_j}
    return _energies("What it needs", battery | rows, "horizon too long")


def router_table(found: PlanAnswer) -> Table:
    """Tabulate what knowing the difficulty is worth, and the largest language model that takes no more to decide."""
    rows = {
        "perfect knowledge is worth, in mean energy of a task": found.knowledge_j,
        "the same over the horizon, for each decision": found.break_even_overhead_j,
    }
    table = _energies("What a router may spend", rows)
    most = found.break_even_overhead_j.value / float(router_energy_j(1.0))
    reads = f"largest language model that pays, reading {PROMPT_TOKENS:g} tokens"
    table.add_row(reads, f"{most:.3g} params", found.break_even_overhead_j.method)
    return table


def winners_table(found: PlanAnswer) -> Table:
    """Tabulate which model wins for which difficulty."""
    rows = [
        (f"{part.low:.4f} to {part.high:.4f}", f"{part.n_params:.3g}", name)
        for name, ranges in (("energy", found.cheapest), ("latency", found.fastest))
        for part in ranges
    ]
    heads = ("difficulty", "parameters", "least")
    return filled_table(heads, rows, "Which model wins (exact)", left=("difficulty", "least"))
