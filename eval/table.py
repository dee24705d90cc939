"""Tables of outcomes, as the command line names them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from energy_route_env.checks import InputError, require
from energy_route_env.pool.measured import TEST_SHARE, MeasuredPool
from energy_route_env.pool.outcomes import Rates, require_rates
from energy_route_env.pool.token_rates import token_rates


@dataclass(frozen=True)
class TableArgs:
    """How to read a table of outcomes."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the table of outcomes, where the file calls them otherwise. Pairs: one of question, model, correct,
    joules, output_tokens, seconds, run, prompt_length, family, and the file's name for it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of the table's models. Pairs: a model as the file calls it, and what its entry shall be called."""
    entries: tuple[str, ...] = ()
    """Entries of the table to keep; by default all. Questions that lack one of them are left out."""
    test_share: float = TEST_SHARE
    """Share of the table's questions that is for testing, by the hash of their names."""
    joules_per_token: Mapping[str, float] = field(default_factory=dict)
    """Pairs: an entry, and the joules of an output token, in place of a column of joules."""
    configurations: Path | None = None
    """ML.ENERGY's table of measured configurations, in place of joules per token."""
    configured: Mapping[str, str] = field(default_factory=dict)
    """Pairs: an entry, and its model in that table."""
    gpu: str = "H100"
    """The GPU to take from the table of configurations."""
    serving_batch: float = 64.0
    """The batch size to take from the table of configurations: answers written at once. Between two that were measured
    it is interpolated."""
    precision: str | None = None
    """The weights' precision, needed where a model was measured in several."""
    n_gpus: int | None = None
    """How many GPUs; by default as few as were measured at that batch size."""

    def check_unused(self) -> None:
        """Raise an InputError where one of these options is given: there is no table to read."""
        for option in fields(TableArgs):
            value, default = (getattr(args, option.name) for args in (self, TableArgs()))
            require(value == default, option.name, value, "left out where there is no pool")

    def read(self, file: Path) -> MeasuredPool:
        """Return the pool of a table."""
        return MeasuredPool.from_table(file, self.columns, self.names, self._rates(), self.entries, self.test_share)

    def _rates(self) -> Rates | None:
        if self.configurations is None:
            none = "empty without configurations, ML.ENERGY's table"
            require(not self.configured, "configured", dict(self.configured), none)
            return require_rates(self.joules_per_token, {}) if self.joules_per_token else None
        if self.joules_per_token:
            raise InputError("joules_per_token and configurations both say what a token takes: give one of them.")
        require(bool(self.configured), "configured", {}, "pairs of an entry and its model in the table")
        return token_rates(
            self.configurations, self.configured, self.gpu, self.serving_batch, self.precision, self.n_gpus
        )
