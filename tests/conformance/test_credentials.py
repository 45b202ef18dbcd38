"""CRED rows: the credentials handshake, from both sides, against scripted partners."""

import json
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from credentials import handshake
from ocpi_hub.exchange.exceptions import HandshakeFailed
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.pulls import pullplans, sync
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Endpoint, IssuedToken, Party, Platform
from ocpi_hub.protocol.headers import token_candidates
from tests import examples
from tests.conformance.calls import METHODS, enveloped, nothing_changes, send
from tests.conformance.peers import Peer, at
from tests.partners import Network
from tests.partners import enveloped as answer

pytestmark = pytest.mark.django_db

GARBAGE = httpx.Response(200, text="<html>")
HANDSHAKE = [("GET", "/versions"), ("GET", "/2.2.1")]


@pytest.fixture
def peer(network: Network) -> Peer:
    """A platform with token A of the hub."""
    peer = Peer(network)
    peer.invitation()
    return peer


@pytest.fixture
def registered(peer: Peer) -> Peer:
    """The same after its registration."""
    assert peer.post().codes == (200, 1000)
    peer.calls.clear()
    return peer


def platform(peer: Peer) -> Platform:
    return Platform.objects.get(pk=peer.platform_id)


def hub_registers(network: Network, **changes: Any) -> Peer:
    """A peer that gave the hub a token A."""
    return Peer(network, **{"invited": "token-a.of-the-peer", **changes})


def register(peer: Peer, *parties: str) -> Platform:
    claims = [Claim.parse(text) for text in parties]
    return handshake.register("New", peer.url("versions"), peer.invited, claims)


# ---------------------------------------------------------------------------------- the hub is registered with
@pytest.mark.row("CRED-04", "CRED-05", "CRED-22")
def test_the_hub_calls_back_with_token_b_before_it_answers(peer):
    assert peer.post().codes == (200, 1000)

    assert peer.seen() == HANDSHAKE
    assert peer.tokens_seen() == {peer.token}


@pytest.mark.row("CRED-05")
def test_the_call_back_uses_the_version_that_was_posted_to(peer):
    peer.versions = ("2.1.1", "2.2.1", "2.3.0")

    assert peer.post().codes == (200, 1000)

    assert peer.seen() == HANDSHAKE
    assert platform(peer).version == "2.2.1"


@pytest.mark.row("CRED-06", "HUB-28")
def test_a_success_gives_token_c_and_the_hubs_own_credentials(peer):
    token_a = peer.hub_token

    data = peer.post().data

    assert data["token"] not in (token_a, peer.token)
    assert data["url"] == "http://127.0.0.1:8000/ocpi/versions"
    assert data["roles"] == [
        {
            "role": "HUB",
            "business_details": {"name": "OCPI hub"},
            "party_id": "HUB",
            "country_code": "NL",
        }
    ]


@pytest.mark.row("CRED-08")
def test_token_a_stops_working_once_token_c_is_there(peer):
    token_a = peer.hub_token
    peer.post()

    with nothing_changes():
        answers = [
            peer.call(method, path, token=token_a)
            for method in METHODS
            for path in ("versions", "2.2.1/credentials")
        ]

    assert {answered.codes for answered in answers} == {(401, 2000)}
    assert peer.call("GET", "versions").codes == (200, 1000)


@pytest.mark.row("CRED-09", "TRN-01", "TRN-02", "TRN-03")
def test_pushes_to_the_new_partner_carry_token_b(network, cpo, deliver):
    peer = Peer(network, parties=("DE-NEW-EMSP",))
    peer.invitation()
    peer.post()
    peer.calls.clear()

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert peer.seen() == [("PUT", "/2.2.1/receiver/locations/NL/ABC/LOC1")]
    assert peer.calls[0].headers["Authorization"] == "Token dGhlLWh1YidzLXRva2VuLjE="


