"""What came in against what went out: two JSON documents, compared by their values and not by how they are written."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Line(NamedTuple):
    """One line of a document written out; a marked one is otherwise on the other side."""

    text: str
    marked: bool = False


class Difference(NamedTuple):
    """A place such as $.evses[0].status, and its two values as JSON; None: it is not there."""

    place: str
    came: str | None
    went: str | None


def parsed(body: str) -> Any:
    """The document, or None when it is none."""
    try:
        return _DECODER.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError):
        return None


def differences(came: Any, went: Any, place: str = "$") -> Iterator[Difference]:
    """Each place where the two are not the same; numbers compare by value, so 1 is 1.0."""
    if isinstance(came, dict) and isinstance(went, dict):
        for name in dict.fromkeys([*came, *went]):
            yield from _below(came, went, name, f"{place}.{name}")
    elif isinstance(came, list) and isinstance(went, list):
        for number in range(max(len(came), len(went))):
            yield from _below(dict(enumerate(came)), dict(enumerate(went)), number, f"{place}[{number}]")
    elif came != went or isinstance(came, bool) != isinstance(went, bool):
        yield Difference(place, written(came), written(went))


def _below(came: dict[Any, Any], went: dict[Any, Any], name: Any, place: str) -> Iterator[Difference]:
    if name in came and name in went:
        yield from differences(came[name], went[name], place)
    elif name in came:
        yield Difference(place, written(came[name]), None)
    else:
        yield Difference(place, None, written(went[name]))


def written(value: Any) -> str:
    return _ENCODER.encode(value).decode()


class Place(NamedTuple):
    """Where in the document a value stands, and what stands around it in its lines."""

    name: str = "$"
    indent: str = ""
    head: str = ""
    tail: str = ""


TOP = Place()


def lines(value: Any, marked: AbstractSet[str] = frozenset(), at: Place = TOP) -> Iterator[Line]:
    """The document, a value a line; marked are the places of differences and all below them."""
    mark = at.name in marked
    if isinstance(value, dict) and value:
        items = [(f"{at.name}.{name}", f"{written(name)}: ", one) for name, one in value.items()]
        yield from _block(items, "{}", marked, at)
    elif isinstance(value, list) and value:
        items = [(f"{at.name}[{number}]", "", one) for number, one in enumerate(value)]
        yield from _block(items, "[]", marked, at)
    else:
        yield Line(f"{at.indent}{at.head}{written(value)}{at.tail}", mark)


def _block(
    items: list[tuple[str, str, Any]], brackets: str, marked: AbstractSet[str], at: Place
) -> Iterator[Line]:
    mark = at.name in marked
    below = marked | {name for name, _, _ in items} if mark else marked
    yield Line(f"{at.indent}{at.head}{brackets[0]}", mark)
    for number, (name, head, value) in enumerate(items, 1):
        comma = "," if number < len(items) else ""
        yield from lines(value, below, Place(name, at.indent + "  ", head, comma))
    yield Line(f"{at.indent}{brackets[1]}{at.tail}", mark)
