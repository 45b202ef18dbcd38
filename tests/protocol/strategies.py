"""Valid objects of the wire for hypothesis, read from the Structs.

They are what `codec.parse` gives: dicts with timestamps as text.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Literal

from hypothesis import strategies as st
from msgspec import NODEFAULT, inspect

from ocpi_hub.protocol import cdrs, charging_profiles, commands, credentials, locations, tariffs, types
from ocpi_hub.protocol.shapes import present
from ocpi_hub.protocol.times import format_time

Raw = dict[str, Any]
Extent = Literal["any fields", "required fields", "every field"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: format_time(_EPOCH + timedelta(milliseconds=ms)))
_NUMBERS = st.one_of(
    st.integers(-1_000_000, 1_000_000),
    st.decimals(-1_000_000, 1_000_000, places=4, allow_nan=False, allow_infinity=False),
)
_PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
_ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


@cache
def valid(struct: type, extent: Extent = "any fields") -> st.SearchStrategy[Raw]:
    return _value(inspect.type_info(struct), extent)


def _value(node: inspect.Type, extent: Extent) -> st.SearchStrategy[Any]:
    node = present(node)
    match node:
        case inspect.StructType():
            return _object(node, extent)
        case inspect.ListType():
            return _list(node, extent)
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


def _object(node: inspect.StructType, extent: Extent) -> st.SearchStrategy[Raw]:
    own = _FIELDS.get(node.cls, {})
    required, optional = {}, {}
    for field in node.fields:
        strategy = own[field.name] if field.name in own else _value(field.type, extent)
        is_required = field.default is NODEFAULT or extent == "every field"
        (required if is_required else optional)[field.encode_name] = strategy
    if extent == "required fields":
        optional = {}
    return st.fixed_dictionaries(required, optional=optional).map(_RULES.get(node.cls, lambda raw: raw))


def _list(node: inspect.ListType, extent: Extent) -> st.SearchStrategy[list[Any]]:
    if extent == "every field":
        return st.lists(_value(node.item_type, extent), min_size=1, max_size=1)
    least = node.min_length or 0
    return st.lists(_value(node.item_type, extent), min_size=least, max_size=least + 1)


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
    types._CURRENCY: st.sampled_from(["EUR", "sek"]),
    types._CLOCK: st.times().map("{:%H:%M}".format),
    types._DATE: st.dates(date(1000, 1, 1), date(2999, 12, 31)).map(date.isoformat),
    types._CREDENTIALS_TOKEN: st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64
    ),
}


# What the types of single fields do not say.


def _clock(first_hour: int) -> st.SearchStrategy[str]:
    return st.integers(0, 12 * 60 - 1).map(lambda m: f"{first_hour + m // 60:02}:{m % 60:02}")


_TENTHS = st.one_of(st.integers(-1_000_000, 1_000_000), st.decimals(-1_000_000, 1_000_000, places=1))
_FIELDS: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    locations.Location: {"time_zone": st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "Etc/UTC"])},
    locations.RegularHours: {"period_begin": _clock(0), "period_end": _clock(12)},
    locations.EnergySource: {"percentage": st.decimals(0, 100, places=2)},
    charging_profiles.ChargingProfile: {"min_charging_rate": _TENTHS},
    charging_profiles.ChargingProfilePeriod: {"limit": _TENTHS},
}


def _location(raw: Raw) -> Raw:
    if raw.get("publish_allowed_to"):
        raw["publish"] = False
    return _distinct(raw, "evses", "uid")


def _distinct(raw: Raw, children: str, key: str) -> Raw:
    for index, child in enumerate(raw.get(children, ())):
        child[key] = f"{index}{child[key]}"[:36]
    return raw


def _hours(raw: Raw) -> Raw:
    if raw.get("regular_hours"):
        raw["twentyfourseven"] = False
    elif not raw["twentyfourseven"]:
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


def _dimension(raw: Raw) -> Raw:
    if raw["type"] == "STATE_OF_CHARGE":
        raw["volume"] = abs(raw["volume"]) % 100
    return raw


def _cdr(raw: Raw) -> Raw:
    if "credit_reference_id" in raw:
        raw["credit"] = True
    if raw.get("credit"):
        raw.setdefault("credit_reference_id", "CDR1")
        raw["total_cost"] = {name: -abs(amount) for name, amount in raw["total_cost"].items()}
    else:
        raw["id"] = raw["id"][: cdrs.LONGEST_ID]
    return raw


def _tariff_element(raw: Raw) -> Raw:
    if "reservation" in raw.get("restrictions", {}):
        for component in raw["price_components"]:
            component["type"] = "TIME"
    return raw


def _start_session(raw: Raw) -> Raw:
    if "connector_id" in raw:
        raw.setdefault("evse_uid", "EVSE1")
    return raw


_RULES: dict[type, Callable[[Raw], Raw]] = {
    locations.Location: _location,
    locations.EVSE: lambda raw: _distinct(raw, "connectors", "id"),
    locations.Hours: _hours,
    locations.PublishTokenType: _publish_token,
    credentials.Credentials: _credentials,
    cdrs.CdrDimension: _dimension,
    cdrs.CDR: _cdr,
    tariffs.TariffElement: _tariff_element,
    commands.StartSession: _start_session,
}
