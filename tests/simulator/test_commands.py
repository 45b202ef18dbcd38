"""Commands at the CPO: the direct answer, the result, and what happens between them."""

import time
from typing import Any

import pytest

from simulator.cpo import CPO
from simulator.ocpi import decode
from simulator.server import Answer
from tests.simulator.conftest import CARD, ask, code, control, data, pass_time, push_all
from tests.simulator.fake_hub import FakeHub, envelope, presented

URL = "https://hub.example/any/2.2.1/results/1?x=%26&y="
UNTIL = "2040-01-01T00:00:00Z"
AT = "/ocpi/2.2.1/receiver/commands"
FROM_MSP = {"OCPI-from-country-code": "DE", "OCPI-from-party-id": "MSP"}
FROM_MSP |= {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "ABC"}
FROM_OTHER = {**FROM_MSP, "OCPI-from-party-id": "XYZ"}
FROM_HUB = {**FROM_MSP, "OCPI-from-country-code": "NL", "OCPI-from-party-id": "HUB"}


@pytest.fixture
def cpo(charging_cpo: CPO) -> CPO:
    return charging_cpo


def send(cpo: CPO, command: str, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    body = {"response_url": URL, **body}
    return ask(cpo, "POST", f"{AT}/{command}", body, **(FROM_MSP if headers is None else headers))


def where(cpo: CPO) -> dict[str, str]:
    place = cpo.places.free(1)[0]
    return dict(zip(("location_id", "evse_uid", "connector_id"), place.ids, strict=True))


def results(cpo: CPO, hub: FakeHub) -> list[str]:
    pass_time(cpo)
    return [body["result"] for method, path, body in hub.asked if path == "results/1"]


def start(cpo: CPO, hub: FakeHub, **more: Any) -> dict[str, Any]:
    """A Session that a command has started and that is ACTIVE."""
    assert data(send(cpo, "START_SESSION", token=CARD, **(more or where(cpo))))["result"] == "ACCEPTED"
    pass_time(cpo)
    pass_time(cpo)
    return sessions(cpo)[-1]


def sessions(cpo: CPO) -> list[dict[str, Any]]:
    return [item.document for item in cpo.owned["sessions"].items()]


def test_a_start_is_accepted_then_done_then_told_at_exactly_the_url_that_was_given(cpo: CPO, hub: FakeHub):
    place = where(cpo)

    answer = send(cpo, "START_SESSION", token=CARD, authorization_reference="ref-7", **place)
    before = sessions(cpo)
    pass_time(cpo)

    assert (answer.status, code(answer)) == (200, 1000)
    assert data(answer) == {"result": "ACCEPTED", "timeout": 30}
    assert before == []
    request = hub.requests[-1]
    assert (request.method, str(request.url)) == ("POST", URL)
    assert decode(request.content) == {"result": "ACCEPTED"}
    assert presented(request) == cpo.registration.token
    routing = {name: value for name, value in request.headers.items() if name.startswith("ocpi-")}
    assert routing == {
        "ocpi-to-country-code": "DE",
        "ocpi-to-party-id": "MSP",
        "ocpi-from-country-code": "NL",
        "ocpi-from-party-id": "ABC",
    }
    (session,) = sessions(cpo)
    assert (session["status"], session["auth_method"]) == ("PENDING", "COMMAND")
    assert session["authorization_reference"] == "ref-7"
    assert {name: session[name] for name in place} == place


def test_the_token_of_the_command_returns_in_session_and_cdr(cpo: CPO, hub: FakeHub):
    token = {**CARD, "uid": "NEVER-PUSHED", "type": "APP_USER"}
    send(cpo, "START_SESSION", token=token, authorization_reference="ref-8", **where(cpo))
    for _ in range(30):
        push_all(cpo)
        pass_time(cpo)

    cdr = cpo.owned["cdrs"].at(0).document
    assert (
        cdr["cdr_token"] == sessions(cpo)[0]["cdr_token"] == {name: token[name] for name in cdr["cdr_token"]}
    )
    assert cdr["cdr_token"]["uid"] == "NEVER-PUSHED"
    assert (cdr["auth_method"], cdr["authorization_reference"]) == ("COMMAND", "ref-8")
    assert not [path for _, path, _ in hub.asked if "authorize" in path]


def test_without_an_evse_a_free_one_of_the_location_is_taken(cpo: CPO, hub: FakeHub):
    location = where(cpo)["location_id"]

    session = start(cpo, hub, location_id=location)

    assert session["location_id"] == location
    assert session["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("START_SESSION", {"location_id": "NONE", "token": CARD}),
        ("RESERVE_NOW", {"location_id": "NONE", "token": CARD, "reservation_id": "R", "expiry_date": UNTIL}),
        ("UNLOCK_CONNECTOR", {"location_id": "NONE", "evse_uid": "E", "connector_id": "1"}),
    ],
)
def test_an_unknown_location_is_2003_and_rejected_and_nothing_follows(cpo: CPO, hub: FakeHub, command, body):
    answer = send(cpo, command, **body)

    assert (answer.status, code(answer)) == (200, 2003)
    assert data(answer) == {"result": "REJECTED", "timeout": 30}
    assert results(cpo, hub) == []
    assert sessions(cpo) == []


