# ruff: noqa: RUF001  (Greek letters are the theory's own names)
"""All figures of the report, with their titles, captions and alternative texts."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from eval import figures


@dataclass(frozen=True)
class Picture:
    """A figure of the report."""

    plot: Callable[..., Figure]
    tables: tuple[str, ...]
    """Names of the tables that `plot` takes, in order."""
    title: str
    caption: str
    """What is shown and how its numbers were made."""
    alt: str
    """The picture in words, for readers who cannot see it."""


PICTURES = {
    "dispatchers": Picture(
        figures.dispatchers_figure,
        ("summary",),
        "Every dispatcher beside the myopic one",
        "Auxiliary energy minus the myopic dispatcher's on the same traces, in percent of the latter; left is better. "
        "Bars are 95 % intervals of the paired difference. The scale is linear within 1 % and logarithmic beyond.",
        "Dot plot with one panel for each scenario and one row for each dispatcher: paired difference in auxiliary "
        "energy to the myopic dispatcher in percent, with intervals, at each renewable ratio. The tables hold the "
        "same numbers.",
    ),
    "universal": Picture(
        figures.universal_figure,
        ("universal", "universal_theory"),
        "One curve for all regimes",
        "Mean auxiliary energy in units of σ√T, from the oracle in `paper` at nine renewable ratios, read at three "
        "horizons of the same episodes (95 % intervals). Drift alone misses what fluctuations cost, most at ν = 0. "
        "Where D_T is a few slots' worth, sums over slots peak lower than a Brownian motion.",
        "Scaled mean auxiliary energy against scaled drift. Simulated points follow the Brownian curve, which rises "
        "from near 0 in surplus through 0.80 at zero drift towards the diagonal in deficit. Below, the excess over "
        "drift alone peaks at zero drift.",
    ),
    "spread": Picture(
        figures.spread_figure,
        ("universal", "universal_theory"),
        "How far episodes differ",
        "Standard deviation of D_T over its mean, from the same episodes; intervals by the delta method. At zero drift "
        "Brownian theory says √(π/2 − 1) ≈ 0.756 at every horizon. Deep in surplus D_T is only a few slots' worth, and "
        "spreads more than a Brownian motion's.",
        "Relative spread of the auxiliary energy against scaled drift: in theory 1 in surplus, 0.756 at zero drift, "
        "falling towards 0 in deficit; simulated points lie above it in surplus.",
    ),
    "costs": Picture(
        figures.cost_figure,
        ("costs", "crossings"),
        "What a task costs",
        "Joules and seconds of a task by the scaling laws with the published parameters, and where the two models "
        "cross (roots of the closed form). Left of both crossings the large model wins on both axes, right of both the "
        "small one.",
        "Energy and latency per task against difficulty for models of 1e9 and 1e10 parameters. All curves fall as "
        "tasks get easier; energy crosses at difficulty 1.73864, latency at 1.82968.",
    ),
    "growth": Picture(
        figures.growth_figure,
        ("growth", "regimes"),
        "Errors turn the square root linear",
        "E[D_t] at ratio 1 with routing errors: means and standard errors of independent trials of the slot sums, the "
        "exact expectation and the Brownian one. T* = 2σ²/(πν²) is where drift should outweigh the square root; the "
        "star is where a fit to the drawn curve finds the change.",
        "Mean auxiliary energy against time on two logarithmic axes, one curve for each error rate. Without errors it "
        "grows as the square root; the larger the error rate, the earlier the curve bends to slope one.",
    ),
    "error_cost": Picture(
        figures.error_cost_figure,
        ("error_cost", "error_cost_measured"),
        "What an error costs",
        "Auxiliary energy that errors add at ratio 1: exact differences (lines) and paired differences on common "
        "traces (points, 95 % intervals). In the long run all of the added demand νT comes from the grid; before T* "
        "the battery bears about half of it.",
        "Above, auxiliary energy added by three error rates against the horizon, on logarithmic axes. Below, its share "
        "of the added demand: starting above one half and rising towards one, sooner for higher error rates.",
    ),
    "variance_gain": Picture(
        figures.variance_figure,
        ("variance_gain",),
        "What variance-awareness buys",
        "Two models in critical `paper` with one uncertain difficulty. Level and noise are solved for, so that the "
        "small model's mean is lower by the drift gap and its energy more variable by the volatility gap. Percent of "
        "the myopic dispatcher's auxiliary energy that the variance-aware one saves on the same traces of 100 slots, "
        "with 95 % half widths.",
        "Grid of savings over drift gap and volatility gap: each square is labelled with the percentage saved and its "
        "half width. Savings are larger for large volatility gaps and small drift gaps.",
    ),
    "day": Picture(
        figures.solar_day_figure,
        ("day",),
        "Three days of sun",
        "One episode of `solar` at ratio 1, slot by slot, under three dispatchers on the same trace: sun and demand, "
        "battery (dotted: capacity), tasks waiting, and energy from the grid so far. The demand of the last slot, in "
        "which the backlog runs at once, may exceed the axis.",
        "Four panels over three days for each dispatcher: sun and demand, battery, backlog and cumulated grid energy. "
        "Dispatchers that defer build a backlog at night and clear it in the sun.",
    ),
    "decision_map": Picture(
        figures.decision_figure,
        ("decision_map",),
        "Which model is chosen",
        "The model chosen in `uncertain` halfway through an episode for a single task, with a mean harvest not "
        "yet used, over battery and observed difficulty. Model 0 is the small one. Myopic takes the lowest expected "
        "energy; variance-aware also counts what variance costs, by the Brownian value function; optimal does so "
        "exactly, by dynamic programming.",
        "One map for each dispatcher over battery and observed difficulty, coloured by the chosen model: hard tasks go "
        "to the large model, easy ones to the small one.",
    ),
    "router_cost": Picture(
        figures.router_figure,
        ("router_cost", "router_rivals", "router_measured"),
        "How much a router may spend",
        "E[D_T] in `uncertain` at ratio 1 of a dispatcher that knows every difficulty and takes an overhead for each "
        "decision, beside rules that take none (fixed-1 is always the large model): exactly, and simulated on common "
        "traces with 95 % intervals. Diamonds mark the break-even. The upper axis is the language model that takes so "
        "much to read 500 tokens.",
        "Mean auxiliary energy against a router's overhead, a rising curve that crosses three horizontal lines: the "
        "myopic, the scaling-law and the always-large rule. Each crossing is labelled with its joules.",
    ),
    "stopping": Picture(
        figures.stopping_figure,
        ("stopping", "stopping_measured"),
        "What oracle stopping hides",
        "E[D_T] in `paper` by when a model stops: at its budget, once it has succeeded (tokens of an attempt vary from "
        "task to task by d), or at 1.5 times its budget. Above on the harvest that balances the budgets' demand, below "
        "on one that balances the stopping's own. Lines are exact; points are simulated, with 95 % intervals.",
        "Two panels of mean auxiliary energy over slots, on logarithmic axes. Above, stopping late grows linearly, the "
        "budget like a square root, and stopping on success levels off. Below, all four grow like a square root.",
    ),
    "decision_map_volatile": Picture(
        figures.decision_figure,
        ("decision_map_volatile",),
        "Where the optimum pays for steadiness",
        "The same in `volatile`, where the small model is cheaper on average from 1.922 up and far more variable. "
        "Between that line and the border of its map, the optimum takes the dearer, steadier large model. It does so "
        "wherever the battery holds enough to lose. With an almost empty one every joule comes from the grid anyway, "
        "and only the mean counts. The easier the task, the more steadiness costs and the fuller the battery must be; "
        "with fewer slots left less is enough.",
        "One map for each dispatcher over battery and observed difficulty. The optimal and the variance-aware one give "
        "the small model only a wedge of easy tasks at low batteries; the myopic one gives it all but the hardest.",
    ),
}
"""All figures by name, in the order of the report."""
