from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, check, dump, normalise_times, parse, read
from ocpi_hub.protocol.envelope import utcnow
from ocpi_hub.protocol.locations import EnergyMix, Location
from ocpi_hub.protocol.tokens import Token
from ocpi_hub.protocol.versions import Version

from .documents import connector, evse, location, token


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 1.50, "x", true, null]}', {"a": [1, Decimal("1.50"), "x", True, None]}),
        (b"1e12", Decimal("1E+12")),
        (b"1" * 30, int("1" * 30)),
        (b'"' + b"1" * 40 + b'"', "1" * 40),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"[" * 32 + b"]" * 32, eval("[" * 32 + "]" * 32)),
        (b'["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]', ["[" * 35]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_becomes_plain_values(body: bytes, value: Any) -> None:
    assert parse(body) == value


def test_numbers_are_never_floats() -> None:
    parsed = parse(b"[1, 1.0, 1e2]")

    assert [type(number) for number in parsed] == [int, Decimal, Decimal]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{} x",
        b'{"a": 1,}',
        b"01",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'{"a": NaN, "b": "\\u0000"}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\x00"',
        b'"a\nb"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'"\\u0000',
        '"é"'.encode("latin-1"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJSON):
        parse(body)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"a": [1, "\\u0000"]}', "$.a[1]: holds the character U+0000"),
        (b'{"a": {"b\\u0000": 1}}', "$.a: holds the character U+0000"),
        (b'["\\\\\\u0000"]', "$[0]: holds the character U+0000"),
        (b'{"a": "\\ud800"}', "$.a: holds half of a surrogate pair"),
        (b'{"a": "\\udc00x"}', "$.a: holds half of a surrogate pair"),
        (b"1" * 31, "$: number of more than 30 digits"),
        (b"[0,-" + b"1" * 31 + b" ]", "$[1]: number of more than 30 digits"),
        (b"[" + b"1" * 31 + b"]", "$[0]: number of more than 30 digits"),
        (b'{"a": 0.' + b"1" * 40 + b"}", "$.a: number of more than 30 digits"),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", "$.a: number of more than 30 digits"),
        (b"[1e13]", "$[0]: number with an exponent beyond 12"),
        (b"[1E-13]", "$[0]: number with an exponent beyond 12"),
        (b"[1e999999999999999999999]", "$[0]: number with an exponent beyond 12"),
        (b"[" * 33 + b"]" * 33, "$: nested deeper than 32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "$: nested deeper than 32"),
    ],
)
def test_json_beyond_our_limits_is_an_invalid_object(body: bytes, error: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        parse(body)

    assert str(refused.value) == error


STATUSES = "AVAILABLE, BLOCKED, CHARGING, INOPERATIVE, OUTOFORDER, PLANNED, REMOVED, RESERVED, UNKNOWN"


@pytest.mark.row("TYP-01", "TYP-02", "TYP-08", "TYP-09", "TRN-21")
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (location(name="x" * 256), "$.name: longer than 255 characters"),
        (location(name=5), "$.name: not a string, but a number; put it into quotes"),
        (location(name="a\nb"), "$.name: holds a control character"),
        (location(name="a\x85b"), "$.name: holds a control character"),
        (location(name="a\x7f"), "$.name: holds a control character"),
        (location(id=""), "$.id: empty"),
        (location(id="é"), "$.id: holds characters other than printable ASCII"),
        (location(id="LOC1\n"), "$.id: holds characters other than printable ASCII"),
        (location(country_code="N1"), "$.country_code: not a country code of two letters"),
        (location(country_code="NLD"), "$.country_code: longer than 2 characters"),
        (location(party_id="A-C"), "$.party_id: not a party id of one to three letters or digits"),
        (location(country="NL"), "$.country: not a country code of three letters"),
        (location(publish="true"), "$.publish: neither true nor false, but text; leave out the quotes"),
        (location(publish=None), "$.publish: required, so null is not allowed"),
        (location(coordinates=[]), "$.coordinates: not an object"),
        (location(evses={}), "$.evses: not a list"),
        (location(last_updated="2026-01-01"), "$.last_updated: not a timestamp such as 2026-01-01T00:00:00Z"),
        (location(last_updated=0), "$.last_updated: not a timestamp such as 2026-01-01T00:00:00Z"),
        (
            location(evses=[evse(status="available")]),
            f"$.evses[0].status: 'available' is not one of {STATUSES}",
        ),
        (location(evses=[evse(connectors=[])]), "$.evses[0].connectors: needs at least one entry"),
        (
            location(evses=[evse(connectors=[connector(max_voltage="230")])]),
            "$.evses[0].connectors[0].max_voltage: not a whole number, but text; leave out the quotes",
        ),
        (
            location(evses=[evse(connectors=[connector(max_amperage=2**31)])]),
            "$.evses[0].connectors[0].max_amperage: not between -2147483648 and 2147483647",
        ),
        (
            location(operator={"name": "ABC", "website": "abc.example"}),
            "$.operator.website: not an absolute http or https URL",
        ),
        (location(images=[None]), "$.images[0]: required, so null is not allowed"),
        ([], "$: not an object"),
        (None, "$: required, so null is not allowed"),
    ],
)
def test_an_error_names_the_place_and_the_problem(raw: Any, error: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        check(raw, Location)

    assert str(refused.value) == error


def test_a_missing_field_is_the_place() -> None:
    second = connector(id="2")
    del second["max_voltage"]

    with pytest.raises(InvalidObject) as refused:
        check(location(evses=[evse(connectors=[connector(), second])]), Location)

    assert refused.value.place == "$.evses[0].connectors[1].max_voltage"
    assert refused.value.problem == "required field is missing"


def test_long_values_and_long_choices_are_cut() -> None:
    with pytest.raises(InvalidObject) as refused:
        check(location(evses=[evse(connectors=[connector(standard="x" * 500)])]), Location)

    assert len(refused.value.problem) < 300
    assert "x" * 55 in refused.value.problem
    assert "x" * 60 not in refused.value.problem
    assert refused.value.problem.endswith(", ...")


@pytest.mark.row("TYP-06")
@pytest.mark.parametrize("amount", ["2.00", "NaN", True, [1], 1.5, Decimal("NaN"), Decimal("Infinity")])
def test_a_number_is_a_json_number(amount: Any) -> None:
    raw = {"is_green_energy": True, "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": amount}]}

    with pytest.raises(InvalidObject) as refused:
        check(raw, EnergyMix)

    quoted = ", but text; leave out the quotes" if isinstance(amount, str) else ""
    assert str(refused.value) == f"$.environ_impact[0].amount: not a number{quoted}"


