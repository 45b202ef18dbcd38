"""The Sender and Receiver interfaces of the simulated platforms."""

from pathlib import Path

import msgspec
import pytest

from simulator import ocpi
from simulator.cpo import CPO
from simulator.platforms import Platform
from tests.simulator.conftest import ABC, ask, code, data, make, registered
from tests.simulator.fake_hub import FakeHub

LIST = "/ocpi/2.2.1/sender/locations"
AT = "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1"
TOKEN_AT = "/ocpi/2.2.1/receiver/tokens/DE/MSP/U1"
LOCATION = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "LOC1",
    "name": "Before",
    "evses": [
        {
            "uid": "E1",
            "status": "AVAILABLE",
            "connectors": [{"id": "1", "max_voltage": 230, "last_updated": "2026-06-01T00:00:00Z"}],
            "last_updated": "2026-06-01T00:00:00Z",
        }
    ],
    "last_updated": "2026-06-01T00:00:00Z",
}


@pytest.fixture
def served(cpo: Platform) -> Platform:
    return registered(cpo)


@pytest.fixture
def receiving(emsp: Platform) -> Platform:
    return registered(emsp)


def test_a_crawl_along_the_links_gives_every_object_once_in_order(served: Platform):
    target, ids, totals = f"{LIST}?limit=7&date_from=2020-01-01T00:00:00Z", [], set()
    while target:
        answer = ask(served, "GET", target)
        ids += [location["id"] for location in data(answer)]
        totals.add((answer.headers["X-Total-Count"], answer.headers["X-Limit"]))
        link = ocpi.next_link(answer.headers.get("Link"))
        assert link is None or "date_from=2020-01-01T00%3A00%3A00Z" in link
        target = link.removeprefix("https://sim.example") if link else None

    assert ids == [f"LOC{number:05}" for number in range(1, 26)]
    assert totals == {("25", "7")}


@pytest.mark.parametrize(
    ("query", "count", "limit"),
    [
        ("", 10, "10"),
        ("?limit=1000", 10, "10"),
        ("?offset=20", 5, "10"),
        ("?offset=99", 0, "10"),
        ("?limit=3", 3, "3"),
    ],
)
def test_pages_are_no_longer_than_asked_and_allowed(served: Platform, query: str, count: int, limit: str):
    answer = ask(served, "GET", LIST + query)

    assert len(data(answer)) == count
    assert answer.headers["X-Limit"] == limit
    assert answer.headers["X-Total-Count"] == "25"


def test_dates_filter_on_last_updated_from_inclusive_to_exclusive(served: Platform):
    moment = served.own.at(0).document["last_updated"]

    since = ask(served, "GET", f"{LIST}?date_from={moment}&limit=10")
    until = ask(served, "GET", f"{LIST}?date_to={moment.removesuffix('Z')}&limit=10")

    assert int(since.headers["X-Total-Count"]) + int(until.headers["X-Total-Count"]) == 25
    assert "LOC00001" in {location["id"] for location in data(since)}


@pytest.mark.parametrize("query", ["?limit=ten", "?offset=-1", "?date_from=yesterday", "?offset=1e3"])
def test_a_wrong_parameter_is_refused(served: Platform, query: str):
    answer = ask(served, "GET", LIST + query)

    assert (answer.status, code(answer)) == (200, 2001)


def test_one_object_is_served_at_three_depths(served: Platform):
    location = served.own.at(0).document
    evse = location["evses"][0]
    path = f"{LIST}/{location['id'].lower()}"

    assert data(ask(served, "GET", path)) == location
    assert data(ask(served, "GET", f"{path}/{evse['uid']}")) == evse
    assert data(ask(served, "GET", f"{path}/{evse['uid']}/1")) == evse["connectors"][0]
    for missing in (f"{path}/nope", f"{path}/{evse['uid']}/9", f"{LIST}/nope", f"{path}/{evse['uid']}/1/x"):
        answer = ask(served, "GET", missing)
        assert (answer.status, code(answer)) == (404, 2003)


def test_answers_repeat_message_ids_and_turn_the_routing_round(served: Platform):
    routing = {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "ABC"}
    routing |= {"OCPI-from-country-code": "NL", "OCPI-from-party-id": "HUB"}

    answer = ask(served, "GET", LIST, **routing, **{"X-Request-ID": "r1", "X-Correlation-ID": "c1"})

    assert answer.headers["X-Request-ID"] == "r1"
    assert answer.headers["X-Correlation-ID"] == "c1"
    assert answer.headers["OCPI-to-party-id"] == "HUB"
    assert answer.headers["OCPI-from-party-id"] == "ABC"


def test_a_request_for_a_party_that_is_not_here_is_refused(served: Platform):
    answer = ask(served, "GET", LIST, **{"OCPI-to-country-code": "NL", "OCPI-to-party-id": "XXX"})

    assert (answer.status, code(answer)) == (200, 2001)


