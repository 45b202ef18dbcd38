"""Authorization: the CPO that asks, the eMSP that answers."""

import time
from typing import Any

import httpx
import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.tokens import AuthorizationInfo
from simulator import ocpi
from simulator.cpo import CPO
from simulator.emsp import EMSP
from simulator.platforms import Platform
from tests.simulator.conftest import CARD, ask, code, control, data, make, push_all, registered
from tests.simulator.fake_hub import FakeHub, envelope

ASK = "/ocpi/2.2.1/sender/tokens"


def info(allowed: str = "ALLOWED", **more: Any) -> httpx.Response:
    return envelope({"allowed": allowed, "token": CARD, "authorization_reference": "ref-9", **more})


def knows(cpo: CPO, **fields: Any) -> None:
    cpo.received.put(ocpi.encode({**CARD, **fields}))


def charge(cpo: CPO, **order: Any) -> Any:
    return control(cpo, "POST", "charge", {"uid": CARD["uid"], **order})


def test_the_cpo_asks_the_owner_of_the_card_with_the_place_and_starts(charging_cpo: CPO, hub: FakeHub):
    hub.answers = [info()]

    told = charge(charging_cpo)

    method, path, body = hub.asked[0]
    assert (method, path) == ("POST", "pull/tokens/04C0FFEE/authorize")
    assert body == {"location_id": told["location"], "evse_uids": [told["evse"]]}
    request = hub.requests[-1]
    assert request.url.params["type"] == "RFID"
    assert (request.headers["OCPI-to-country-code"], request.headers["OCPI-to-party-id"]) == ("DE", "MSP")
    assert (request.headers["OCPI-from-country-code"], request.headers["OCPI-from-party-id"]) == ("NL", "ABC")
    assert (told["allowed"], told["auth_method"]) == ("ALLOWED", "AUTH_REQUEST")
    assert told["authorization_reference"] == "ref-9"
    assert isinstance(told["ms"], int)
    session = charging_cpo.owned["sessions"].at(0).document
    assert (session["id"], session["auth_method"]) == (told["session"], "AUTH_REQUEST")
    assert session["authorization_reference"] == "ref-9"


def test_a_card_that_nobody_knows_is_asked_of_the_hub_without_a_receiver(charging_cpo: CPO, hub: FakeHub):
    hub.answers = [envelope(status=404, code=2004)]

    told = charge(charging_cpo, uid="FFFF")

    assert "OCPI-to-party-id" not in hub.requests[-1].headers
    assert (told["allowed"], told["session"]) == ("UNKNOWN", None)
    assert len(charging_cpo.owned["sessions"]) == 0


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_whoever_is_not_allowed_does_not_charge(charging_cpo: CPO, hub: FakeHub, allowed: str):
    hub.answers = [info(allowed)]

    told = charge(charging_cpo)
    push_all(charging_cpo)

    assert (told["allowed"], told["session"]) == (allowed, None)
    assert hub.pushes == []
    assert charging_cpo.places.taken == set()
    assert charging_cpo.status()["authorizations"] == {allowed: 1}


@pytest.mark.parametrize(("valid", "allowed", "sessions"), [(True, "ALLOWED", 1), (False, "BLOCKED", 0)])
def test_a_card_that_is_always_on_the_list_is_not_asked_for(
    charging_cpo: CPO, hub: FakeHub, valid: bool, allowed: str, sessions: int
):
    knows(charging_cpo, whitelist="ALWAYS", valid=valid)

    told = charge(charging_cpo)

    assert (told["allowed"], told["auth_method"]) == (allowed, "WHITELIST")
    assert hub.asked == []
    assert charging_cpo.status()["authorizations"] == {"WHITELIST" if valid else "BLOCKED": 1}
    assert len(charging_cpo.owned["sessions"]) == sessions


@pytest.mark.parametrize(
    ("whitelist", "valid", "method", "sessions"),
    [
        ("ALLOWED", True, "WHITELIST", 1),
        ("ALLOWED_OFFLINE", True, "WHITELIST", 1),
        ("ALLOWED_OFFLINE", False, "AUTH_REQUEST", 0),
        ("NEVER", True, "AUTH_REQUEST", 0),
    ],
)
def test_when_the_emsp_cannot_be_asked_its_list_decides(
    charging_cpo: CPO, hub: FakeHub, whitelist: str, valid: bool, method: str, sessions: int
):
    knows(charging_cpo, whitelist=whitelist, valid=valid)
    hub.answers = [envelope(code=4003)]

    told = charge(charging_cpo)

    assert told["auth_method"] == method
    assert told["unanswered"] == ("HTTP 200, 4003 " if sessions else None)
    assert len(charging_cpo.owned["sessions"]) == sessions


def test_a_hub_without_the_module_is_told_of(cpo: CPO, hub: FakeHub):
    hub.modules = ("tokens",)
    registered(cpo)
    cpo.state["hub"] = {**cpo.state["hub"], "endpoints": []}

    assert charge(cpo)["allowed"] == "UNREACHABLE"
    assert "no tokens SENDER" in cpo.status()["errors"][0]["error"]


