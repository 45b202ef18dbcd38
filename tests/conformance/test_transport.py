"""TRN rows: authorization, bodies, push and pull, offline behaviour, cardinality."""

import json
import logging
import re
from base64 import b64decode
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from ocpi_hub.exchange.deliveries import lanebreaker
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.models import Delivery, Lane, PullPlan, RefusedObject
from ocpi_hub.exchange.pulls import pullplans, sync
from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import Endpoint, IssuedToken, Platform
from ocpi_hub.protocol.headers import authorization
from tests import examples
from tests.conformance.calls import METHODS, enveloped, nothing_changes, raw, send
from tests.conformance.peers import Peer

pytestmark = pytest.mark.django_db

LOC1 = "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1"
ENDPOINTS = [
    "/ocpi/versions",
    "/ocpi/2.2.1",
    "/ocpi/2.2.1/credentials",
    "/ocpi/2.2.1/sender/locations",
    "/ocpi/2.2.1/sender/tokens",
    LOC1,
    "/ocpi/2.2.1/receiver/tokens/DE/MSP/04A1B2C3D4",
]


def later() -> None:
    """Let every retry be due."""
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())
    Lane.objects.update(probe_at=None)


# ----------------------------------------------------------------------------------------- authorization
@pytest.mark.row("TRN-01", "TRN-05", "TRN-11", "RSP-04")
@pytest.mark.parametrize("url", ENDPOINTS)
def test_without_authorization_every_endpoint_is_401(cpo, url):
    with nothing_changes():
        answers = [enveloped(send(method, url, b"{}")) for method in METHODS]

    assert {answered.codes for answered in answers} == {(401, 2000)}
    assert {answered.headers["WWW-Authenticate"] for answered in answers} == {"Token"}


NO_TOKENS = {
    "an unknown token": "Token cmFuZG9tLnRva2Vu",
    "an unknown raw token": "Token random.token",
    "the scheme alone": "Token",
    "the scheme and a blank": "Token ",
    "another scheme": "Bearer {}",
    "no scheme": "{}",
    "two tokens": "Token {} {}",
    "a token with more behind": "Token {}x",
    "an endless token": "Token " + "A" * 10_000,
    "bytes that are no text": "Token /////w==",
    "a NUL": "Token AAAA",
    "letters outside ASCII": "Token tökén",
}


@pytest.mark.row("TRN-05")
@pytest.mark.parametrize("kind", NO_TOKENS)
def test_a_header_that_matches_no_token_is_401(cpo, kind):
    encoded = authorization(cpo.token).removeprefix("Token ")
    said = NO_TOKENS[kind].format(encoded, encoded)

    with nothing_changes():
        answers = [enveloped(send("GET", url, Authorization=said)) for url in ENDPOINTS]

    assert {answered.codes for answered in answers} == {(401, 2000)}
    assert not any(cpo.token in answered.message for answered in answers)


@pytest.mark.row("TRN-06")
def test_token_a_opens_versions_and_credentials_only(network):
    peer = Peer(network)
    peer.invitation()

    opened = {url: peer.call("GET", url.removeprefix("/ocpi/")).codes for url in ENDPOINTS}

    assert opened == dict.fromkeys(ENDPOINTS[:3], (200, 1000)) | dict.fromkeys(ENDPOINTS[3:], (401, 2000))


@pytest.mark.row("TRN-04")
def test_a_token_stands_for_one_platform(cpo, emsp):
    cpo.put(LOC1, examples.location())

    assert cpo.get(LOC1).data == examples.location()
    assert emsp.get("sender/locations").data == [examples.location()]
    assert cpo.get("sender/locations").data == []
    assert raw(emsp, "GET", LOC1, Authorization=authorization(cpo.token)).codes == (200, 2001)


@pytest.mark.row("TRN-07")
@pytest.mark.parametrize(
    ("allowed", "base64", "raw_"),
    [("AUTO", 200, 200), ("BASE64", 200, 401), ("RAW", 401, 200)],
)
def test_raw_tokens_are_taken_from_whom_may_send_them(cpo, allowed, base64, raw_):
    Platform.objects.filter(pk=cpo.platform.pk).update(inbound_encoding=allowed)

    assert send("GET", "/ocpi/versions", Authorization=authorization(cpo.token)).status_code == base64
    assert send("GET", "/ocpi/versions", Authorization=f"Token {cpo.token}").status_code == raw_