@pytest.mark.parametrize("header", ["", "Token", "Token nonsense", "Bearer x"])
def test_without_our_token_there_is_401_with_the_ids(served: Platform, header: str):
    answer = ask(served, "GET", LIST, **{"Authorization": header, "X-Request-ID": "r1"})

    assert (answer.status, code(answer)) == (401, 2000)
    assert answer.headers["X-Request-ID"] == "r1"


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", LIST), ("DELETE", "/ocpi/2.2.1/receiver/tokens/DE/MSP/1"), ("PUT", "/ocpi/versions")],
)
def test_a_method_that_is_not_offered_is_405_and_says_what_is(served: Platform, method: str, target: str):
    answer = ask(served, method, target)

    assert (answer.status, code(answer)) == (405, 2000)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "target", ["/", "/ocpi", "/ocpi/2.1.1", "/ocpi/2.2.1/sender/tokens", f"{AT[:31]}/NL"]
)
def test_an_unknown_path_is_404_with_an_envelope(served: Platform, target: str):
    answer = ask(served, "GET", target)

    assert (answer.status, code(answer)) == (404, 2000)


def test_put_creates_then_replaces_and_get_gives_the_same_bytes(receiving: Platform):
    raw = msgspec.json.encode({**LOCATION, "unknown": 1})

    answers = [ask(receiving, "PUT", AT, raw), ask(receiving, "PUT", AT, raw)]

    assert [answer.status for answer in answers] == [201, 200]
    assert data(answers[0]) is None
    assert raw in ask(receiving, "GET", AT).body
    assert receiving.status()["received"]["locations"] == 1
    assert receiving.status()["pushes_received"] == 2


def test_a_numbers_digits_survive_a_patch(receiving: Platform):
    ask(
        receiving,
        "PUT",
        AT,
        b'{"country_code":"NL","party_id":"ABC","id":"LOC1","x":1.50,"big":0.1000000000000000005}',
    )

    ask(receiving, "PATCH", AT, {"name": "After", "last_updated": "2026-06-02T00:00:00Z"})

    assert b'"x":1.50,"big":0.1000000000000000005' in ask(receiving, "GET", AT).body


@pytest.mark.parametrize("depth", ["/E1", "/E1/1"])
def test_patch_of_a_child_changes_the_named_fields_and_moves_last_updated_up(receiving: Platform, depth: str):
    ask(receiving, "PUT", AT, LOCATION)

    answer = ask(receiving, "PATCH", AT + depth, {"max_voltage": 400, "last_updated": "2026-06-03T00:00:00Z"})

    stored = data(ask(receiving, "GET", AT))
    assert answer.status == 200
    assert stored["last_updated"] == stored["evses"][0]["last_updated"] == "2026-06-03T00:00:00Z"
    assert stored["name"] == "Before"
    assert data(ask(receiving, "GET", AT + depth))["max_voltage"] == 400


def test_put_of_a_child_adds_or_replaces_it(receiving: Platform):
    ask(receiving, "PUT", AT, LOCATION)
    evse = {"uid": "E2", "status": "CHARGING", "connectors": [], "last_updated": "2026-06-04T00:00:00Z"}

    statuses = [ask(receiving, "PUT", f"{AT}/E2", evse).status for _ in range(2)]

    stored = data(ask(receiving, "GET", AT))
    assert statuses == [201, 200]
    assert [child["uid"] for child in stored["evses"]] == ["E1", "E2"]
    assert stored["last_updated"] == "2026-06-04T00:00:00Z"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PUT", "/E1", {"uid": "E1", "last_updated": "2026-06-04T00:00:00Z"}, (404, 2003)),
        ("PATCH", "", {"last_updated": "2026-06-04T00:00:00Z"}, (404, 2003)),
        ("PATCH", "", {"name": "x"}, (200, 2001)),
        ("PUT", "", {**LOCATION, "id": "OTHER"}, (200, 2001)),
        ("PUT", "", {**LOCATION, "party_id": "XYZ"}, (200, 2001)),
        ("PUT", "", b"{", (400, 2000)),
        ("PUT", "", b"[]", (200, 2001)),
    ],
)
def test_what_is_refused_is_not_stored(receiving: Platform, method, path, body, expected):
    answer = ask(receiving, method, AT + path, body)

    assert (answer.status, code(answer)) == expected
    assert receiving.status()["received"]["locations"] == 0
    assert receiving.status()["pushes_received"] == 0


def test_tokens_are_keyed_by_uid_and_type(served: Platform):
    token = {"country_code": "DE", "party_id": "MSP", "uid": "U1", "last_updated": "2026-06-01T00:00:00Z"}

    ask(served, "PUT", TOKEN_AT, {**token, "type": "RFID"})
    ask(served, "PUT", f"{TOKEN_AT}?type=APP_USER", {**token, "type": "APP_USER", "valid": True})
    ask(
        served, "PATCH", f"{TOKEN_AT}?type=APP_USER", {"valid": False, "last_updated": "2026-06-02T00:00:00Z"}
    )

    assert "valid" not in data(ask(served, "GET", TOKEN_AT))
    assert data(ask(served, "GET", f"{TOKEN_AT}?type=APP_USER"))["valid"] is False
    assert sorted(item.key for item in served.received.items()) == ["DE/MSP/U1/APP_USER", "DE/MSP/U1/RFID"]


def test_a_platform_of_several_parties_serves_the_one_that_is_addressed(tmp_path: Path, hub: FakeHub):
    platform = registered(make(CPO, tmp_path, hub, (ABC, ocpi.Party("DE", "XYZ")), 10))
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "XYZ"}

    assert ask(platform, "GET", LIST, **to).headers["X-Total-Count"] == "5"
    assert ask(platform, "GET", LIST).headers["X-Total-Count"] == "10"
