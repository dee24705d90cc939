"""The command line: `python -m eval <command> --help`."""

from eval import (
    animate,
    benchmark,
    curves,
    day,
    decision_map,
    figure_tables,
    latency,
    memory,
    plan,
    pool,
    recorded,
    regimes,
    report,
    speed,
    tune,
)
from eval.commands import Commands, run

COMMANDS: Commands = {
    "benchmark": (benchmark.BenchmarkArgs, benchmark.main),
    "figures": (figure_tables.FiguresArgs, figure_tables.main),
    "report": (report.ReportArgs, report.main),
    "plan": (plan.PlanArgs, plan.main),
    "regimes": (regimes.RegimesArgs, regimes.main),
    "latency": (latency.LatencyArgs, latency.main),
    "pool": (pool.PoolArgs, pool.main),
    "day": (day.DayArgs, day.main),
    "decision-map": (decision_map.DecisionMapArgs, decision_map.main),
    "animate": (animate.AnimateArgs, animate.main),
    "curves": (curves.CurvesArgs, curves.main),
    "speed": (speed.SpeedArgs, speed.main),
    "transfer": (recorded.TransferArgs, recorded.transfer),
    "bursts": (recorded.BurstsArgs, recorded.bursts),
    "memory": (memory.MemoryArgs, memory.main),
    "tune-threshold": (tune.TuneArgs, tune.main),
}


def main() -> None:
    """Run the command line."""
    run("python -m eval", COMMANDS, "finished parts are in the .partial folder")


if __name__ == "__main__":
    main()
