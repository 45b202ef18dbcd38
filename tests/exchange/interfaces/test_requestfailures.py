"""Which refused requests are failures, and of which kind."""

import base64
import json
import logging

import httpx
import pytest
from django.http import Http404
from django.test import Client
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled

from ocpi_hub import background
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange import exceptions
from ocpi_hub.exchange.interfaces import requestfailures
from ocpi_hub.exchange.interfaces.requestfailures import kind_of
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.relays.callbacks import in_place
from ocpi_hub.logs import LineFormatter
from ocpi_hub.partners.authentication import UNKNOWN_TOKEN
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject
from ocpi_hub.protocol.envelope import StatusCode
from tests import examples
from tests.conformance.calls import to
from tests.errorreports.provoked.stage import raising

UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
SOMEBODY = Platform(pk=1, name="ABC")


def reported():
    background.flush()
    return list(ErrorReport.objects.order_by("id").values_list("kind", "platform", "module", "count"))


@pytest.mark.parametrize(
    ("error", "platform", "method", "kind"),
    [
        (AuthenticationFailed(UNKNOWN_TOKEN), None, "GET", "request.unknown_token"),
        (AuthenticationFailed("not of the form"), None, "GET", "request.no_token"),
        (NotAuthenticated("missing"), None, "GET", "request.no_token"),
        (AuthenticationFailed("register first"), SOMEBODY, "GET", "request.not_registered"),
        (Throttled(), SOMEBODY, "GET", "quota.exceeded"),
        (InvalidObject("$.id", "missing"), SOMEBODY, "PUT", "request.invalid"),
        (exceptions.InvalidParameters("date_from"), SOMEBODY, "GET", "request.invalid"),
        (exceptions.HandshakeFailed("x"), SOMEBODY, "POST", "handshake.unusable"),
        (exceptions.NotFound("no such object"), SOMEBODY, "GET", ""),
        (exceptions.NotFound("not yours"), SOMEBODY, "PUT", "request.not_its_own"),
        (exceptions.NotFound("x", StatusCode.UNKNOWN_LOCATION), SOMEBODY, "GET", ""),
        (exceptions.NotFound("x", StatusCode.UNKNOWN_TOKEN), SOMEBODY, "POST", ""),
        (exceptions.NotFound("x", StatusCode.CLIENT_ERROR), SOMEBODY, "GET", "request.nothing_there"),
        (Http404(), SOMEBODY, "GET", "request.nothing_there"),
        (in_place("UNKNOWN_SESSION", "none"), SOMEBODY, "POST", ""),
        (in_place("REJECTED", "x", StatusCode.INVALID_PARAMETERS), SOMEBODY, "POST", "request.refused"),
        (exceptions.HubError("goes no further"), SOMEBODY, "PUT", "request.not_routed"),
        (KeyError("x"), SOMEBODY, "PUT", "hub.fault"),
    ],
)
def test_a_refused_request_has_a_kind_unless_nothing_failed(error, platform, method, kind):
    assert kind_of(error, platform, method) == kind
    assert kind in {*KINDS, ""}


def test_a_flood_of_refused_pushes_is_one_report(emsp):
    for _ in range(30):
        assert emsp.put(UID, examples.token(valid="yes")).codes == (200, 2001)

    assert reported() == [("request.invalid", emsp.platform.pk, "tokens", 30)]


def test_what_was_sent_and_answered_is_shown_without_the_drivers_token(emsp):
    emsp.put(UID, examples.token(valid="yes"))
    background.flush()

    report = ErrorReport.objects.get()
    assert (report.method, report.url) == ("PUT", "/ocpi/2.2.1/receiver/tokens/DE/MSP/***")
    assert '"uid": "***"' in report.request
    assert (report.http_status, report.status_code, report.party) == (200, 2001, "DE*MSP")
    assert report.text in report.answer.replace("\\", "")


def test_the_token_that_the_partner_calls_with_is_not_shown_where_it_sends_it_once_more(emsp):
    once = base64.b64encode(emsp.token.encode()).decode()
    emsp.put(f"{UID}?key={emsp.token}", examples.token(valid="yes", issuer=emsp.token, note=f"Token {once}"))
    background.flush()

    report = ErrorReport.objects.get()
    assert report.url == "/ocpi/2.2.1/receiver/tokens/DE/MSP/***?key=***"
    assert (json.loads(report.request)["issuer"], json.loads(report.request)["note"]) == ("***", "Token ***")