@pytest.mark.parametrize("raw", [False, True], ids=["Base64", "raw"])
@pytest.mark.row("TRN-07")
def test_the_hub_finds_out_how_the_partner_reads_its_token(network, raw):
    peer = Peer(network, raw=raw)
    peer.invitation()

    assert peer.post().codes == (200, 1000)

    assert platform(peer).base64_token is not raw
    assert [call.path for call in peer.calls] == ["/versions"] * (2 if raw else 1) + ["/2.2.1"]


def test_everything_the_partner_told_is_kept(peer):
    peer.post()

    row = platform(peer)
    assert (row.status, row.version, row.versions_url) == (
        "CONNECTED",
        "2.2.1",
        "https://new.example/versions",
    )
    assert row.token == peer.token
    assert peer.token not in row.token_cipher
    assert [(party.key, party.roles) for party in row.parties.all()] == [("NL*NEW", ["CPO"])]
    assert {(e.module, e.role, e.url) for e in row.endpoints.all()} == {
        ("credentials", "SENDER", "https://new.example/2.2.1/credentials"),
        ("locations", "RECEIVER", "https://new.example/2.2.1/receiver/locations"),
        ("locations", "SENDER", "https://new.example/2.2.1/sender/locations"),
        ("tokens", "RECEIVER", "https://new.example/2.2.1/receiver/tokens"),
        ("tokens", "SENDER", "https://new.example/2.2.1/sender/tokens"),
    }


# what is wrong with the partner, and what the hub says about it
BROKEN = {
    "versions answers 500": ("versions", httpx.Response(500), 3001),
    "versions answers 404": ("versions", answer(status_code=2000, http_status=404), 3001),
    "versions knows token B in no form": ("versions", answer(status_code=2000, http_status=401), 3001),
    "versions answers HTML": ("versions", GARBAGE, 3001),
    "versions answers 3000": ("versions", answer(status_code=3000), 3001),
    "versions is no list": ("versions", answer({"version": "2.2.1"}), 3001),
    "versions without a URL": ("versions", answer([{"version": "2.2.1"}]), 3001),
    "versions does not answer": ("versions", httpx.ReadTimeout("slow"), 3001),
    "versions refuses connections": ("versions", httpx.ConnectError("refused"), 3001),
    "no version in common": ("versions", answer([{"version": "2.1.1", "url": "https://new.example/2.1.1"}]), 3002),
    "no version at all": ("versions", answer([]), 3002),
    "details answer 500": ("2.2.1", httpx.Response(500), 3001),
    "details are garbage": ("2.2.1", answer("garbage"), 3001),
    "details without endpoints": ("2.2.1", answer({"version": "2.2.1", "endpoints": []}), 3001),
    "no credentials endpoint": (
        "2.2.1",
        answer({"version": "2.2.1", "endpoints": [
            {"identifier": "locations", "role": "SENDER", "url": "https://new.example/locations"}]}),
        3003,
    ),
    "no module to exchange": (
        "2.2.1",
        answer({"version": "2.2.1", "endpoints": [
            {"identifier": "credentials", "role": "SENDER", "url": "https://new.example/credentials"}]}),
        3003,
    ),
}  # fmt: skip


@pytest.mark.row("CRED-10", "CRED-11", "RSP-12", "VER-07")
@pytest.mark.parametrize("fault", BROKEN)
def test_a_failed_call_back_leaves_token_a_usable_and_nothing_stored(peer, fault):
    path, response, code = BROKEN[fault]
    peer.answers.append(at(path, response))

    with nothing_changes():
        refused = peer.post()

    assert refused.codes == (200, code)
    assert peer.token not in refused.message
    peer.answers.clear()
    assert peer.post().codes == (200, 1000)


REFUSED_BODIES = {
    "a token of 65 characters": ({"token": "x" * 65}, "$.token"),
    "an empty token": ({"token": ""}, "$.token"),
    "a token with a blank": ({"token": "a b"}, "$.token"),
    "a token with a letter outside ASCII": ({"token": "tökén"}, "$.token"),
    "no token": ({"token": None}, "$.token"),
    "no URL": ({"url": None}, "$.url"),
    "a relative URL": ({"url": "/versions"}, "$.url"),
    "an over-long URL": ({"url": "https://new.example/" + "x" * 240}, "$.url"),
    "no roles": ({"roles": []}, "$.roles"),
    "roles as an object": ({"roles": {}}, "$.roles"),
}


