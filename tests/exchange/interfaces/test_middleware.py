"""Every answer below /ocpi is an envelope."""

import json

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory

from ocpi_hub.exchange.exceptions import NOTHING_HERE
from ocpi_hub.exchange.interfaces.middleware import OCPIMiddleware
from ocpi_hub.logs import current_ids

IDS = {"HTTP_X_REQUEST_ID": "r-1", "HTTP_X_CORRELATION_ID": "c-1"}


def answer(response, path="/ocpi/x"):
    seen = []

    def get_response(request):
        seen.append(current_ids.get())
        if isinstance(response, Exception):
            raise response
        return response

    answered = OCPIMiddleware(get_response)(RequestFactory().get(path, **IDS))
    return answered, seen[0]


@pytest.mark.parametrize(
    ("given", "status", "code", "message"),
    [
        (HttpResponse("<h1>", status=404), 404, 2000, NOTHING_HERE),
        (HttpResponse("<h1>", status=400), 400, 2000, "the request cannot be read"),
        (HttpResponse("<h1>", status=405), 405, 2000, "this method is not available here"),
        (HttpResponse("<h1>", status=413), 413, 2000, "the body is too large"),
        (HttpResponse("<h1>", status=418), 418, 2000, "refused"),
        (HttpResponse("<h1>", status=500), 500, 3000, "the hub failed on this request"),
        (HttpResponse("<h1>", status=503), 503, 3000, "the hub failed on this request"),
        (HttpResponse("<h1>", status=200), 404, 2000, NOTHING_HERE),
        (HttpResponse(status=302, headers={"Location": "/"}), 404, 2000, NOTHING_HERE),
    ],
)
def test_what_is_no_json_becomes_an_envelope(given, status, code, message):
    response, _ = answer(given)

    body = json.loads(response.content)
    assert (response.status_code, body["status_code"], body["status_message"]) == (status, code, message)
    assert response["Content-Type"] == "application/json"
    assert (response["X-Request-ID"], response["X-Correlation-ID"]) == ("r-1", "c-1")


def test_json_passes_as_it_is_with_the_callers_ids():
    given = JsonResponse({"a": 1}, status=201)
    response, ids = answer(given)

    assert response is given
    assert (response["X-Request-ID"], response["X-Correlation-ID"]) == ("r-1", "c-1")
    assert ids == ("r-1", "c-1")
    assert current_ids.get() is None


def test_other_addresses_are_left_alone():
    given = HttpResponse("<h1>", status=404)
    response, ids = answer(given, "/admin/")

    assert response is given
    assert "X-Request-ID" not in response
    assert ids is None


def test_ids_are_forgotten_after_a_fault():
    with pytest.raises(ValueError, match="x"):
        answer(ValueError("x"))

    assert current_ids.get() is None