def test_an_unknown_evse_or_connector_is_as_unknown_as_a_location(cpo: CPO):
    place = where(cpo)

    for name in ("evse_uid", "connector_id"):
        assert code(send(cpo, "START_SESSION", token=CARD, **{**place, name: "NONE"})) == 2003


def test_an_occupied_or_broken_evse_is_the_result(cpo: CPO, hub: FakeHub):
    place = where(cpo)
    start(cpo, hub, **place)
    hub.asked.clear()

    send(cpo, "START_SESSION", token=CARD, **place)
    assert results(cpo, hub) == ["EVSE_OCCUPIED"]

    broken = where(cpo)
    cpo.set_status(cpo.places.find(broken["location_id"], broken["evse_uid"]).spot, "OUTOFORDER")
    send(cpo, "START_SESSION", token=CARD, **broken)
    assert results(cpo, hub) == ["EVSE_OCCUPIED", "EVSE_INOPERATIVE"]
    assert len(sessions(cpo)) == 1


def test_a_stop_ends_the_session_and_then_there_is_nothing_to_stop(cpo: CPO, hub: FakeHub):
    session = start(cpo, hub)
    hub.asked.clear()

    answer = send(cpo, "STOP_SESSION", session_id=session["id"])

    assert data(answer)["result"] == "ACCEPTED"
    assert results(cpo, hub)[0] == "ACCEPTED"
    assert sessions(cpo)[0]["status"] == "COMPLETED"
    assert data(send(cpo, "STOP_SESSION", session_id=session["id"]))["result"] == "REJECTED"


def test_an_unknown_session_cannot_be_stopped(cpo: CPO, hub: FakeHub):
    answer = send(cpo, "STOP_SESSION", session_id="NONE")

    assert (code(answer), data(answer)["result"]) == (1000, "UNKNOWN_SESSION")
    assert results(cpo, hub) == []


def test_a_session_of_another_emsps_customer_cannot_be_stopped(cpo: CPO, hub: FakeHub):
    session = start(cpo, hub)

    assert data(send(cpo, "STOP_SESSION", FROM_OTHER, session_id=session["id"]))["result"] == "REJECTED"
    assert sessions(cpo)[0]["status"] == "ACTIVE"
    assert data(send(cpo, "STOP_SESSION", FROM_HUB, session_id=session["id"]))["result"] == "ACCEPTED"


def test_an_emsp_starts_with_its_own_tokens_only(cpo: CPO, hub: FakeHub):
    assert data(send(cpo, "START_SESSION", FROM_OTHER, token=CARD, **where(cpo)))["result"] == "REJECTED"
    assert data(send(cpo, "START_SESSION", {}, token=CARD, **where(cpo)))["result"] == "ACCEPTED"


