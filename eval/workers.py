"""Work shared among the processor's cores."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

Submit = Callable[..., Callable[[], Any]]
"""Takes a function and its arguments; what it returns gives the result when called."""


@contextmanager
def workers(count: int | None = None) -> Iterator[Submit]:
    """Give what submits work to so many processes, by default one a core; with 1, it is done here when asked for.

    The functions must be importable, and all that goes in or out picklable. Leaving ends the processes at once,
    whatever they are at. They end by themselves should this one be killed.
    """
    count = count or os.cpu_count() or 1
    if count == 1:
        yield partial
        return
    with multiprocessing.get_context("spawn").Pool(count, _begin) as pool:
        yield lambda function, *arguments: pool.apply_async(function, arguments).get


def _begin() -> None:
    """Leave an interruption to the parent process, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