@pytest.mark.row("CRED-23", "RSP-06")
@pytest.mark.parametrize("fault", REFUSED_BODIES)
def test_wrong_credentials_are_2001_and_nobody_is_called(peer, fault):
    changes, place = REFUSED_BODIES[fault]

    with nothing_changes():
        answered = peer.post(**changes)

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"{place}: ")
    assert peer.calls == []


@pytest.mark.row("CRED-24")
def test_the_same_role_of_the_same_party_twice_is_refused(peer):
    roles = peer.credentials()["roles"]

    with nothing_changes():
        answered = peer.post(roles=[*roles, {**roles[0], "party_id": "new"}])

    assert answered.codes == (200, 2001)
    assert answered.message == "$.roles[1]: the same role of the same party is listed twice"


@pytest.mark.row("CRED-25")
def test_a_platform_may_speak_for_three_parties_of_one_role(network, emsp, deliver):
    peer = Peer(network, parties=("NL-AAA-CPO", "NL-BBB-CPO", "BE-CCC-CPO", "BE-CCC-EMSP"))
    peer.invitation()
    assert peer.post().codes == (200, 1000)

    for party in ("NL/AAA", "NL/BBB", "BE/CCC"):
        country_code, party_id = party.split("/")
        body = json.dumps(examples.location(country_code=country_code, party_id=party_id)).encode()
        said = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id}
        url = f"/ocpi/2.2.1/receiver/locations/{party}/LOC1"
        assert enveloped(send("PUT", url, body, token=peer.hub_token, **said)).codes == (201, 1000)
    deliver()

    assert sorted(call.path for call in emsp.received()) == [
        f"/receiver/locations/{party}/LOC1" for party in ("BE/CCC", "NL/AAA", "NL/BBB")
    ]


@pytest.mark.row("CRED-26")
@pytest.mark.parametrize("party", ["NL-ABC-CPO", "nl-abc-EMSP"])
def test_a_party_of_another_platform_cannot_be_claimed(cpo, peer, party):
    country_code, party_id, role = party.split("-")
    theirs = {
        "role": role,
        "country_code": country_code,
        "party_id": party_id,
        "business_details": {"name": "N"},
    }

    with nothing_changes():
        answered = peer.post(roles=[*peer.credentials()["roles"], theirs])

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.roles: ")
    with pytest.raises(ClaimRefused):
        handshake.invite("Another", [Claim.parse("NL-ABC-CPO")])
    assert peer.post().codes == (200, 1000)


@pytest.mark.row("CRED-26")
@pytest.mark.parametrize("parties", [("NL-NEW-EMSP",), ("NL-NEW-CPO", "NL-NOT-CPO")])
def test_a_party_that_was_not_agreed_is_refused(peer, parties):
    peer.parties = parties

    with nothing_changes():
        answered = peer.post()

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(
        f"$.roles: {parties[-1]} was not agreed with the operator of this hub, who expects NL-NEW-CPO"
    )


# ------------------------------------------------------------------------------------------- the 405 rules
@pytest.mark.row("CRED-13")
def test_post_by_who_is_registered_is_405(registered):
    with nothing_changes():
        answered = registered.post()

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "GET, PUT, DELETE"
    assert registered.calls == []


@pytest.mark.row("CRED-14")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_put_and_delete_by_who_is_not_registered_are_405(peer, method):
    with nothing_changes():
        answered = peer.call(method, body=peer.credentials())

    assert answered.codes == (405, 2000)
    assert answered.headers["Allow"] == "GET, POST"
    assert peer.calls == []


@pytest.mark.row("CRED-14", "TRN-05")
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_token_is_401_for_every_method(peer, method):
    with nothing_changes():
        answered = peer.call(method, body=peer.credentials(), token="unknown.token")

    assert answered.codes == (401, 2000)


