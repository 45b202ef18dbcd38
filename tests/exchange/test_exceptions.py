"""The one place that turns an error into an envelope."""

from urllib.parse import unquote

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed, NotAuthenticated, Throttled

from ocpi_hub.exchange import exceptions
from ocpi_hub.exchange.exceptions import describe, to_envelope
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON
from ocpi_hub.protocol.envelope import StatusCode
from tests import examples

DATABASE = "the hub's database does not answer; try again in a moment"
FAULT = "the hub failed on this request; its operator can find it by these ids"


@pytest.mark.parametrize(
    ("error", "http_status", "code", "message"),
    [
        (exceptions.OCPIError("m"), 200, 2000, "m"),
        (exceptions.InvalidParameters("m"), 200, 2001, "m"),
        (exceptions.UnknownReceiver("m"), 200, 4001, "m"),
        (exceptions.HubError("m"), 200, 4000, "m"),
        (exceptions.HandshakeFailed("m"), 200, 3001, "m"),
        (exceptions.HandshakeFailed("m", StatusCode.UNSUPPORTED_VERSION), 200, 3002, "m"),
        (exceptions.NotFound("m"), 404, 2001, "m"),
        (exceptions.NotFound("m", StatusCode.UNKNOWN_LOCATION), 404, 2003, "m"),
        (exceptions.MethodUnavailable("m", ["GET"]), 405, 2000, "m"),
        (InvalidObject("$.id", "empty"), 200, 2001, "$.id: empty"),
        (MalformedJSON("m"), 400, 2000, "m"),
        (MethodNotAllowed("POST"), 405, 2000, "POST is not available here"),
        (NotAuthenticated("m"), 401, 2000, "m"),
        (Throttled(detail="m"), 429, 2000, "m"),
        (Http404("m"), 404, 2000, exceptions.NOTHING_HERE),
        (OperationalError("secret"), 503, 3000, DATABASE),
        (InterfaceError("secret"), 503, 3000, DATABASE),
        (IntegrityError("secret"), 500, 3000, FAULT),
        (KeyError("secret"), 500, 3000, FAULT),
    ],
)
def test_an_error_has_a_status_a_code_and_words(error, http_status, code, message):
    found = describe(error)

    assert found[:2] == (http_status, code)
    assert found[2].startswith(message)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (exceptions.MethodUnavailable("m", ["GET", "PUT"]), {"Allow": "GET, PUT"}),
        (Throttled(wait=3.2), {"Retry-After": "4"}),
        (OperationalError("x"), {"Retry-After": "5"}),
        (KeyError("x"), {}),
    ],
)
def test_headers_tell_what_to_do(error, headers):
    response = to_envelope(error, {})

    assert {name: response[name] for name in ("Allow", "Retry-After") if name in response} == headers


@pytest.mark.django_db
def test_a_caller_without_a_token_is_told_the_scheme():
    error = AuthenticationFailed("m")
    error.auth_header = "Token"

    assert to_envelope(error, {})["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(
    "raw",
    ["/ocpi/2.2.1/receiver%2Flocations/XX/NL/ABC/LOC1", "/ocpi%2F2.2.1/receiver/locations/X/NL/ABC/LOC1"],
)
def test_an_encoded_slash_before_the_object_shifts_nothing(cpo, raw):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    response = cpo.client.get(unquote(raw), headers=cpo.headers(), RAW_PATH=raw)

    assert (response.status_code, response.json()["status_code"]) == (404, 2000)
