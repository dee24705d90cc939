"""The interface of a pool of models: scaling laws now, measured tables later."""

from typing import Protocol

from numpy.typing import ArrayLike

from energy_route_env.units import FloatArray


class Pool(Protocol):
    """Models to route to; action k sends a task to the k-th. To add a pool, write a class with these methods."""

    def __len__(self) -> int: ...

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Joules of a task of this true difficulty on every model, shape `difficulty.shape + (n_models,)`."""

    def expected_energy_j(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Mean joules of a task that looks this difficult, shape `observed.shape + (n_models,)`."""

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Seconds of a task of this true difficulty on every model, shape `difficulty.shape + (n_models,)`."""
