"""How bad input is refused: in a sentence that names the field, shows the value and says what is allowed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

AT_LEAST_0 = "a finite number at least 0"
ABOVE_0 = "a finite number above 0"
SHARE = "a finite number above 0.0 and at most 1.0"
COUNT_FROM_0, COUNT_FROM_1 = "a whole number, 0 or more", "a whole number, 1 or more"


@contextmanager
def refused(field: str, value: str, allowed: str) -> Iterator[pytest.ExceptionInfo[ValueError]]:
    """One line, a whole sentence, field and value in its first half and what is allowed in its second."""
    with pytest.raises(ValueError) as caught:
        yield caught
    message = str(caught.value)
    found, *told = re.split(r", but it must | is unknown; the ", message, maxsplit=1)
    named = re.search(rf"(?<![a-z_]){re.escape(field)}(?![a-z_])", found)
    assert named, message
    assert value in found[named.end() :], message
    assert told and allowed in told[0], message
    assert "\n" not in message
    assert message.endswith(".")


def nearest_one(name: str | None) -> str:
    """What an unknown name is told: the nearest valid one, or any if None."""
    return f"nearest valid one is {name!r}" if name else "nearest"