@pytest.mark.parametrize(
    ("command", "body", "field"),
    [
        ("START_SESSION", {"token": CARD}, "location_id"),
        ("START_SESSION", {"location_id": "LOC00001"}, "token"),
        ("START_SESSION", {"location_id": "LOC00001", "token": {**CARD, "contract_id": None}}, "contract_id"),
        ("START_SESSION", {"location_id": "LOC00001", "token": CARD, "connector_id": "1"}, "evse_uid"),
        ("STOP_SESSION", {}, "session_id"),
        ("STOP_SESSION", {"session_id": "S", "response_url": None}, "response_url"),
        ("RESERVE_NOW", {"token": CARD, "location_id": "LOC00001", "expiry_date": UNTIL}, "reservation_id"),
        ("RESERVE_NOW", {"token": CARD, "location_id": "LOC00001", "reservation_id": "R"}, "expiry_date"),
        ("CANCEL_RESERVATION", {}, "reservation_id"),
        ("UNLOCK_CONNECTOR", {"location_id": "LOC00001", "evse_uid": "E"}, "connector_id"),
    ],
)
def test_what_is_missing_is_named_with_2001(cpo: CPO, hub: FakeHub, command, body, field):
    answer = send(cpo, command, **body)

    assert (answer.status, code(answer)) == (200, 2001)
    assert f"$.{field}" in answer.body.decode()
    assert results(cpo, hub) == []


def test_only_post_of_known_commands(cpo: CPO):
    assert ask(cpo, "GET", f"{AT}/START_SESSION").status == 405
    assert send(cpo, "EXPLODE").status == 404
    assert ask(cpo, "POST", AT, {}).status == 404


def test_unlocking_is_accepted(cpo: CPO, hub: FakeHub):
    assert data(send(cpo, "UNLOCK_CONNECTOR", **where(cpo)))["result"] == "ACCEPTED"
    assert results(cpo, hub) == ["ACCEPTED"]


# -- reservations


def reserve(cpo: CPO, reservation_id: str = "R1", **more: Any) -> Answer:
    place = {name: value for name, value in where(cpo).items() if name != "connector_id"}
    body = {"token": CARD, "expiry_date": UNTIL, **place, **more}
    return send(cpo, "RESERVE_NOW", reservation_id=reservation_id, **body)


def reserved(cpo: CPO) -> dict[str, Any]:
    assert data(reserve(cpo))["result"] == "ACCEPTED"
    act_once(cpo)
    return sessions(cpo)[0]


def act_once(cpo: CPO) -> None:
    """What is due now, without the end of the reservation, which is far away."""
    cpo.schedule.work(time.monotonic() + 5)


def status(cpo: CPO, session: dict[str, Any]) -> str:
    return str(cpo.places.find(session["location_id"], session["evse_uid"]).evse["status"])


def test_a_reservation_is_a_session_and_keeps_the_evse(cpo: CPO, hub: FakeHub):
    session = reserved(cpo)

    assert (session["status"], session["auth_method"]) == ("RESERVATION", "COMMAND")
    assert status(cpo, session) == "RESERVED"
    act_once(cpo)
    assert [body["result"] for _, path, body in hub.asked if path == "results/1"] == ["ACCEPTED"]
    place = {name: session[name] for name in ("location_id", "evse_uid", "connector_id")}
    send(cpo, "START_SESSION", token={**CARD, "uid": "OTHER"}, **place)
    act_once(cpo)
    assert hub.asked[-1][2] == {"result": "EVSE_OCCUPIED"}


def test_whoever_reserved_charges_in_the_same_session(cpo: CPO):
    session = reserved(cpo)
    place = {name: session[name] for name in ("location_id", "evse_uid", "connector_id")}

    send(cpo, "START_SESSION", token=CARD, **place)
    act_once(cpo)

    (now,) = sessions(cpo)
    assert (now["id"], now["status"]) == (session["id"], "PENDING")
    assert cpo.reservations.active == {}
    assert status(cpo, session) == "CHARGING"