@pytest.mark.row("MET-12")
@pytest.mark.parametrize("method", ["PATCH", "HEAD", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize("path", ["versions", "2.2.1", "2.2.1/credentials"])
def test_configuration_modules_know_no_other_methods(registered, method, path):
    with nothing_changes():
        response = send(method, f"/ocpi/{path}", b"{}", token=registered.hub_token)

    assert response.status_code == 405
    assert response.headers["Allow"] == ("GET, POST, PUT, DELETE" if "credentials" in path else "GET")


@pytest.mark.row("MET-12")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["versions", "2.2.1"])
def test_versions_are_read_only(registered, method, path):
    with nothing_changes():
        answered = registered.call(method, path, {})

    assert answered.codes == (405, 2000)


# ----------------------------------------------------------------------------------------------------- GET
@pytest.mark.row("CRED-21", "HUB-28", "HUB-03", "TRN-06")
def test_get_shows_the_hubs_credentials_with_the_callers_own_token(registered):
    answered = registered.call("GET")

    assert answered.codes == (200, 1000)
    assert answered.data["token"] == registered.hub_token
    assert [role["role"] for role in answered.data["roles"]] == ["HUB"]
    assert not [name for name in answered.headers if name.lower().startswith("ocpi-")]


def test_token_a_may_read_the_credentials_too(peer):
    assert peer.call("GET").data["token"] == peer.hub_token


def test_a_raw_token_is_shown_as_it_was_sent(registered):
    response = send("GET", "/ocpi/2.2.1/credentials", Authorization=f"Token {registered.hub_token}")

    assert enveloped(response).data["token"] == registered.hub_token


# ----------------------------------------------------------------------------------------------------- PUT
@pytest.mark.row("CRED-15", "CRED-16")
def test_put_fetches_everything_again_and_gives_a_fresh_token(registered):
    old = registered.hub_token
    registered.modules = ("locations",)

    answered = registered.put()

    assert answered.codes == (200, 1000)
    assert answered.data["token"] != old
    assert [role["role"] for role in answered.data["roles"]] == ["HUB"]
    assert registered.seen() == HANDSHAKE
    assert set(platform(registered).endpoints.values_list("module", flat=True)) == {
        "credentials",
        "locations",
    }


@pytest.mark.row("CRED-17")
def test_after_put_the_hub_uses_the_partners_new_token(network, cpo, deliver):
    peer = Peer(network, parties=("DE-NEW-EMSP",))
    peer.invitation()
    peer.post()
    peer.token = "a-newer.token"

    peer.put()
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    peer.calls.clear()
    deliver()

    assert peer.tokens_seen() == {"a-newer.token"}
    assert len(peer.calls) == 1


@pytest.mark.row("CRED-17")
def test_the_old_token_works_until_the_new_one_is_used(registered):
    """A partner may still have calls under way with the old one (interpretations, P22)."""
    old = registered.hub_token
    registered.put()

    assert registered.call("GET", "versions", token=old).codes == (200, 1000)
    assert registered.call("GET", "versions").codes == (200, 1000)
    assert registered.call("GET", "versions", token=old).codes == (401, 2000)
    assert registered.call("GET", "versions").codes == (200, 1000)


@pytest.mark.row("CRED-17")
def test_the_old_token_dies_with_the_grace_though_the_new_one_is_never_used(registered, settings):
    settings.HUB_TOKEN_GRACE = 0
    old = registered.hub_token

    registered.put()

    assert registered.call("GET", "versions", token=old).codes == (401, 2000)


@pytest.mark.row("CRED-19", "RSP-12")
@pytest.mark.parametrize("fault", BROKEN)
def test_a_failed_put_leaves_both_old_tokens_usable(registered, fault):
    path, response, code = BROKEN[fault]
    old = registered.token
    registered.token = "never-to-be.used"
    registered.answers.append(at(path, response))

    with nothing_changes():
        answered = registered.put()

    assert answered.codes == (200, code)
    assert registered.call("GET", "versions").codes == (200, 1000)
    assert platform(registered).token == old


@pytest.mark.row("CRED-19", "CRED-26")
def test_a_put_that_claims_a_foreign_party_changes_nothing(cpo, registered):
    registered.parties = ("NL-NEW-CPO", "NL-ABC-CPO")

    with nothing_changes():
        answered = registered.put()

    assert answered.codes == (200, 2001)
    assert registered.call("GET", "versions").codes == (200, 1000)


# -------------------------------------------------------------------------------------------------- DELETE
@pytest.mark.row("CRED-20")
def test_delete_ends_tokens_pushes_and_pulls(network, cpo, deliver):
    peer = Peer(network, parties=("DE-NEW-EMSP",))
    peer.invitation()
    peer.post()
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    peer.calls.clear()

    answered = peer.call("DELETE")

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert peer.call("GET", "versions").codes == (401, 2000)
    row = platform(peer)
    assert (row.status, row.token_cipher, list(row.endpoints.all())) == ("SUSPENDED", "", [])
    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))
    assert deliver() == 0
    assert sync.sources(row.pk) == []
    assert not pullplans.due(timezone.now() + timedelta(days=2)).filter(platform=row).exists()
    assert set(Delivery.objects.filter(platform=row).values_list("state", flat=True)) == {"ABSORBED"}
    assert peer.calls == []


