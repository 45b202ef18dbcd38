"""Whether what a partner holds says the same as what it was sent, however it writes it down."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, check, parse

LEAST = Decimal("0.0001")  # OCPI's numbers have four decimals (types.asciidoc: number)
SECOND = timedelta(seconds=1)  # milliseconds are optional


class Unreadable(ValueError):
    """What the partner answered is no such object; the text says where."""


def difference(wire: type[msgspec.Struct], ours: bytes, theirs: bytes) -> str:
    """The first place where they differ, empty when they say the same. Raises Unreadable.

    Numbers are compared by value, to four decimals, and times by moment, to the second. Nulls, empty lists,
    last_updated, fields that OCPI does not have and the case of texts do not count.
    """
    try:
        held = check(_only(parse(theirs)), wire)
    except MalformedJSON:
        raise Unreadable("its answer is no JSON") from None
    except InvalidObject as fault:
        raise Unreadable(f"its answer is no such object, at {fault.place}") from None
    return _differs("$", _plain(check(parse(ours), wire)), _plain(held))


def _only(raw: Any) -> Any:
    """Some answer a list of the one that was asked for."""
    return raw[0] if isinstance(raw, list) and len(raw) == 1 else raw


def _plain(wire: Any) -> Any:
    return msgspec.to_builtins(wire, builtin_types=(Decimal, datetime))


def _differs(place: str, ours: Any, theirs: Any) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _first(
            (f"{place}.{name}", ours.get(name), theirs.get(name))
            for name in [*ours, *(name for name in theirs if name not in ours)]
            if name != "last_updated"
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = zip(ours, theirs, strict=True)
        return _first((f"{place}[{index}]", *pair) for index, pair in enumerate(pairs))
    return "" if _is_same(_value(ours), _value(theirs)) else f"{place}{_told(ours, theirs)}"


def _first(places: Any) -> str:
    return next(filter(None, (_differs(*place) for place in places)), "")


def _value(value: Any) -> Any:
    if isinstance(value, list | dict) and not value:
        return None
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Decimal) and isinstance(theirs, Decimal):
        return abs(ours - theirs) < LEAST
    if isinstance(ours, datetime) and isinstance(theirs, datetime):
        return abs(ours - theirs) < SECOND
    return bool(ours == theirs)


def _told(ours: Any, theirs: Any) -> str:
    """Numbers and lengths are told; of texts only the place, for they may be a driver's."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return f" has {len(ours)} here and {len(theirs)} there"
    if isinstance(ours, Decimal) and isinstance(theirs, Decimal):
        return f" is {ours:f} here and {theirs:f} there"
    return " is missing there" if theirs is None else ""
