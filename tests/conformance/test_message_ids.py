"""UID rows: X-Request-ID and X-Correlation-ID."""

import pytest

from ocpi_hub.exchange.pulls import sync
from tests import examples
from tests.conformance.calls import enveloped, raw, send
from tests.conformance.peers import Peer

pytestmark = pytest.mark.django_db

LOC1 = "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1"
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}


@pytest.mark.row("UID-02")
@pytest.mark.parametrize(
    ("method", "url", "body", "http_status"),
    [
        ("GET", "/ocpi/versions", b"", 200),
        ("GET", "/ocpi/2.2.1/sender/locations", b"", 200),
        ("PUT", LOC1, b"{}", 200),
        ("PUT", LOC1, b"{", 400),
        ("GET", LOC1, b"", 404),
        ("GET", "/ocpi/nothing", b"", 404),
        ("DELETE", LOC1, b"", 405),
        ("HEAD", LOC1, b"", 405),
    ],
)
def test_answers_repeat_the_ids_of_their_request(cpo, method, url, body, http_status):
    response = send(method, url, body, **cpo.headers(), **IDS)

    assert response.status_code == http_status
    assert {name: response.headers[name] for name in IDS} == IDS


@pytest.mark.row("UID-02")
def test_a_refused_token_is_answered_with_the_ids_too(cpo):
    answered = enveloped(send("GET", LOC1, token="unknown.token", **IDS))

    assert answered.codes == (401, 2000)
    assert {name: answered.headers[name] for name in IDS} == IDS


@pytest.mark.row("UID-02")
@pytest.mark.parametrize("value", ["", " ", "x" * 256, "a\nb", "a\x00b", "ä"])
def test_ids_that_cannot_be_repeated_are_replaced(cpo, value):
    """A line feed would split the headers of the answer and of every call that follows."""
    answered = raw(cpo, "GET", "/ocpi/versions", **{"X-Request-ID": value})

    assert answered.http_status == 200
    assert len(answered.headers["X-Request-ID"]) == 36


def test_ids_are_no_keys_so_a_repeated_one_is_no_repeated_request(cpo):
    assert cpo.put(LOC1, examples.location(), **IDS).codes == (201, 1000)
    assert cpo.put(LOC1, examples.location(id="loc1"), **IDS).codes == (200, 1000)


@pytest.mark.row("UID-01")
def test_no_two_calls_of_the_hub_have_the_same_request_id(cpo, emsp, stranger, deliver):
    cpo.page_size, cpo.lists["locations"] = 3, [examples.location(id=f"P{n}") for n in range(9)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    deliver()
    cpo.put(LOC1, examples.location(), **IDS)
    deliver()

    calls = [call for partner in (cpo, emsp, stranger) for call in partner.calls]
    assert len(calls) == 3 + 2 * 9 + 2
    assert len({call.headers["X-Request-ID"] for call in calls} | {"request-1"}) == len(calls) + 1
    assert all(call.headers["X-Correlation-ID"] for call in calls)


@pytest.mark.row("UID-03", "UID-04")
def test_a_broadcast_keeps_the_correlation_and_gets_new_request_ids(cpo, emsp, stranger, deliver):
    cpo.put(LOC1, examples.location(), **IDS)
    deliver()

    [one], [two] = emsp.received(), stranger.received()
    assert one.headers["X-Correlation-ID"] == two.headers["X-Correlation-ID"] == "correlation-1"
    assert len({one.headers["X-Request-ID"], two.headers["X-Request-ID"], "request-1"}) == 3


@pytest.mark.row("UID-06")
def test_the_handshake_carries_ids_too(network):
    peer = Peer(network)
    peer.invitation()

    answered = peer.post()

    assert len({call.headers["X-Request-ID"] for call in peer.calls}) == 2
    assert {call.headers["X-Correlation-ID"] for call in peer.calls} == {answered.headers["X-Correlation-ID"]}