@pytest.mark.row("CRED-20")
def test_after_delete_the_objects_stay_and_only_the_operator_opens_the_door_again(registered):
    said = {"OCPI-from-country-code": "NL", "OCPI-from-party-id": "NEW"}
    url = "/ocpi/2.2.1/receiver/locations/NL/NEW/LOC1"
    body = json.dumps(examples.location(party_id="NEW")).encode()
    send("PUT", url, body, token=registered.hub_token, **said)
    registered.call("DELETE")

    assert registered.post().codes == (401, 2000)
    registered.hub_token = handshake.reset(platform(registered))
    assert registered.post().codes == (200, 1000)

    assert enveloped(send("GET", url, token=registered.hub_token, **said)).data == examples.location(
        party_id="NEW"
    )


# ----------------------------------------------------------------------------------------- all at once
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db")
def test_of_simultaneous_posts_with_one_token_a_one_registers(transactional_db, network):
    peer = Peer(network)
    peer.invitation()
    token_a, at_once = peer.hub_token, threading.Barrier(4)
    answers = []

    def meet(request: httpx.Request) -> None:
        if request.url.path == "/2.2.1":
            at_once.wait(10)

    peer.answers.append(meet)

    def post() -> None:
        try:
            answers.append(peer.call("POST", body=peer.credentials(), token=token_a))
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(answered.codes for answered in answers) == [(200, 1000), *[(405, 2000)] * 3]
    won = next(answered for answered in answers if answered.status_code == 1000)
    assert IssuedToken.objects.count() == 1
    assert peer.call("GET", "versions", token=won.data["token"]).codes == (200, 1000)
    assert peer.call("GET", "versions", token=token_a).codes == (401, 2000)


def test_the_partner_may_call_the_hub_while_it_waits(peer):
    """Whoever is called back may look at the hub's own versions first (interpretations, P20)."""
    seen = []

    def look(request: httpx.Request) -> None:
        seen.append(peer.call("GET", "versions").codes)

    peer.answers.append(look)

    assert peer.post().codes == (200, 1000)
    assert seen == [(200, 1000)] * 2


# --------------------------------------------------------------------------------------------- the hub starts
@pytest.mark.row("CRED-01", "CRED-03", "CRED-22", "HUB-03")
def test_the_hub_fetches_versions_and_details_with_token_a_and_posts_token_b(network):
    peer = hub_registers(network)

    row = register(peer, "NL-NEW-CPO")

    assert peer.seen() == [*HANDSHAKE, ("POST", "/2.2.1/credentials")]
    assert peer.tokens_seen() == {peer.invited}
    posted = peer.calls[-1].body
    assert (posted["url"], [role["role"] for role in posted["roles"]]) == (handshake.versions_url(), ["HUB"])
    assert peer.call("GET", "versions", token=posted["token"]).data == [
        {"version": "2.2.1", "url": "http://127.0.0.1:8000/ocpi/2.2.1"}
    ]
    assert not [name for call in peer.calls for name in call.headers if name.lower().startswith("ocpi-")]
    assert (row.status, row.token, row.version) == ("CONNECTED", peer.token, "2.2.1")


