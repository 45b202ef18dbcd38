"""What the eMSP does from afar: commands and charging profiles, and what comes back."""

from typing import Any

import httpx
import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.commands import COMMANDS
from simulator import ocpi
from simulator.emsp import EMSP
from simulator.orders import Order
from simulator.server import Answer
from tests.simulator.conftest import ask, code, control, data
from tests.simulator.fake_hub import FakeHub, envelope

SESSION = {"country_code": "NL", "party_id": "ABC", "id": "S1", "status": "ACTIVE"}
SESSION |= {"last_updated": "2026-06-01T00:00:00Z"}


@pytest.fixture
def emsp(remote_emsp: EMSP) -> EMSP:
    remote_emsp.taken["sessions"].put(ocpi.encode(SESSION))
    return remote_emsp


def accepted(timeout: int = 30) -> httpx.Response:
    return envelope({"result": "ACCEPTED", "timeout": timeout})


def command(emsp: EMSP, command: str, **order: Any) -> Any:
    return control(emsp, "POST", "command", {"command": command, **order})


def sent(hub: FakeHub) -> tuple[str, dict[str, Any]]:
    """The latest command: where it went below commands, and with what body."""
    method, path, body = hub.pushes[-1]
    assert method == "POST"
    return path.removeprefix("commands/"), ocpi.decode(body)


def result(emsp: EMSP, url: str, body: Any) -> Answer:
    return ask(emsp, "POST", url.removeprefix("https://sim.example"), body)


def test_a_start_names_a_free_evse_a_valid_token_and_a_url_of_its_own(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted(), accepted()]

    first, second = command(emsp, "start"), command(emsp, "START_SESSION")

    name, body = sent(hub)
    codec.read(ocpi.encode(body), COMMANDS[name])
    assert name == "START_SESSION"
    assert body["response_url"] == second["response_url"] != first["response_url"]
    assert body["response_url"].startswith("https://sim.example/ocpi/2.2.1/sender/commands/START_SESSION/")
    location = emsp.received.find(body["location_id"]).document
    (evse,) = [evse for evse in location["evses"] if evse["uid"] == body["evse_uid"]]
    assert evse["status"] == "AVAILABLE"
    assert body["connector_id"] in [connector["id"] for connector in evse["connectors"]]
    assert body["token"] in [item.document for item in emsp.own.items()]
    assert body["token"]["valid"] is True
    assert len(body["authorization_reference"]) == 36
    headers = hub.requests[-1].headers
    assert (headers["OCPI-to-country-code"], headers["OCPI-to-party-id"]) == ("NL", "ABC")
    assert (headers["OCPI-from-country-code"], headers["OCPI-from-party-id"]) == ("DE", "MSP")
    assert (second["state"], second["response"]["timeout"], second["to"]) == ("accepted", 30, "NL*ABC")


def test_everything_of_a_command_may_be_chosen(emsp: EMSP, hub: FakeHub):
    token = emsp.own.at(3).document
    order = {"to": "NL-XYZ", "location": "L", "evse": "E", "connector": "C", "uid": token["uid"].lower()}

    command(emsp, "start", **order, reference="mine")

    _, body = sent(hub)
    assert (body["location_id"], body["evse_uid"], body["connector_id"]) == ("L", "E", "C")
    assert (body["token"], body["authorization_reference"]) == (token, "mine")
    assert hub.requests[-1].headers["OCPI-to-party-id"] == "XYZ"


def test_a_stop_goes_to_the_owner_of_the_session(emsp: EMSP, hub: FakeHub):
    command(emsp, "stop", session="S1")
    assert sent(hub)[1]["session_id"] == "S1"
    assert hub.requests[-1].headers["OCPI-to-party-id"] == "ABC"

    command(emsp, "stop")
    assert sent(hub)[1]["session_id"] == "S1"

    command(emsp, "stop", session="UNKNOWN", to="NL-XYZ")
    assert sent(hub)[1]["session_id"] == "UNKNOWN"
    assert hub.requests[-1].headers["OCPI-to-party-id"] == "XYZ"


