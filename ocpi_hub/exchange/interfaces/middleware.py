"""Every answer below /ocpi is an envelope that repeats the caller's message ids, whoever made it.

Errors elsewhere are envelopes as well, outside the pages for people: whoever mistypes a path is a partner.
"""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ocpi_hub.exchange.exceptions import NOTHING_HERE
from ocpi_hub.exchange.interfaces import requestfailures
from ocpi_hub.journal import recording
from ocpi_hub.logs import current_ids, current_private
from ocpi_hub.protocol.envelope import StatusCode, envelope
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.masking import private_values

logger = logging.getLogger(__name__)

FOR_PEOPLE = ("/admin", "/static/")
MESSAGES = {
    400: "the request cannot be read",
    404: NOTHING_HERE,
    405: "this method is not available here",
    413: "the body is too large",
}


class OCPIMiddleware:
    """Stands outermost, so that an error page of Django never reaches a partner."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/ocpi"):
            response = self.get_response(request)
            fine = response.status_code < 400 or request.path_info.startswith(FOR_PEOPLE)
            return response if fine else in_envelope(response)
        at, started = time.time(), time.monotonic()
        ids = MessageIDs.from_headers(request.headers)
        request.message_ids = ids  # type: ignore[attr-defined]
        mark = current_ids.set(ids)
        hidden = current_private.set(lambda: private_values(request.body, path=request.get_full_path()))
        try:
            response = self.get_response(request)
            if not is_json(response):
                requestfailures.outside(request, response.status_code)
                response = in_envelope(response)
        finally:
            current_private.reset(hidden)
            current_ids.reset(mark)
        for name, value in ids.as_headers().items():
            response[name] = value
        recording.came_in(request, response, ids, at, time.monotonic() - started)
        return response


def is_json(response: HttpResponseBase) -> bool:
    return bool(response.get("Content-Type", "").startswith("application/json"))


def in_envelope(response: HttpResponseBase) -> HttpResponseBase:
    """The response itself, or an envelope in its place when it is not JSON."""
    if is_json(response):
        return response
    status = response.status_code if response.status_code >= 400 else 404
    code = StatusCode.SERVER_ERROR if status >= 500 else StatusCode.CLIENT_ERROR
    message = MESSAGES.get(status, "the hub failed on this request" if status >= 500 else "refused")
    headers = {"Allow": response["Allow"]} if "Allow" in response else {}
    return HttpResponse(
        envelope(code, status_message=message),
        status=status,
        content_type="application/json",
        headers=headers,
    )