@pytest.mark.row("CRED-02", "VER-08")
def test_the_hub_chooses_the_newest_version_that_both_speak(network):
    peer = hub_registers(network, versions=("2.1.1", "2.2", "9.9", "2.2.1", "3.0"))

    register(peer)

    assert peer.seen()[-1] == ("POST", "/2.2.1/credentials")


@pytest.mark.row("CRED-07")
def test_afterwards_the_hub_uses_token_c_only(network, cpo, deliver):
    peer = hub_registers(network, parties=("DE-NEW-EMSP",))
    register(peer)
    peer.calls.clear()

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert peer.seen() == [("PUT", "/2.2.1/receiver/locations/NL/ABC/LOC1")]
    assert peer.tokens_seen() == {peer.token}


def test_token_b_works_before_it_is_sent(network):
    """The partner calls back with it inside the POST (interpretations, P21)."""
    peer = hub_registers(network)
    seen = []

    def call_back(request: httpx.Request) -> None:
        if request.method == "POST":
            token = peer.calls[-1].body["token"]
            seen.append(peer.call("GET", "versions", token=token).codes)
            seen.append(peer.call("GET", "2.2.1", token=token).codes)

    peer.answers.append(call_back)

    register(peer)

    assert seen == [(200, 1000)] * 2


@pytest.mark.parametrize("raw", [False, True], ids=["Base64", "raw"])
def test_the_starter_finds_out_how_the_partner_reads_token_a(network, raw):
    peer = hub_registers(network, raw=raw)

    assert register(peer).base64_token is not raw


def details(*identifiers: str) -> httpx.Response:
    return answer({
        "version": "2.2.1",
        "endpoints": [
            {"identifier": name, "role": "SENDER", "url": f"https://new.example/{name}"} for name in identifiers
        ],
    })  # fmt: skip


UNUSABLE = {
    "versions refuses": (at("versions", httpx.ConnectError("refused")), "GET https://new.example/versions"),
    "token A is wrong": (at("versions", answer(status_code=2000, http_status=401)), "HTTP 401"),
    "no version in common": (at("versions", answer([])), "offers nothing; this hub speaks 2.2.1"),
    "no credentials endpoint": (at("2.2.1", details("locations")), "lists no credentials endpoint"),
    "no module to exchange": (at("2.2.1", details("credentials")), "lists none of the modules"),
    "POST answers 500": (at("2.2.1/credentials", httpx.Response(500)), "HTTP 500 without an OCPI envelope"),
    "POST answers 3001": (at("2.2.1/credentials", answer(status_code=3001)), "HTTP 200, 3001"),
    "POST answers 405": (at("2.2.1/credentials", answer(status_code=2000, http_status=405)), "HTTP 405"),
    "POST is not answered": (
        at("2.2.1/credentials", httpx.ReadTimeout("slow")),
        "no complete answer in time",
    ),
    "POST answers without data": (
        at("2.2.1/credentials", answer()),
        "POST https://new.example/2.2.1/credentials",
    ),
    "POST answers no credentials": (at("2.2.1/credentials", answer({"token": "x"})), "$.url"),
}


@pytest.mark.row("CRED-12", "CRED-11")
@pytest.mark.parametrize("fault", UNUSABLE)
def test_a_handshake_that_fails_leaves_nothing_and_is_logged_with_its_reason(network, caplog, fault):
    scripted, reason = UNUSABLE[fault]
    peer = hub_registers(network)
    peer.answers.append(scripted)

    with nothing_changes(), pytest.raises(HandshakeFailed) as failed:
        register(peer, "NL-NEW-CPO")

    assert reason in str(failed.value)
    assert f"registering with New failed: {failed.value}" in caplog.text
    assert peer.invited not in caplog.text
    assert peer.token not in caplog.text
    if not fault.startswith("POST"):
        assert "POST" not in {method for method, _ in peer.seen()}