def test_a_reservation_and_its_cancellation_share_an_id_and_a_receiver(emsp: EMSP, hub: FakeHub):
    command(emsp, "reserve", reservation="R1", seconds=60, location="L", to="NL-XYZ")
    name, body = sent(hub)
    codec.read(ocpi.encode(body), COMMANDS[name])
    assert (name, body["reservation_id"], body["location_id"]) == ("RESERVE_NOW", "R1", "L")
    left = ocpi.parse_time(body["expiry_date"]) - ocpi.now()
    assert 50 < left.total_seconds() <= 60

    command(emsp, "cancel", reservation="R1")
    name, body = sent(hub)
    codec.read(ocpi.encode(body), COMMANDS[name])
    assert (name, body["reservation_id"]) == ("CANCEL_RESERVATION", "R1")
    assert hub.requests[-1].headers["OCPI-to-party-id"] == "XYZ"


def test_an_unlock_names_a_connector(emsp: EMSP, hub: FakeHub):
    command(emsp, "unlock")

    name, body = sent(hub)
    codec.read(ocpi.encode(body), COMMANDS[name])
    assert sorted(body) == ["connector_id", "evse_uid", "location_id", "response_url"]


@pytest.mark.parametrize("enveloped", [False, True])
def test_a_result_is_taken_bare_and_in_an_envelope(emsp: EMSP, hub: FakeHub, enveloped: bool):
    hub.push_answers = [accepted()]
    url = command(emsp, "start")["response_url"]
    bare = {"result": "EVSE_OCCUPIED"}

    answer = result(emsp, url, {"data": bare, "status_code": 1000, "timestamp": "x"} if enveloped else bare)

    (order,) = control(emsp, "GET", "commands")
    assert (answer.status, code(answer), data(answer)) == (200, 1000, None)
    assert (order["state"], order["result"], order["enveloped"]) == ("done", "EVSE_OCCUPIED", enveloped)
    assert order["results"] == [bare]
    assert order["result_ms"] >= order["direct_ms"] >= 0
    assert emsp.status()["commands"] == {"total": 1, "done": 1, "result EVSE_OCCUPIED": 1}


def test_a_reservation_may_be_called_off_later_at_the_same_url(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted()]
    url = command(emsp, "reserve")["response_url"]

    for word in ("ACCEPTED", "CANCELED_RESERVATION"):
        result(emsp, url, {"result": word})

    (order,) = control(emsp, "GET", "commands")
    assert [one["result"] for one in order["results"]] == ["ACCEPTED", "CANCELED_RESERVATION"]
    assert order["result"] == "CANCELED_RESERVATION"


@pytest.mark.parametrize(
    ("answer", "state", "message"),
    [
        (envelope({"result": "REJECTED", "timeout": 30}, code=2003), "refused", ""),
        (envelope({"result": "UNKNOWN_SESSION", "timeout": 30}), "refused", ""),
        (envelope(code=4003), "refused", ""),
        (httpx.Response(502, text="<html>"), "refused", "the answer is no OCPI envelope"),
    ],
)
def test_a_command_that_is_not_accepted_waits_for_nothing(emsp: EMSP, hub: FakeHub, answer, state, message):
    hub.push_answers = [answer]

    order = command(emsp, "stop", session="S1", wait=5)

    assert (order["state"], order["message"], order["result"]) == (state, message, None)


def test_a_result_that_does_not_come_in_time_is_overdue_and_still_taken(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted(timeout=0)]

    order = command(emsp, "start", wait=0.05)
    assert order["state"] == "overdue"

    result(emsp, order["response_url"], {"result": "ACCEPTED"})
    assert control(emsp, "GET", "commands")[0]["state"] == "done"


