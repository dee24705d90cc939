"""How bad input is refused, everywhere: an `InputError` with the field, its value and what is allowed."""

import difflib
import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np


class InputError(ValueError):
    """What a user gave is not valid. Commands show its message alone; every other error shows its traceback."""


class MissingExtra(ImportError):
    """A package of an optional extra is not installed. The message says what to install."""


def require(ok: bool, field: str, value: Any, allowed: str) -> None:
    """Raise an InputError naming field, value and what is allowed, unless `ok`."""
    if not ok:
        raise InputError(f"{field} is {value!r}, but it must be {allowed}.")


def require_real(
    field: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> None:
    """Require a finite number in [low, high], or in (low, high] with `above`; an infinite `high` stays excluded."""
    bounds = [f"above {low}" if above else f"at least {low}"] * math.isfinite(low)
    bounds += [f"at most {high}"] * math.isfinite(high)
    allowed = " ".join(["a finite number", " and ".join(bounds)]).strip()
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) and math.isfinite(value)
    require(number and (low < value if above else low <= value) and value <= high, field, value, allowed)


MOST = 10**9
"""The largest count: more tasks or slots than any memory holds."""


def require_whole(field: str, value: Any, low: int) -> None:
    """Require an integer of at least `low`."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    require(whole and value >= low, field, value, f"a whole number, {low} or more")
    require(int(value) <= MOST, field, value, f"a whole number, at most {MOST}")


def require_sequence(field: str, value: Any, allowed: str) -> tuple[Any, ...]:
    """Return a non-empty tuple; reject strings."""
    try:
        items = () if isinstance(value, str) else tuple(value)
    except TypeError:
        items = ()
    require(len(items) > 0, field, value, allowed)
    return items


def require_array(field: str, value: np.ndarray, ok: np.ndarray, allowed: str) -> None:
    """Require `ok` everywhere; the message shows the first entry that fails."""
    if not ok.all():
        at = np.argwhere(~ok)[0].tolist()
        raise InputError(f"{field}{at} is {value[tuple(at)].item()!r}, but it must be {allowed}.")


def require_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Require every name to be known; the message gives the nearest valid one."""
    for name in names:
        if not isinstance(name, str) or name not in known:
            near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.0)
            raise InputError(
                f"{kind} {name!r} is unknown; the nearest valid one is {near[0]!r}. Valid: {', '.join(sorted(known))}."
            )
