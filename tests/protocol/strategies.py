"""Objects of the wire for hypothesis, read from the Structs: valid ones, and ones with a single fault.

Both are what `codec.parse` gives: dicts with timestamps as text.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec import NODEFAULT, inspect

from ocpi_hub.protocol import credentials, locations, types
from ocpi_hub.protocol.shapes import present
from ocpi_hub.protocol.times import format_time

Raw = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: format_time(_EPOCH + timedelta(milliseconds=ms)))
_NUMBERS = st.one_of(
    st.integers(-1_000_000, 1_000_000),
    st.decimals(-1_000_000, 1_000_000, places=4, allow_nan=False, allow_infinity=False),
)
_PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
_ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


@cache
def valid(struct: type) -> st.SearchStrategy[Raw]:
    return _value(inspect.type_info(struct))


def _value(node: inspect.Type) -> st.SearchStrategy[Any]:
    node = present(node)
    match node:
        case inspect.StructType():
            return _object(node)
        case inspect.ListType():
            least = node.min_length or 0
            return st.lists(_value(node.item_type), min_size=least, max_size=least + 1)
        case inspect.LiteralType():
            return st.sampled_from(node.values)
        case inspect.StrType():
            return _text(node)
        case inspect.IntType():
            return st.integers(node.ge, node.le)
        case inspect.BoolType():
            return st.booleans()
        case inspect.DecimalType():
            return _NUMBERS
        case inspect.DateTimeType():
            return _MOMENTS
    raise NotImplementedError(node)


def _object(node: inspect.StructType) -> st.SearchStrategy[Raw]:
    own = _FIELDS.get(node.cls, {})
    strategies = {
        field.encode_name: own[field.name] if field.name in own else _value(field.type)
        for field in node.fields
    }
    required = {field.encode_name for field in node.fields if field.default is NODEFAULT}
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in strategies.items() if name in required},
        optional={name: strategy for name, strategy in strategies.items() if name not in required},
    ).map(_RULES.get(node.cls, lambda raw: raw))


def _text(node: inspect.StrType) -> st.SearchStrategy[str]:
    pattern, least, most = node.pattern or "", node.min_length or 0, node.max_length or 0
    if pattern in _FORMS:
        return _FORMS[pattern]
    alphabet = _ASCII if pattern == types._ASCII else _PRINTABLE
    longest = st.just("x" * most)
    return st.one_of(st.text(alphabet, min_size=least, max_size=min(most, 8)), longest)


def _decimal(whole: int) -> st.SearchStrategy[str]:
    return st.tuples(st.integers(-whole, whole), st.integers(0, 99_999)).map(lambda n: f"{n[0]}.{n[1]:05}")


_FORMS: dict[str, st.SearchStrategy[str]] = {
    types._URL: st.text("abcXYZ019-_~/%?=&.", max_size=9).map("https://example.com/".__add__),
    types._LATITUDE: _decimal(90),
    types._LONGITUDE: _decimal(180),
    types._COUNTRY: st.sampled_from(["NL", "nl", "DE"]),
    types._COUNTRY_ALPHA_3: st.sampled_from(["NLD", "DEU"]),
    types._PARTY: st.sampled_from(["ABC", "msp", "4", "X1"]),
    types._CREDENTIALS_TOKEN: st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64
    ),
}


# What the types of single fields do not say.


def _clock(first_hour: int) -> st.SearchStrategy[str]:
    return st.integers(0, 12 * 60 - 1).map(lambda m: f"{first_hour + m // 60:02}:{m % 60:02}")


_FIELDS: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    locations.Location: {"time_zone": st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "Etc/UTC"])},
    locations.RegularHours: {"period_begin": _clock(0), "period_end": _clock(12)},
    locations.EnergySource: {"percentage": st.decimals(0, 100, places=2)},
}


def _location(raw: Raw) -> Raw:
    if raw["publish"]:
        raw.pop("publish_allowed_to", None)
    return _distinct(raw, "evses", "uid")


def _distinct(raw: Raw, children: str, key: str) -> Raw:
    for index, child in enumerate(raw.get(children, ())):
        child[key] = f"{index}{child[key]}"[:36]
    return raw


def _hours(raw: Raw) -> Raw:
    raw.pop("regular_hours", None)
    if not raw["twentyfourseven"]:
        raw["regular_hours"] = [{"weekday": 7, "period_begin": "08:00", "period_end": "20:00"}]
    return raw


def _publish_token(raw: Raw) -> Raw:
    if not {"uid", "visual_number", "group_id"} & {name for name, value in raw.items() if value}:
        raw["group_id"] = "G1"
    if raw.get("uid"):
        raw.setdefault("type", "RFID")
    if raw.get("visual_number"):
        raw["issuer"] = raw.get("issuer") or "Issuer"
    return raw


def _credentials(raw: Raw) -> Raw:
    triples = {
        (role["role"], role["country_code"].upper(), role["party_id"].upper()): role for role in raw["roles"]
    }
    return {**raw, "roles": list(triples.values())}


_RULES: dict[type, Callable[[Raw], Raw]] = {
    locations.Location: _location,
    locations.EVSE: lambda raw: _distinct(raw, "connectors", "id"),
    locations.Hours: _hours,
    locations.PublishTokenType: _publish_token,
    credentials.Credentials: _credentials,
}


class Fault(NamedTuple):
    """Put `value` at `steps`, or take away what is there. `place` is what the error has to name."""

    place: str
    steps: tuple[str | int, ...]
    value: Any


_GONE = object()


@st.composite
def mutants(draw: st.DrawFn, struct: type) -> tuple[Raw, str]:
    """An object with one fault, and the place of the fault."""
    raw = deepcopy(draw(valid(struct)))
    faults = sorted(_faults(inspect.type_info(struct), raw, "$", ()), key=lambda fault: fault.place)
    fault = draw(st.sampled_from(faults))
    *way, last = fault.steps
    container: Any = raw
    for step in way:
        container = container[step]
    if fault.value is _GONE:
        del container[last]
    else:
        container[last] = fault.value
    return raw, fault.place


def _faults(node: inspect.Type, value: Any, place: str, steps: tuple[str | int, ...]) -> Iterator[Fault]:
    node = present(node)
    if steps:
        yield from (Fault(place, steps, wrong) for wrong in _wrong(node))
    if isinstance(node, inspect.ListType):
        for index, item in enumerate(value):
            yield from _faults(node.item_type, item, f"{place}[{index}]", (*steps, index))
    if not isinstance(node, inspect.StructType):
        return
    for field in node.fields:
        name = field.encode_name
        inner, way = f"{place}.{name}", (*steps, name)
        if field.default is NODEFAULT:
            yield Fault(inner, way, _GONE)
            yield Fault(inner, way, None)
        if name in value:
            yield from _faults(field.type, value[name], inner, way)


def _wrong(node: inspect.Type) -> list[Any]:
    match node:
        case inspect.StructType():
            return [[], "text"]
        case inspect.ListType():
            return [{}, "text", []] if node.min_length else [{}, "text"]
        case inspect.LiteralType():
            return ["nonsense", str(node.values[0]).swapcase() + " ", 7]
        case inspect.StrType():
            return ["x" * ((node.max_length or 0) + 1), "line\nfeed", 7, True]
        case inspect.IntType():
            return ["7", True, (node.le or 0) + 1]
        case inspect.BoolType():
            return ["true", 0]
        case inspect.DecimalType():
            return ["1.5", True]
        case inspect.DateTimeType():
            return ["2026-01-01", "2026-01-01 00:00:00Z", 7]
    raise NotImplementedError(node)