@pytest.mark.row("CRED-26")
@pytest.mark.parametrize("agreed", [(), ("NL-NEW-CPO",)])
def test_the_starter_takes_no_foreign_party_in(network, cpo, agreed):
    peer = hub_registers(network, parties=("NL-NEW-CPO", "NL-ABC-CPO"))

    with nothing_changes(), pytest.raises(Exception, match=r"NL[-*]ABC"):
        register(peer, *agreed)

    assert Party.objects.get(key="NL*ABC").platform == cpo.platform


def test_the_same_partner_is_not_registered_twice(network):
    peer = hub_registers(network)
    register(peer)
    peer.calls.clear()

    with nothing_changes(), pytest.raises(HandshakeFailed, match="registered with this versions URL already"):
        register(peer)

    assert peer.calls == []


# ---------------------------------------------------------------------------------------------- commands
def output(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.row("CRED-22")
def test_the_command_invite_prints_what_the_partner_needs(network, capsys):
    call_command("invite", "--name", "New", "--party", "NL-NEW-CPO", "--party", "nl-new-emsp")

    said = output(capsys)
    assert said.keys() == {"platform_id", "token", "versions_url"}
    assert said["versions_url"] == "http://127.0.0.1:8000/ocpi/versions"
    peer = Peer(network, parties=("NL-NEW-CPO", "NL-NEW-EMSP"), hub_token=said["token"])
    assert peer.post().codes == (200, 1000)
    assert Platform.objects.get(pk=said["platform_id"]).status == "CONNECTED"
    assert not IssuedToken.objects.filter(digest=said["token"]).exists()


@pytest.mark.row("CRED-22")
def test_the_command_register_prints_who_was_taken_in(network, capsys):
    peer = hub_registers(network)

    call_command(
        "register", "--name", "New", "--versions-url", peer.url("versions"), "--token", peer.invited,
        "--party", "NL-NEW-CPO",
    )  # fmt: skip

    assert output(capsys) == {
        "platform_id": Platform.objects.get().pk,
        "version": "2.2.1",
        "parties": ["NL-NEW-CPO"],
        "modules": ["credentials", "locations", "tokens"],
    }


@pytest.mark.row("CRED-12")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["invite", "--name", "New", "--party", "NLABC"], "'NLABC' is not of the form NL-ABC-CPO"),
        (["invite", "--name", "New", "--party", "NL-ABC-BANK"], "'NL-ABC-BANK' names a role that is none of"),
        (["invite", "--name", "New", "--party", "NL-ABC-CPO"], "NL*ABC already belongs to another platform"),
        (["register", "--name", "N", "--versions-url", "https://nowhere.example/v", "--token", "a.b"], "GET https://"),
        (["register", "--name", "N", "--versions-url", "https://new.example/versions", "--token", "wrong"], "HTTP 401"),
        (["register", "--name", "N", "--versions-url", "nonsense", "--token", "a.b"], "nonsense"),
        (["register", "--name", "N", "--versions-url", "https://new.example/versions", "--token", "a b"], "token"),
    ],
)  # fmt: skip
def test_commands_that_fail_say_why_in_one_line(network, cpo, arguments, reason):
    hub_registers(network)

    with nothing_changes(), pytest.raises(CommandError) as failed:
        call_command(*arguments)

    assert reason in str(failed.value)
    assert "\n" not in str(failed.value)
    assert failed.value.returncode == 1


# -------------------------------------------------------------------------------- the hub's endpoints change
def test_no_token_is_ever_kept_or_logged_as_it_is(peer, caplog):
    caplog.set_level("DEBUG")
    token_a = peer.hub_token
    peer.post()
    peer.answers.append(at("versions", answer(status_code=2000, http_status=401)))
    peer.put()

    assert not any(token in caplog.text for token in (token_a, peer.hub_token, peer.token))
    assert token_candidates(f"Token {peer.token}")
    assert Endpoint.objects.filter(url__contains=peer.token).count() == 0