def test_a_result_to_nothing_that_was_asked_or_without_a_word_is_refused(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted()]
    url = command(emsp, "start")["response_url"]

    answers = [result(emsp, url[:-1] + "x", {"result": "ACCEPTED"}), result(emsp, url, {"status": "fine"})]

    assert [(answer.status, code(answer)) for answer in answers] == [(404, 2001), (200, 2001)]
    assert ask(emsp, "GET", url.removeprefix("https://sim.example")).status == 405
    assert control(emsp, "GET", "commands")[0]["state"] == "accepted"


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ({"command": "explode"}, "explode is none of start, stop, reserve, cancel, unlock"),
        ({"command": "cancel"}, "Say which reservation"),
        ({"command": "start", "location": "NONE"}, "We know no Location NONE: say to whom"),
        ({"command": "start", "uid": "NONE"}, "We have no Token NONE"),
        ({"command": "start", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_sent_is_said(emsp: EMSP, hub: FakeHub, order: dict[str, str], problem: str):
    answer = ask(emsp, "POST", "/simulator/command", order)

    assert answer.status == 400
    assert problem in answer.body.decode()
    assert hub.pushes == []


def test_a_hub_without_commands_is_told_of(emsp: EMSP):
    emsp.state["hub"] = {**emsp.state["hub"], "endpoints": []}

    order = command(emsp, "start")

    assert order["state"] == "refused"
    assert "The hub has no commands RECEIVER" in order["message"]


def test_commands_that_nobody_has_answered_yet_are_counted_too(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted()]
    emsp.remote.commands.open("START_SESSION", "NL*ABC", {})
    command(emsp, "start")

    assert emsp.status()["commands"] == {"total": 2, "sent": 1, "accepted": 1}


def test_only_so_many_commands_are_remembered(emsp: EMSP, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulator.orders.MOST", 3)
    orders: list[Order] = [emsp.remote.commands.open("X", "NL*ABC", {}) for _ in range(5)]

    assert list(emsp.remote.commands.known.values()) == orders[2:]


# -- charging profiles


def profile(emsp: EMSP, profile: str, **order: Any) -> Any:
    return control(emsp, "POST", "profile", {"profile": profile, "session": "S1", **order})


def test_a_profile_is_got_set_and_cleared(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted() for _ in range(3)]

    got, was_set, cleared = profile(emsp, "get"), profile(emsp, "set", kw=7.4), profile(emsp, "clear")

    requests = hub.requests[-3:]
    assert [request.method for request in requests] == ["GET", "PUT", "DELETE"]
    assert {request.url.path.rpartition("/")[2] for request in requests} == {"S1"}
    assert dict(requests[0].url.params) == {"response_url": got["response_url"], "duration": "900"}
    assert ocpi.decode(requests[1].content) == {
        "charging_profile": {
            "charging_rate_unit": "W",
            "charging_profile_period": [{"start_period": 0, "limit": 7400}],
        },
        "response_url": was_set["response_url"],
    }
    assert dict(requests[2].url.params) == {"response_url": cleared["response_url"]}
    assert {request.headers["OCPI-to-party-id"] for request in requests} == {"ABC"}


def test_results_and_changes_of_profiles_are_kept(emsp: EMSP, hub: FakeHub):
    hub.push_answers = [accepted()]
    url = profile(emsp, "get")["response_url"]
    active = {"start_date_time": "2026-06-01T00:00:00Z", "charging_profile": {"charging_rate_unit": "W"}}

    result(emsp, url, {"result": "ACCEPTED", "profile": active})
    answer = ask(emsp, "PUT", "/ocpi/2.2.1/sender/chargingprofiles/S1", active)

    kept = control(emsp, "GET", "profiles")
    assert kept["asked"][0]["results"] == [{"result": "ACCEPTED", "profile": active}]
    assert (answer.status, code(answer), data(answer)) == (200, 1000, None)
    assert kept["active"] == {"S1": [active]}
    assert ask(emsp, "GET", "/ocpi/2.2.1/sender/chargingprofiles/S1").status == 405


@pytest.mark.parametrize("order", [{"profile": "bend"}, {"profile": "set"}, {"profile": "get", "session": 1}])
def test_a_profile_that_cannot_be_asked_for(emsp: EMSP, order: dict[str, Any]):
    assert ask(emsp, "POST", "/simulator/profile", {"session": "S1", **order}).status == 400