def test_a_request_that_is_relayed_and_fails_is_told_of_once_and_of_whoever_failed(cpo, emsp):
    emsp.answers.append(raising(httpx.ConnectError))

    assert cpo.get("sender/tokens", **to("DE*MSP")).codes == (200, 4003)
    assert reported() == [("relay.unreachable", emsp.platform.pk, "tokens", 1)]


def test_a_list_of_a_party_that_is_away_is_told_of_as_well(cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(status="OFFLINE")

    assert cpo.get("sender/tokens", **to("DE*MSP")).codes == (200, 4003)
    assert reported() == [("relay.not_connected", emsp.platform.pk, "tokens", 1)]


def test_an_object_that_a_receiver_has_not_is_no_failure(cpo, emsp):
    cpo.answers.append(lambda request: httpx.Response(404, json={"status_code": 2003, "timestamp": "x"}))

    assert cpo.get("receiver/locations/NL/ABC/LOC1").codes == (404, 2003)
    assert reported() == []


def test_who_calls_with_an_unknown_token_is_named_by_its_address_alone(emsp):
    emsp.token = "of-yesterday"
    emsp.put(UID, examples.token())
    background.flush()

    report = ErrorReport.objects.get()
    assert (report.kind, report.platform_id, report.request) == ("request.unknown_token", None, "")
    assert report.text == f"from 127.0.0.1: {UNKNOWN_TOKEN}"


def test_a_fault_in_reporting_changes_no_answer(emsp, monkeypatch, caplog):
    monkeypatch.setattr(requestfailures, "note", lambda *_, **__: 1 / 0)

    assert emsp.put(UID, examples.token(valid="yes")).codes == (200, 2001)
    assert "missing in the error reports" in caplog.text


# -------------------------------------------------------------------------------------------------- the log
@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(LineFormatter())
    return caplog


def test_an_error_that_names_what_it_met_does_not_name_the_drivers_token(emsp, log, monkeypatch):
    def stumble(*_, **__):
        raise KeyError("04A1B2C3D4 of DE-MSP-C00000001-1")

    monkeypatch.setattr("ocpi_hub.exchange.interfaces.views.store.put", stumble)
    emsp.client = Client(raise_request_exception=False)
    emsp.put(UID, examples.token())

    assert "KeyError: '*** of ***'" in log.text


# ------------------------------------------------------------------------------------------- what stays hidden
def columns():
    background.flush()
    report = ErrorReport.objects.get()
    return " ".join([report.text, report.subject, report.url, report.request, report.answer])


def test_the_uid_is_hidden_whatever_the_provider_calls_its_endpoint(cpo, emsp):
    emsp.platform.endpoints.filter(module="tokens").update(url="https://msp.example/cards")
    emsp.answers.append(lambda request: httpx.Response(500, text=f"no {request.url.path}, 04a1b2c3d4"))

    assert cpo.post("sender/tokens/04A1B2C3D4/authorize", **to("DE*MSP")).codes == (200, 4000)
    told = columns()
    assert "https://msp.example/cards/***/authorize" in told
    assert "04a1b2c3d4" not in told.lower()


PROFILE = "receiver/chargingprofiles/SESSION1?duration=60&response_url="


def test_a_response_url_in_a_query_is_hidden_from_the_reports(cpo, emsp):
    cpo.answers.append(lambda request: httpx.Response(500, text=f"no {request.url.query.decode()}"))

    secret = "https%3A%2F%2Fmsp.example%2Fresults%2Fonly-for-me"
    assert emsp.get(f"{PROFILE}{secret}", **to("NL*ABC")).codes == (200, 4000)
    callback = Callback.objects.get()
    told = columns()
    assert "chargingprofiles/SESSION1?duration=60&response_url=…" in told
    assert callback.secret not in told
    assert "only-for-me" not in told


def test_so_it_is_where_the_hub_refuses_the_request(cpo, emsp):
    secret = "https%3A%2F%2Fmsp.example%2Fresults%2Fonly-for-me"
    assert cpo.get(f"{PROFILE}{secret}", **to("NL*ABC")).codes == (200, 2001)

    told = columns()
    assert "chargingprofiles/SESSION1?duration=60&response_url=…" in told
    assert "only-for-me" not in told


def test_the_address_of_a_result_is_hidden_as_well(cpo, emsp):
    assert cpo.post("sender/commands/START_SESSION/not-of-this-time", {"result": "ACCEPTED"}).codes == (
        404,
        2001,
    )

    told = columns()
    assert "/ocpi/2.2.1/sender/commands/START_SESSION/***" in told
    assert "not-of-this-time" not in told
