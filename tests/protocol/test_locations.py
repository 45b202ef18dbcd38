from typing import Any

import pytest

from ocpi_hub.protocol.codec import check
from ocpi_hub.protocol.locations import (
    EVSE,
    Connector,
    EnergyMix,
    GeoLocation,
    Hours,
    Location,
    PublishTokenType,
)

from .documents import connector, evse, location
from .refusals import problem

WEEKDAY = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}
ASCII_IDS = ["LOC1", "#NA", "a b", "~", "x" * 36]


@pytest.mark.row("TYP-09")
def test_the_smallest_location_is_accepted() -> None:
    checked = check(location(), Location)

    assert (checked.country_code, checked.party_id, checked.id) == ("NL", "ABC", "LOC1")
    assert checked.evses is None


@pytest.mark.parametrize("name", ASCII_IDS)
def test_ids_are_any_printable_ascii(name: str) -> None:
    assert check(location(id=name), Location).id == name


@pytest.mark.row("TYP-02")
@pytest.mark.parametrize("name", ["Malmö", "", "東京", "a\u2028b", "🔌"])
def test_names_are_any_printable_text(name: str) -> None:
    assert check(location(name=name), Location).name == name


@pytest.mark.parametrize(
    ("field", "length"),
    [("name", 255), ("address", 255), ("city", 45), ("postal_code", 10), ("state", 45), ("id", 36)],
)
def test_lengths_of_a_location(field: str, length: int) -> None:
    check(location(**{field: "x" * length}), Location)

    assert problem(location(**{field: "x" * (length + 1)}), Location) == (
        f"$.{field}: longer than {length} characters"
    )


@pytest.mark.row("LOC-14")
def test_a_published_location_has_no_list_of_tokens() -> None:
    tokens = [{"group_id": "G1"}]

    check(location(publish=False, publish_allowed_to=tokens), Location)
    check(location(publish=True, publish_allowed_to=[]), Location)
    assert problem(location(publish=True, publish_allowed_to=tokens), Location) == (
        "$.publish_allowed_to: only allowed when publish is false"
    )


@pytest.mark.row("LOC-15")
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ({}, "$.uid: one of uid, visual_number and group_id is needed"),
        ({"issuer": "MSP", "type": "RFID"}, "$.uid: one of uid, visual_number and group_id is needed"),
        ({"uid": "04A1"}, "$.type: needed with uid"),
        ({"visual_number": "DE-1"}, "$.issuer: needed with visual_number"),
    ],
)
def test_a_publish_token_that_names_no_token_is_refused(raw: Any, error: str) -> None:
    assert problem(raw, PublishTokenType) == error


@pytest.mark.row("LOC-15")
@pytest.mark.parametrize(
    "raw", [{"uid": "04A1", "type": "RFID"}, {"visual_number": "DE-1", "issuer": "MSP"}, {"group_id": "G1"}]
)
def test_a_publish_token_names_a_token(raw: Any) -> None:
    check(raw, PublishTokenType)


@pytest.mark.row("LOC-17")
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ({}, "$.twentyfourseven: required field is missing"),
        ({"twentyfourseven": False}, "$.regular_hours: needed when twentyfourseven is false"),
        (
            {"twentyfourseven": False, "regular_hours": []},
            "$.regular_hours: needed when twentyfourseven is false",
        ),
        (
            {"twentyfourseven": True, "regular_hours": [WEEKDAY]},
            "$.regular_hours: only allowed when twentyfourseven is false",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [{**WEEKDAY, "weekday": 0}]},
            "$.regular_hours[0].weekday: not between 1 and 7",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [WEEKDAY, {**WEEKDAY, "weekday": 8}]},
            "$.regular_hours[1].weekday: not between 1 and 7",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [{**WEEKDAY, "period_begin": "8:00"}]},
            "$.regular_hours[0].period_begin: not a time of day as HH:MM",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [{**WEEKDAY, "period_end": "24:00"}]},
            "$.regular_hours[0].period_end: not a time of day as HH:MM",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [{**WEEKDAY, "period_end": "08:00"}]},
            "$.regular_hours[0].period_end: not later than period_begin",
        ),
    ],
)
def test_opening_hours_that_contradict_themselves_are_refused(raw: Any, error: str) -> None:
    assert problem(raw, Hours) == error