def test_a_cancelled_reservation_frees_the_evse_and_ends_the_session_without_a_cdr(cpo: CPO, hub: FakeHub):
    session = reserved(cpo)

    answer = send(cpo, "CANCEL_RESERVATION", reservation_id="r1")
    act_once(cpo)

    assert data(answer)["result"] == "ACCEPTED"
    assert hub.asked[-1][2] == {"result": "ACCEPTED"}
    assert sessions(cpo)[0]["status"] == "COMPLETED"
    assert status(cpo, session) == "AVAILABLE"
    assert len(cpo.owned["cdrs"]) == 0


def test_an_unknown_or_foreign_reservation_is_the_result(cpo: CPO, hub: FakeHub):
    reserved(cpo)

    for headers, reservation_id in ((FROM_MSP, "R2"), (FROM_OTHER, "R1")):
        assert (
            data(send(cpo, "CANCEL_RESERVATION", headers, reservation_id=reservation_id))["result"]
            == "ACCEPTED"
        )
        act_once(cpo)
        assert hub.asked[-1][2] == {"result": "UNKNOWN_RESERVATION"}
    assert len(cpo.reservations.active) == 1


def test_a_reservation_ends_when_its_time_is_over(cpo: CPO, hub: FakeHub):
    session = reserved(cpo)

    pass_time(cpo)

    assert sessions(cpo)[0]["status"] == "COMPLETED"
    assert status(cpo, session) == "AVAILABLE"


def test_the_same_id_again_takes_the_place_of_the_first(cpo: CPO):
    first = reserved(cpo)

    reserve(cpo)
    act_once(cpo)

    assert [one["status"] for one in sessions(cpo)] == ["COMPLETED", "RESERVATION"]
    assert status(cpo, first) in ("AVAILABLE", "RESERVED")
    assert len(cpo.reservations.active) == 1
    assert len(cpo.places.taken) == 1


def test_the_cpo_may_cancel_and_says_so_where_the_result_went(cpo: CPO, hub: FakeHub):
    session = reserved(cpo)

    assert control(cpo, "POST", "cancel", {"reservation": "R1"}) == {"canceled": True}
    assert control(cpo, "POST", "cancel", {"reservation": "R1"}) == {"canceled": False}

    assert hub.asked[-1] == ("POST", "results/1", {"result": "CANCELED_RESERVATION"})
    assert status(cpo, session) == "AVAILABLE"


# -- results that go wrong


def test_a_result_that_is_not_taken_is_sent_again(cpo: CPO, hub: FakeHub):
    send(cpo, "UNLOCK_CONNECTOR", **where(cpo))
    hub.answers = [envelope(status=503, code=3000), envelope(code=4002), envelope()]

    for _ in range(5):
        pass_time(cpo)

    assert len(hub.asked) == 3
    assert cpo.status()["results"] == {"sent": 1, "failed": 0}


def test_a_result_that_is_refused_is_told_of(cpo: CPO, hub: FakeHub):
    send(cpo, "UNLOCK_CONNECTOR", **where(cpo))
    hub.answers = [envelope(status=404, code=2001)]

    for _ in range(3):
        pass_time(cpo)

    assert len(hub.asked) == 1
    assert cpo.status()["results"] == {"sent": 0, "failed": 1}
    assert "HTTP 404" in cpo.status()["errors"][0]["error"]


def test_a_fault_may_swallow_wrap_or_delay_a_result(cpo: CPO, hub: FakeHub):
    for result in ("never", "enveloped", 7):
        control(cpo, "POST", "faults", {"result": result, "module": "commands", "times": 1})
        send(cpo, "UNLOCK_CONNECTOR", **where(cpo))
        due = cpo.schedule.heap[0][0]
        pass_time(cpo)

    bodies = [body for _, _, body in hub.asked]
    assert [body.get("data", body) for body in bodies] == [{"result": "ACCEPTED"}] * 2
    assert [body.get("status_code") for body in bodies] == [1000, None]
    assert due - time.monotonic() > 5
