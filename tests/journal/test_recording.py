"""Every request in and out becomes a hop, whatever came of it (ocpi_hub/journal/recording.py)."""

import json

import httpx
import pytest

from ocpi_hub import background
from ocpi_hub.journal import recording
from ocpi_hub.journal.models import Hop
from ocpi_hub.protocol.headers import authorization
from tests import examples

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}


def hops(**filters):
    background.flush()
    return list(Hop.objects.filter(**filters).order_by("at", "id"))


def test_a_push_and_its_delivery_are_two_hops_of_one_correlation(cpo, emsp, deliver):
    session = examples.session(id="S1")
    cpo.put(S1, session, **IDS)
    deliver()

    came, went = hops(correlation_id="correlation-1")

    assert (came.direction, came.method, came.url) == ("IN", "PUT", f"/ocpi/2.2.1/{S1}")
    assert (came.module, came.interface, came.kind) == ("sessions", "receiver", "drivers")
    assert (came.platform_id, came.from_party, came.to_party) == (cpo.platform.pk, "NL*ABC", "")
    assert (came.request_id, came.remote) == ("request-1", "127.0.0.1")
    assert (came.http_status, came.status_code, came.failure) == (201, 1000, "")
    assert json.loads(came.request_body) == session
    assert came.request_size == len(json.dumps(session))
    assert json.loads(came.answer_body)["status_code"] == 1000
    assert (went.direction, went.method, went.url) == (
        "OUT", "PUT", "https://msp.example/receiver/sessions/NL/ABC/S1",
    )  # fmt: skip
    assert (went.module, went.interface, went.kind) == ("sessions", "receiver", "drivers")
    assert (went.platform_id, went.from_party, went.to_party) == (emsp.platform.pk, "NL*ABC", "DE*MSP")
    assert went.delivery_id is not None
    assert went.request_id not in ("", "request-1")
    assert (went.http_status, went.status_code) == (200, 1000)
    assert "session:NL/ABC/S1" in came.refs
    assert set(came.refs) == set(went.refs)


def test_what_the_hub_refuses_is_a_hop_as_well(cpo, emsp):
    cpo.put(S1, b"{no json", **IDS)
    cpo.request("PUT", "nowhere/at/all", {"kwh": 1}, **{"X-Correlation-ID": "correlation-2"})

    malformed, lost = hops(direction="IN")

    assert (malformed.http_status, malformed.status_code, malformed.request_body) == (400, 2000, "{no json")
    assert malformed.refs == ["session:NL/ABC/S1", "S1"]
    assert (lost.http_status, lost.module, lost.kind, lost.platform_id) == (404, "nowhere", "drivers", None)


def test_of_an_unknown_caller_the_address_is_kept_and_not_what_it_sent(cpo, emsp):
    cpo.token = "a-token-that-nobody-knows"
    cpo.put(S1, examples.session(id="S1"), **IDS)

    (hop,) = hops()

    assert (hop.http_status, hop.platform_id, hop.remote, hop.request_id) == (
        401,
        None,
        "127.0.0.1",
        "request-1",
    )
    assert (hop.request_body, hop.request_size > 500, hop.from_party) == ("", True, "NL*ABC")
    assert "not known to this hub" in hop.answer_body


def test_unknown_callers_cannot_fill_the_journal(cpo, emsp, monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(recording, "strangers", recording.Strangers(2, lambda: now[0]))
    token, cpo.token = cpo.token, "a-token-that-nobody-knows"
    for _ in range(5):
        cpo.get("receiver/sessions/NL/ABC/S1")
    now[0] = 61
    cpo.get("receiver/sessions/NL/ABC/S2")
    cpo.token = token
    cpo.get("receiver/sessions/NL/ABC/S3")

    assert [hop.url[-2:] for hop in hops()] == ["S1", "S1", "S2", "S3"]
    assert "3 requests of unknown callers are not in the journal" in caplog.text


def test_no_token_of_either_side_is_in_any_column(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"))
    emsp.answers.append(lambda request: httpx.Response(401, text=f"no: {request.headers['Authorization']}"))
    deliver()
    background.flush()

    (answer,) = [hop.answer_body for hop in hops(direction="OUT")]
    stored = json.dumps([list(map(str, row)) for row in Hop.objects.values_list()])

    assert answer == "no: Token ***"
    for token in (cpo.token, emsp.token, "token-of-msp"):
        assert token not in stored
        assert authorization(token).removeprefix("Token ") not in stored
