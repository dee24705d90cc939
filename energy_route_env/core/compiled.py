"""Compiles the loops of `batch.py` by numba, which is imported only when many environments are made."""

import hashlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from tempfile import gettempdir
from typing import Any, TypeVar

import numpy as np

from energy_route_env import decision
from energy_route_env.core import attempts, battery, queue, state, step
from energy_route_env.core.state import State, World

T = TypeVar("T")
AHEAD: Any = np.uint64(8)
"""Environments between the one that is stepped and the one whose memory is asked for."""

SCALAR_FUNCTIONS = (
    *(attempts.attempt, attempts.is_tried, attempts.all_tried),
    *(battery.usable_j, battery.supply, battery.close_slot, battery.open_slot),
    *(queue.take_off, queue.count, queue.next_slot, queue.offer, queue.skip_dispatched),
    *(step.drawn_now, step.run_on),
    *(step.begin, step.step, step.go_to_slot, step.nothing_done, step.grid_cost, step.cheapest_model, step.run_backlog),
    step.run_to_end,
    *(decision.slack_slots, decision.observe, decision.departure, decision.saturating, state.row_of),
)
"""Everything that a loop calls, except `look_ahead`."""


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
        return _mending(numba.njit(loop, cache=True, nogil=True, error_model="numpy"))
    finally:
        numba.config.CACHE_DIR = before


def _mending(machine: Any) -> Callable[..., Any]:
    """Return the compiled loop that is compiled again where its file on disk is cut short, as by a full disk."""

    def run(*arguments: Any) -> Any:
        try:
            return machine(*arguments)
        except (EOFError, UnpicklingError) as error:  # raised before the loop begins: by no loop itself
            folder = machine.stats.cache_path
            warnings.warn(f"machine code in {folder} is broken ({error}): it is compiled again.", stacklevel=2)
            machine.recompile()
            return machine(*arguments)

    return run


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
            for function in (*SCALAR_FUNCTIONS, look_ahead):
                register_jitable(forceinline=True)(function)
            _teach(numba)
            return numba
        reason = "numba is switched off (NUMBA_DISABLE_JIT)"
    warnings.warn(f"{reason}: many environments are stepped as plain Python, some hundred times slower.", stacklevel=5)
    return None


def look_ahead(x: State, world: World) -> None:
    """Ask for the memory that a later turn of the loop will read: many episodes do not fit into a processor's cache."""
    prefetch(world.energy_j, x.task)
    prefetch(world.observed_difficulty, x.task + 1)
    prefetch(world.arrived, x.slot + 1)
    prefetch(world.harvested_before_j, x.slot + 1)
    prefetch(world.task_slot, x.dispatched + 1)


# Three things that numba must be told, and that mean nothing in plain Python


def up_to(n: int) -> range:
    """Return the indices below n; unsigned in compiled code, which spares it looking for negative ones."""
    return range(n)


def borrowed(record: T) -> T:
    """Return the record itself; in compiled code, without the reference counts of its arrays.

    Keeping them takes longer than a step. They are not needed: whoever calls a loop holds on to the arrays.
    """
    return record


def prefetch(table: Any, at: int) -> None:
    """Ask for an entry's memory, to be read a little later."""


def _teach(numba: Any) -> None:
    """Tell numba how to compile these three."""
    from numba.extending import intrinsic, overload

    @intrinsic  # type: ignore[untyped-decorator]
    def without_counts(_: Any, record: Any) -> Any:
        return record(record), lambda context, builder, _, values: _uncounted(context, builder, record, values[0])

    @intrinsic  # type: ignore[untyped-decorator]
    def fetch(_: Any, table: Any, at: Any) -> Any:
        return numba.void(table, numba.intp), _fetch

    overload(up_to)(lambda n: lambda n: range(np.uint64(n)))
    overload(borrowed)(lambda record: lambda record: without_counts(record))
    overload(prefetch)(lambda table, at: lambda table, at: fetch(table, at))


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the same array, or record of arrays, with its pointers to reference counts set to null."""
    from numba import types

    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = array.meminfo.type(None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = [_uncounted(context, builder, part, builder.extract_value(value, k)) for k, part in enumerate(kind)]
        return context.make_tuple(builder, kind, parts)
    return value


def _fetch(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Prefetch `values[0][values[1]]`, to be read, into all caches."""
    from llvmlite.ir import FunctionType, IntType, VoidType

    array = context.make_array(signature.args[0])(context, builder, values[0])
    pointer, number = IntType(8).as_pointer(), IntType(32)
    offset = builder.mul(values[1], builder.extract_value(array.strides, 0))
    kind = FunctionType(VoidType(), [pointer, number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
    address = builder.gep(builder.bitcast(array.data, pointer), [offset])
    builder.call(function, [address, number(0), number(3), number(1)])
    return context.get_dummy_value()


def _cache_folder(wanted: str) -> str:
    """Return a folder of this very source: numba itself would notice a change in the loop's own file alone."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(str(decision.__file__))]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    for parent in filter(None, (wanted, str(Path(__file__).parent / "__pycache__"), gettempdir())):
        folder = Path(parent) / f"energy-route-env-{digest}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return wanted
