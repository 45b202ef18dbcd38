"""What is wrong with an object, and how to make it wrong in one place."""

import re
from typing import Any

import pytest

from ocpi_hub.protocol.codec import InvalidObject, check

_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


def problem(raw: Any, struct: type) -> str:
    with pytest.raises(InvalidObject) as refused:
        check(raw, struct)
    return str(refused.value)


def changed(raw: Any, place: str, value: Any) -> Any:
    """`raw` with another value at a place such as `tariffs[0].id`."""
    *way, last = [name or int(index) for name, index in _STEP.findall(place)]
    container = raw
    for step in way:
        container = container[step]
    container[last] = value
    return raw


def without(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in names}