@pytest.mark.row("TYP-06")
@pytest.mark.parametrize("amount", ["0.1234", "5", "1E+2", "123456789012345678901234567890"])
def test_numbers_are_decimals_and_survive(amount: str) -> None:
    body = (
        b'{"is_green_energy":true,"environ_impact":[{"category":"CARBON_DIOXIDE","amount":%s}]}'
        % amount.encode()
    )

    mix = read(body, EnergyMix)

    assert mix.environ_impact is not None
    assert type(mix.environ_impact[0].amount) is Decimal
    assert mix.environ_impact[0].amount == Decimal(amount)
    assert dump(mix) == body


def test_a_list_of_objects_can_be_checked() -> None:
    versions = check([{"version": "9.9", "url": "https://abc.example/9.9"}], list[Version])

    assert versions == [Version(version="9.9", url="https://abc.example/9.9")]


def test_dump_leaves_out_what_is_none_and_writes_times_as_ocpi_does() -> None:
    checked = check(token(last_updated="2026-01-01T02:00:00.1239+02:00"), Token)

    assert b"visual_number" not in dump(checked)
    assert dump(checked).endswith(b'"last_updated":"2026-01-01T00:00:00.123Z"}')


def test_dump_refuses_numbers_that_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="NaN"):
        dump({"a": Decimal("NaN")})


@pytest.mark.row("TYP-03")
def test_times_without_designator_are_utc() -> None:
    naive = check(token(last_updated="2026-01-01T12:00:00"), Token)
    aware = check(token(last_updated="2026-01-01T12:00:00Z"), Token)

    assert naive == aware
    assert naive.last_updated < utcnow()


@pytest.mark.row("TYP-04")
@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00"),
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.1Z"),
        ("2026-01-01T00:00:00.123", "2026-01-01T00:00:00.123"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:30:00+02:00", "2025-12-31T23:30:00Z"),
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01T00:00:00.000001", "2026-01-01T00:00:00Z"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z"),
        ("yesterday", "yesterday"),
        (None, None),
    ],
)
def test_times_are_brought_into_the_form_of_ocpi(text: Any, rewritten: Any) -> None:
    raw = location(evses=[evse(), evse(connectors=[connector(last_updated=text)])])

    changed = normalise_times(raw, Location)

    assert raw["evses"][1]["connectors"][0]["last_updated"] == rewritten
    assert changed == (text != rewritten)


def test_only_fields_that_are_times_are_rewritten() -> None:
    raw = {"name": "2026-01-01T00:00:00+00:00", "own_field": "2026-01-01T00:00:00+00:00", "evses": [7, {}]}
    before = dump(raw)

    assert not normalise_times(raw, Location)
    assert dump(raw) == before
