"""The core's loops over environments, compiled by numba; imported only when many environments are made."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeVar

from energy_route_env import decision
from energy_route_env.core import battery, queue, state, step

T = TypeVar("T")

SCALAR_FUNCTIONS = (
    *(battery.usable_j, battery.supply, battery.close_slot, battery.open_slot),
    *(queue.take_off, queue.count, queue.next_slot, queue.offer, queue.skip_dispatched),
    *(step.begin, step.step, step.cheapest_model, step.run_backlog),
    *(decision.slack_slots, decision.observe, state.row_of),
)
"""Everything that a loop calls."""


@cache
def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return the loop as machine code, kept on disk for the next time; or the loop itself where numba is not to be had.

    Divisors of the core are above 0, so numba need not check them; nothing is reordered: bits stay those of Python.
    """
    numba = _numba()
    if numba is None:
        return loop
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, _cache_folder(numba.config.CACHE_DIR)
    try:
        return numba.njit(loop, cache=True, nogil=True, error_model="numpy")  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = before


@cache
def _numba() -> Any:
    """Return numba with the core's functions made known to it, or None where it is switched off or broken."""
    try:
        import numba
        from numba.extending import register_jitable
    except ImportError as error:
        reason = f"numba cannot be imported ({error})"
    else:
        if not numba.config.DISABLE_JIT:
            for function in SCALAR_FUNCTIONS:
                register_jitable(forceinline=True)(function)
            _teach_borrowed()
            return numba
        reason = "numba is switched off (NUMBA_DISABLE_JIT)"
    warnings.warn(f"{reason}: many environments are stepped as plain Python, some hundred times slower.", stacklevel=5)
    return None


def borrowed(record: T) -> T:
    """Return the record itself; in compiled code, without the reference counts of its arrays.

    Keeping them takes longer than a step. They are not needed: whoever calls a loop holds on to the arrays.
    """
    return record


def _teach_borrowed() -> None:
    """Tell numba how to compile `borrowed`: each array's pointer to its reference count becomes null."""
    from numba.core.types import Array, BaseTuple
    from numba.extending import intrinsic, overload

    def uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, Array):
            array = context.make_array(kind)(context, builder, value)
            array.meminfo = array.meminfo.type(None)
            return array._getvalue()
        if isinstance(kind, BaseTuple):
            parts = [uncounted(context, builder, part, builder.extract_value(value, k)) for k, part in enumerate(kind)]
            return context.make_tuple(builder, kind, parts)
        return value

    @intrinsic  # type: ignore[untyped-decorator]
    def without_counts(_: Any, record: Any) -> Any:
        return record(record), lambda context, builder, _, values: uncounted(context, builder, record, values[0])

    overload(borrowed)(lambda record: lambda record: without_counts(record))


def _cache_folder(wanted: str) -> str:
    """Return a folder of this very source: numba itself would notice a change in the loop's own file alone."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(decision.__file__)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    for parent in filter(None, (wanted, Path(__file__).parent / "__pycache__", gettempdir())):
        folder = Path(parent) / f"energy-route-env-{digest}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return wanted
