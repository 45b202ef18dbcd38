"""What a hop is about, out of its path and bodies (ocpi_hub/journal/names.py)."""

import json

import pytest

from ocpi_hub.journal.addresses import place_of_ours
from ocpi_hub.journal.names import MOST_EVSES, MOST_LISTED, Place, names_of, result_name
from tests import examples

SESSION = ["session:NL/ABC/S1", "S1"]
TOKEN = ["token:DE/MSP/04A1B2C3D4", "04A1B2C3D4"]
CONTRACT = ["contract:DE-MSP-C00000001-1", "DE-MSP-C00000001-1"]
PLACE = ["location:NL/ABC/LOC1", "LOC1", "evse:NL/ABC/EVSE1", "EVSE1"]
SECRET = "a-secret-end-of-a-url"


def encoded(body):
    return body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()


def enveloped(data):
    return {"data": data, "status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("path", "request_body", "answer", "names"),
    [
        ("receiver/sessions/nl/abc/s1", None, None, SESSION),
        ("receiver/sessions/NL/ABC/S1", examples.session(id="S1"), None, [*SESSION, *PLACE, *TOKEN, *CONTRACT]),
        ("receiver/sessions/NL/ABC/S1", {"kwh": 2}, None, SESSION),
        ("receiver/sessions/NL/ABC/S1", b"{no json", b"<html>", SESSION),
        ("sender/sessions/S1/charging_preferences", None, None, ["session:S1", "S1"]),
        ("receiver/tokens/DE/MSP/04A1B2C3D4?type=RFID", None, None, TOKEN),
        ("sender/tokens/04A1B2C3D4/authorize", {"location_id": "LOC1", "evse_uids": ["EVSE1"]},
         enveloped({"allowed": "ALLOWED", "token": examples.token(), "authorization_reference": "ref-1"}),
         ["token:04A1B2C3D4", "04A1B2C3D4", "location:LOC1", "LOC1", "authorization:REF-1", "REF-1",
          "token:DE/MSP/04A1B2C3D4", *CONTRACT]),
        ("receiver/locations/NL/ABC/LOC1/EVSE1/1", None, None, PLACE),
        ("receiver/locations/NL/ABC/LOC1/EVSE1", {"uid": "EVSE1", "evse_id": "NL*ABC*E1"}, None,
         [*PLACE, "evse:NL*ABC*E1", "NL*ABC*E1"]),
        ("receiver/tariffs/NL/ABC/T%2F1", None, None, ["tariff:NL/ABC/T/1", "T/1"]),
        ("receiver/commands/STOP_SESSION", {"session_id": "S1", "response_url": f"https://x.example/{SECRET}"},
         None, ["session:S1", "S1", result_name(SECRET)]),
        (f"sender/commands/STOP_SESSION/{SECRET}", {"result": "ACCEPTED"}, None, [result_name(SECRET)]),
        ("receiver/commands/STOP_SESSION", {"response_url": "https://x.example/1"}, None, []),
        (f"receiver/chargingprofiles/S1?duration=9&response_url=https%3A%2F%2Fx.example%2F{SECRET}", None, None,
         ["session:S1", "S1", result_name(SECRET)]),
        ("sender/chargingprofiles/S1", None, None, ["session:S1", "S1"]),
        ("sender/sessions?limit=2", None, enveloped([examples.session(id="S1") | {"cdr_token": None}]),
         [*SESSION, *PLACE]),
        ("sender/locations?limit=2", None, enveloped([examples.location()]), []),
        ("receiver/sessions/NL/ABC/S1", {"id": 7, "location_id": ["LOC1"], "cdr_token": "x", "evse_uid": "\x00"},
         None, SESSION),
        ("receiver/sessions/NL/ABC/" + "x" * 65, None, None, []),
    ],
)  # fmt: skip
def test_a_hop_is_found_by(path, request_body, answer, names):
    place = place_of_ours(f"/ocpi/2.2.1/{path}")

    assert names_of(place, encoded(request_body), encoded(answer)) == names


def test_a_cdr_is_found_by_all_that_it_is_about():
    names = names_of(Place("cdrs", "receiver"), encoded(examples.cdr()), b"")

    assert {"cdr:NL/ABC/CDR1", "CDR1", *PLACE, *TOKEN, *CONTRACT} <= set(names)
    assert "session:NL/ABC/SESSION1" in names


def test_of_an_object_with_thousands_of_evses_so_many_are_taken():
    body = {"location": {"location_id": "LOC1", "evse_uids": [f"E{number}" for number in range(5_000)]}}

    names = names_of(Place("tokens", "sender"), encoded(body), b"")

    assert names[:4] == ["location:LOC1", "LOC1", "evse:E0", "E0"]
    assert len(names) == 2 + 2 * MOST_EVSES


def test_of_a_long_list_so_many_are_taken():
    page = enveloped([{"id": f"S{number}"} for number in range(MOST_LISTED + 5)])

    names = names_of(Place("sessions", "sender"), b"", encoded(page))

    assert len(names) == 2 * MOST_LISTED


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("/ocpi/2.2.1/receiver/sessions/NL/ABC/S1", Place("sessions", "receiver", ("NL", "ABC", "S1"))),
        ("/ocpi/2.2.1/sender/cdrs?limit=2", Place("cdrs", "sender", (), "limit=2")),
        ("/ocpi/2.2.1/credentials/", Place("credentials")),
        ("/ocpi/versions", Place("versions")),
        ("/ocpi/2.2.1", Place("versions")),
        ("/ocpi", Place("versions")),
        ("/ocpi/2.2.1/session/NL/ABC/S1", Place("session", "", ("NL", "ABC", "S1"))),
    ],
)
def test_a_path_of_the_hubs_has_a_module(url, place):
    assert place_of_ours(url) == place