@pytest.mark.row("TRN-07")
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_feed_that_was_encoded_along_is_overlooked(cpo, ending):
    """As in the specification's own samples (interpretations, P01)."""
    assert send("GET", "/ocpi/versions", Authorization=authorization(cpo.token + ending)).status_code == 200


@pytest.mark.row("TRN-07")
def test_a_token_that_two_platforms_could_mean_is_refused(cpo, emsp):
    """One platform's token, as it stands, is the Base64 of the other's (interpretations, P03)."""
    ambiguous = authorization("plain.token").removeprefix("Token ")
    for partner, token in ((cpo, "plain.token"), (emsp, ambiguous)):
        IssuedToken.objects.filter(platform=partner.platform).update(digest=secrets.digests(token)[0])

    with nothing_changes():
        answered = enveloped(send("GET", "/ocpi/versions", Authorization=f"Token {ambiguous}"))

    assert answered.codes == (401, 2000)


@pytest.mark.row("TRN-08")
def test_names_of_headers_have_no_case(cpo):
    said = {
        "aUTHORIZATION": authorization(cpo.token),
        "ocpi-FROM-country-code": "NL",
        "OCPI-FROM-PARTY-ID": "ABC",
        "ocpi-TO-party-id": "HUB",
        "OcPi-To-Country-Code": "NL",
        "x-request-id": "r-1",
        "X-CORRELATION-ID": "c-1",
    }

    answered = enveloped(send("GET", LOC1, **said))

    assert answered.codes == (404, 2003)
    assert (answered.headers["X-Request-ID"], answered.headers["X-Correlation-ID"]) == ("r-1", "c-1")
    assert answered.headers["OCPI-to-party-id"] == "ABC"
    assert enveloped(send("GET", LOC1, **{**said, "OCPI-FROM-PARTY-ID": "XYZ"})).codes == (200, 2001)