@pytest.mark.row("LOC-17")
@pytest.mark.parametrize(
    "raw",
    [
        {"twentyfourseven": True},
        {"twentyfourseven": True, "regular_hours": None},
        {"twentyfourseven": True, "regular_hours": []},
        {"twentyfourseven": False, "regular_hours": [WEEKDAY, WEEKDAY]},
    ],
)
def test_opening_hours(raw: Any) -> None:
    check(raw, Hours)


@pytest.mark.row("LOC-18")
@pytest.mark.parametrize(
    ("latitude", "longitude", "good"),
    [
        ("52.08944", "5.11027", True),
        ("-52.089444", "-175.110278", True),
        ("2.0894441", "105.1102781", True),
        ("52.0894", "5.11027", False),
        ("52.08944", "5.1102", False),
        ("52.08944411", "5.11027", False),
        ("52,08944", "5.11027", False),
        ("152.08944", "5.11027", False),
        ("52.08944", "1005.11027", False),
        ("+52.08944", "5.11027", False),
        (52.08944, 5.11027, False),
        ("52.08944\n", "5.11027", False),
    ],
)
def test_coordinates_are_strings_of_five_to_seven_decimals(latitude: Any, longitude: Any, good: bool) -> None:
    raw = {"latitude": latitude, "longitude": longitude}

    if good:
        assert check(raw, GeoLocation).latitude == latitude
    else:
        assert problem(raw, GeoLocation).startswith(("$.latitude: ", "$.longitude: "))


@pytest.mark.row("LOC-19")
@pytest.mark.parametrize(
    "name", ["CET+1", "", "europe/amsterdam", "W. Europe Standard Time", "../Europe/Paris"]
)
def test_a_time_zone_is_a_name_of_iana(name: str) -> None:
    error = problem(location(time_zone=name), Location)

    assert error == "$.time_zone: not a time zone name of IANA, such as Europe/Amsterdam"


@pytest.mark.row("LOC-19")
def test_a_time_zone_is_required() -> None:
    raw = location()
    del raw["time_zone"]

    assert problem(raw, Location) == "$.time_zone: required field is missing"


@pytest.mark.row("LOC-16")
def test_connector_ids_are_unique_inside_their_evse_only() -> None:
    check(location(evses=[evse(uid="E1"), evse(uid="E2")]), Location)

    twice = evse(connectors=[connector(id="a"), connector(id="b"), connector(id="A")])
    assert problem(twice, EVSE) == "$.connectors[2].id: used by another connector of this EVSE"


def test_evse_uids_are_unique_inside_their_location() -> None:
    twice = location(evses=[evse(uid="e1"), evse(uid="E1")])

    assert problem(twice, Location) == "$.evses[1].uid: used by another EVSE of this Location"


@pytest.mark.parametrize(
    "url", ["https://abc.example", "HTTP://abc.example:80/a?b=c#d", "http://192.0.2.1/é", "https://[::1]/"]
)
def test_a_url_is_absolute(url: str) -> None:
    assert check(connector(terms_and_conditions=url), Connector).terms_and_conditions == url


@pytest.mark.parametrize(
    "url",
    ["", "abc.example", "/a", "ftp://abc.example", "https://", "https:///a", "https://a b", "https://a\n"],
)
def test_other_urls_are_refused(url: str) -> None:
    error = problem(connector(terms_and_conditions=url), Connector)

    assert error == "$.terms_and_conditions: not an absolute http or https URL"


@pytest.mark.parametrize("share", [-1, 101])
def test_a_share_of_energy_is_between_0_and_100(share: int) -> None:
    raw = {"is_green_energy": True, "energy_sources": [{"source": "WIND", "percentage": share}]}

    assert problem(raw, EnergyMix) == "$.energy_sources[0].percentage: not between 0 and 100"


def test_zero_amperes_are_odd_but_accepted() -> None:
    assert check(connector(max_amperage=0), Connector).max_amperage == 0