def test_the_place_may_be_chosen_and_must_be_ours(charging_cpo: CPO, hub: FakeHub):
    hub.answers = [info(), info()]
    place = control(charging_cpo, "GET", "free")[0]
    order = {name: place[name] for name in ("location", "evse", "connector")}

    told = charge(charging_cpo, **order, minutes=30)

    assert {name: told[name] for name in order} == order
    assert next(iter(charging_cpo.charging.running.values())).stay.hours == pytest.approx(0.5, abs=0.01)
    assert charge(charging_cpo, **order)["problem"] == "EVSE_OCCUPIED"
    assert ask(charging_cpo, "POST", "/simulator/charge", {"location": "NONE"}).status == 400


# -- the eMSP


@pytest.fixture
def platform(emsp: EMSP) -> Platform:
    return registered(emsp)


def token(platform: Platform, **wanted: Any) -> dict[str, Any]:
    return next(
        item.document
        for item in platform.own.items()
        if all(item.document[name] == value for name, value in wanted.items())
    )


def authorize(platform: Platform, uid: str, body: Any = b"", kind: str = "RFID", **headers: str) -> Any:
    return ask(platform, "POST", f"{ASK}/{uid}/authorize?type={kind}", body, **headers)


def test_the_emsp_allows_its_valid_tokens_and_gives_a_reference_each_time(platform: Platform):
    card = token(platform, type="RFID", valid=True)
    where = {"location_id": "LOC1", "evse_uids": ["E1"]}

    answers = [authorize(platform, card["uid"].lower(), where) for _ in range(2)]

    infos = [data(answer) for answer in answers]
    assert [answer.status for answer in answers] == [200, 200]
    codec.read(ocpi.encode(infos[0]), AuthorizationInfo)
    assert infos[0]["allowed"] == "ALLOWED"
    assert infos[0]["token"] == card
    assert infos[0]["location"] == where
    assert infos[0]["authorization_reference"] != infos[1]["authorization_reference"]
    assert platform.status()["authorizations"] == {"ALLOWED": 2}


def test_a_blocked_token_is_an_answer_and_no_error(platform: Platform):
    card = token(platform, type="RFID", valid=True)
    platform.own.put(ocpi.encode({**card, "valid": False}))

    answer = authorize(platform, card["uid"], {"location_id": "LOC1"})

    assert (answer.status, code(answer)) == (200, 1000)
    assert data(answer) == {"allowed": "BLOCKED", "token": {**card, "valid": False}}


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b" \n"])
def test_the_place_may_be_left_out(platform: Platform, body: bytes):
    found = data(authorize(platform, token(platform, type="RFID", valid=True)["uid"], body))

    assert found["allowed"] == "ALLOWED"
    assert "location" not in found


def test_an_unknown_token_or_type_is_404_with_2004(platform: Platform):
    card = token(platform, type="RFID")

    for uid, kind in (("FFFF", "RFID"), (card["uid"], "APP_USER")):
        answer = authorize(platform, uid, kind=kind)
        assert (answer.status, code(answer), data(answer)) == (404, 2004, None)
    assert data(ask(platform, "POST", f"{ASK}/{card['uid']}/authorize"))["token"] == card


def test_another_party_of_the_platform_does_not_know_the_token(tmp_path, hub: FakeHub):
    parties = (ocpi.Party("DE", "MSP"), ocpi.Party("DE", "TWO"))
    platform = registered(make(EMSP, tmp_path, hub, parties, 20))
    card = token(platform, party_id="TWO", type="RFID")
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}

    assert authorize(platform, card["uid"], **to).status == 404
    assert authorize(platform, card["uid"], **{**to, "OCPI-to-party-id": "TWO"}).status == 200


def test_an_emsp_may_want_to_know_where(platform: Platform):
    platform.tokens.needs_location = True
    uid = token(platform, type="RFID", valid=True)["uid"]

    without, with_place = authorize(platform, uid), authorize(platform, uid, {"location_id": "LOC1"})

    assert (without.status, code(without), data(without)) == (200, 2002, None)
    assert data(with_place)["allowed"] == "ALLOWED"


def test_a_fault_can_be_aimed_at_the_authorization_alone(platform: Platform):
    uid = token(platform, type="RFID", valid=True)["uid"]
    control(platform, "POST", "faults", {"status_code": 3000, "on": "sender", "module": "tokens"})

    assert code(authorize(platform, uid)) == 3000
    assert ask(platform, "GET", "/ocpi/2.2.1/receiver/locations/NL/ABC/X").status == 404
    assert ask(platform, "POST", "/ocpi/2.2.1/sender/commands/X/Y", {}).status == 404


def test_only_post_asks_and_only_below_a_token(platform: Platform):
    assert ask(platform, "GET", f"{ASK}/X/authorize").status == 405
    assert ask(platform, "POST", f"{ASK}/X").status == 405
    assert ask(platform, "GET", ASK).status == 200


def test_the_time_that_an_answer_takes_is_measured(charging_cpo: CPO, hub: FakeHub):
    def slow(request: httpx.Request) -> httpx.Response:
        time.sleep(0.05)
        return info()

    charging_cpo.client.http = httpx.Client(transport=httpx.MockTransport(slow))

    assert charge(charging_cpo)["ms"] >= 50