@pytest.mark.row("TRN-01", "TRN-02", "TRN-03", "TRN-10", "UID-01")
def test_every_call_of_the_hub_is_authorised_and_labelled(cpo, emsp, deliver):
    cpo.lists["locations"] = [examples.location(id=f"P{n}") for n in range(60)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    deliver()

    calls = [*cpo.calls, *emsp.calls]
    assert {call.method for call in calls} == {"GET", "PUT"}
    assert len(calls) == 2 + 60 + 1
    for partner in (cpo, emsp):
        for call in partner.calls:
            said = call.headers["Authorization"]
            assert re.fullmatch(r"Token \S+", said)
            assert (
                b64decode(said.removeprefix("Token "), validate=True).decode()
                == f"token-of-{partner.host[:3]}"
            )
            assert call.headers.get("Content-Type") == ("application/json" if call.method == "PUT" else None)
            assert call.headers["X-Correlation-ID"]
    assert len({call.headers["X-Request-ID"] for call in calls}) == len(calls)


@pytest.mark.row("TRN-10")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_requests_without_a_body_need_no_content_type(cpo, method):
    assert raw(cpo, method, "/ocpi/2.2.1/credentials", content_type="").codes == (200, 1000)


@pytest.mark.row("TRN-11", "RSP-01", "RSP-04")
@pytest.mark.parametrize(
    ("method", "url", "body", "codes"),
    [
        ("GET", "/ocpi/versions", b"", (200, 1000)),
        ("PUT", LOC1.replace("LOC1", "NEW"), None, (201, 1000)),
        ("GET", LOC1, b"", (404, 2003)),
        ("PUT", LOC1, b"{", (400, 2000)),
        ("PUT", LOC1, b"{}", (200, 2001)),
        ("POST", LOC1, b"{}", (405, 2000)),
        ("GET", "/ocpi/nothing", b"", (404, 2000)),
    ],
)
def test_every_answer_is_an_envelope_of_json(cpo, method, url, body, codes):
    if body is None:
        body = json.dumps(examples.location(id="NEW")).encode()

    assert raw(cpo, method, url, body).codes == codes


# ------------------------------------------------------------------------------------------ push and pull
@pytest.mark.row("TRN-12", "TRN-16", "HUB-34")
def test_what_a_partner_missed_is_in_its_next_pull(cpo, emsp, deliver):
    emsp.answers.append(lambda request: httpx.Response(500))
    missed = [examples.location(id=f"LOC{n}") for n in range(3)]
    for location in missed:
        cpo.put(f"receiver/locations/NL/ABC/{location['id']}", location)
    deliver()

    assert emsp.crawl("sender/locations?limit=2") == missed


@pytest.mark.row("TRN-16", "HUB-34")
@pytest.mark.parametrize(
    "failure", [httpx.Response(500), httpx.ConnectError("refused"), httpx.ReadTimeout("slow")], ids=repr
)
def test_messages_are_not_replayed_but_the_present_state_is_put_once(cpo, emsp, deliver, failure):
    down = True

    def fail(request: httpx.Request) -> httpx.Response | None:
        if down and isinstance(failure, Exception):
            raise failure
        return httpx.Response(500) if down else None

    emsp.answers.append(fail)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    for status, moment in (("CHARGING", "09"), ("BLOCKED", "10"), ("OUTOFORDER", "11")):
        cpo.patch(
            "receiver/locations/NL/ABC/LOC1/EVSE1",
            {"status": status, "last_updated": f"2026-03-01T{moment}:00:00Z"},
        )
        deliver()
    down = False
    emsp.calls.clear()
    for _ in range(3):
        later()
        deliver()

    state = cpo.get("receiver/locations/NL/ABC/LOC1").data
    assert state["evses"][0]["status"] == "OUTOFORDER"
    assert [(call.method, call.path, call.body) for call in emsp.calls] == [
        ("PUT", "/receiver/locations/NL/ABC/LOC1", state)
    ]


@pytest.mark.row("TRN-17")
def test_when_a_partner_is_back_the_hub_pulls_from_when_it_went(cpo, emsp, deliver):
    emsp.lists["tokens"] = []
    sync.pull_platform(emsp.platform.pk, "tokens", full=True)
    down = [httpx.Response(503)] * (lanebreaker.FAILURES_TO_OPEN + 1)
    emsp.answers.append(lambda request: down.pop() if down else None)
    for n in range(lanebreaker.FAILURES_TO_OPEN):
        cpo.put(f"receiver/locations/NL/ABC/LOC{n}", examples.location(id=f"LOC{n}"))
    deliver()
    liveness.ask(emsp.platform.pk)
    went = Platform.objects.get(pk=emsp.platform.pk)
    assert went.status == "OFFLINE"

    later()
    deliver()

    assert Platform.objects.get(pk=emsp.platform.pk).status == "CONNECTED"
    emsp.calls.clear()
    pullplans.run(pullplans.claim(timezone.now()))
    assert [call.method for call in emsp.calls] == ["GET"]
    asked_from = httpx.URL(emsp.calls[0].url).params["date_from"]
    assert asked_from < went.offline_since.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.row("TRN-13")
def test_polling_is_hourly_with_a_start_by_chance(network, settings):
    peer = Peer(network)
    peer.invitation()
    peer.post()
    plan = PullPlan.objects.get(platform=peer.platform_id, module="locations")
    now = timezone.now()

    waits = [pullplans.next_pull(plan.interval, now) - now - timedelta(hours=1) for _ in range(2)]

    assert waits[0] != waits[1]
    assert all(timedelta() <= wait <= timedelta(seconds=settings.HUB_PULL_JITTER) for wait in waits)


@pytest.mark.row("TRN-15")
def test_one_broken_object_does_not_keep_its_neighbours_out(cpo, emsp, caplog):
    broken = examples.location(id="BROKEN", coordinates={"latitude": "north", "longitude": "4.12345"})
    cpo.lists["locations"] = [examples.location(id="A"), broken, examples.location(id="B")]

    with caplog.at_level(logging.WARNING):
        sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert emsp.get("sender/locations").data == [examples.location(id="A"), examples.location(id="B")]
    refused = RefusedObject.objects.get()
    assert refused.object_key == "NL*ABC/BROKEN"
    assert refused.reason.startswith("$.coordinates.latitude: ")
    assert "locations NL*ABC/BROKEN of NL*ABC is refused: $.coordinates.latitude" in caplog.text


@pytest.mark.row("TRN-18", "HUB-35")
@pytest.mark.parametrize(
    ("receiver", "pushed_to"),
    [
        ("https://msp.example/a/b", "/a/b/NL/ABC/LOC1"),
        ("https://msp.example/a/b/", "/a/b/NL/ABC/LOC1"),
        ("https://msp.example/in?key=1&x=y", "/in/NL/ABC/LOC1?key=1&x=y"),
        ("https://msp.example:8443/caf%C3%A9", "/caf%C3%A9/NL/ABC/LOC1"),
    ],
)
def test_a_partner_is_called_at_the_urls_it_told(cpo, emsp, deliver, receiver, pushed_to):
    Endpoint.objects.filter(platform=emsp.platform, module="locations", role="RECEIVER").update(url=receiver)

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert [call.path for call in emsp.calls] == [pushed_to]


@pytest.mark.row("TRN-18", "HUB-35")
@pytest.mark.parametrize("sender", ["https://abc.example/odd/", "https://abc.example/list?tenant=7"])
def test_a_list_is_read_at_the_url_the_partner_told(cpo, sender):
    Endpoint.objects.filter(platform=cpo.platform, module="locations", role="SENDER").update(url=sender)

    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    called = httpx.URL(cpo.calls[0].url)
    assert called.path == httpx.URL(sender).path
    assert {**httpx.URL(sender).params}.items() <= {**called.params}.items()


# ----------------------------------------------------------------------------------------- cardinality
@pytest.mark.row("TRN-20")
def test_null_is_as_if_the_field_were_not_there(cpo):
    """charging_when_closed then has its default, and evses are none."""
    with_nulls = examples.location(charging_when_closed=None, evses=None, name=None, facilities=None)
    without = examples.location(id="LOC2")
    del without["evses"]

    assert cpo.put("receiver/locations/NL/ABC/LOC1", with_nulls).codes == (201, 1000)
    assert cpo.put("receiver/locations/NL/ABC/LOC2", without).codes == (201, 1000)

    one, two = (cpo.get(f"receiver/locations/NL/ABC/LOC{n}").data for n in (1, 2))
    assert {name: value for name, value in one.items() if value is not None} | {"id": "LOC2"} == two
    evse = examples.evse(last_updated="2026-03-02T00:00:00Z")
    assert [cpo.put(f"receiver/locations/NL/ABC/LOC{n}/EVSE1", evse).codes for n in (1, 2)] == [
        (201, 1000)
    ] * 2


@pytest.mark.row("TRN-21")
@pytest.mark.parametrize("connectors", [[], None])
def test_a_list_of_at_least_one_may_not_be_empty(cpo, connectors):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    with nothing_changes():
        answered = cpo.put(
            "receiver/locations/NL/ABC/LOC1/EVSE1",
            examples.evse(connectors=connectors, last_updated="2026-03-02T00:00:00Z"),
        )

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.connectors: ")


# ---------------------------------------------------------------------------------- unknown addresses
UNKNOWN = [
    "/ocpi",
    "/ocpi/",
    "/ocpi//versions",
    "/ocpi/versions/x",
    "/ocpi/nonsense",
    "/ocpi/9.9/sender/locations",
    "/ocpi/2.2.1/sender",
    "/ocpi/2.2.1/receiver/",
    "/ocpi/2.2.1/locations",
    "/ocpi/2.2.1/sender/invoices",
    "/ocpi/2.2.1/sender/nonsense/x",
    "/ocpi/2.2.1/receiver/nonsense/NL/ABC/1",
    "/ocpi/2.2.1/credentials/x",
    "/ocpi/2.2.1/../../admin/",
    "/ocpi/%00",
    "/ocpi/%FF",
    "/ocpi/2.2.1/sender/locations%0Ax",
    "/ocpix",
]


@pytest.mark.row("RSP-04", "UID-02")
@pytest.mark.parametrize("url", UNKNOWN)
def test_unknown_addresses_are_answered_in_an_envelope_to_everyone(cpo, url):
    said = {"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}

    with nothing_changes():
        answers = [
            enveloped(send(method, url, b"{}", token=token, **said))
            for method in (*METHODS, "OPTIONS", "TRACE", "NONSENSE")
            for token in (cpo.token, None)
        ]

    assert {answered.codes for answered in answers} == {(404, 2000)}
    assert {answered.headers["X-Request-ID"] for answered in answers} == {"r-1"}
    assert {answered.headers["X-Correlation-ID"] for answered in answers} == {"c-1"}


@pytest.mark.parametrize("path", ["versions", "2.2.1", "2.2.1/credentials", "2.2.1/sender/locations"])
def test_addresses_with_and_without_a_slash_are_the_same(cpo, path):
    assert cpo.get(f"/ocpi/{path}").codes == (200, 1000)
    assert cpo.get(f"/ocpi/{path}/").codes == (200, 1000)
