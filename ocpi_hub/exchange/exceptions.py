"""What can go wrong in answering a partner, and the one place that turns it into an OCPI envelope.

    OCPIError             HTTP 200   the status code of the error
      InvalidParameters              2001: something in the request is missing or wrong
      UnknownReceiver                4001: nobody here has the name in OCPI-to
      HubError                       4000: the hub cannot route this request, or the receiver failed
      Unanswered                     the receiver could not be asked, or did not answer
        NotAnswered                  4002: it was asked and said nothing in time
        NotConnected                 4003: it cannot be reached
      HandshakeFailed                3001, 3002, 3003: the caller's own endpoints cannot be used
      NotFound            HTTP 404   2001, or 2003 for a location, 2004 for a token
      MethodUnavailable   HTTP 405   2000

Parseable JSON from a registered partner on an existing resource never gets an HTTP error (status_codes.asciidoc).
"""

import logging
import math
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework.exceptions import APIException, MethodNotAllowed, Throttled
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON
from ocpi_hub.protocol.envelope import StatusCode

logger = logging.getLogger(__name__)

NOTHING_HERE = "there is nothing at this address; the version details list what there is"


class OCPIError(Exception):
    http_status = 200
    status_code = StatusCode.CLIENT_ERROR
    answer: Answer | None = None  # of a partner, for which the error stands
    reported = False  # whether it is in the error reports already

    def __init__(
        self, message: str, status_code: StatusCode | None = None, *, data: Any = None, cause: str = ""
    ) -> None:
        """`data` goes along with the error, where a module says so: the answer to a command, for one.

        `cause` says why a partner did not answer as it should (causes.py); empty: whoever asked is to blame.
        """
        super().__init__(message)
        self.data, self.cause = data, cause
        if status_code is not None:
            self.status_code = status_code


class InvalidParameters(OCPIError):
    status_code = StatusCode.INVALID_PARAMETERS


class UnknownReceiver(OCPIError):
    status_code = StatusCode.UNKNOWN_RECEIVER


class HubError(OCPIError):
    status_code = StatusCode.HUB_ERROR


class Unanswered(OCPIError):
    pass


class NotAnswered(Unanswered):
    status_code = StatusCode.TIMEOUT


class NotConnected(Unanswered):
    status_code = StatusCode.CONNECTION_PROBLEM


class HandshakeFailed(OCPIError):
    status_code = StatusCode.CLIENT_API_UNUSABLE


class NotFound(OCPIError):
    http_status = 404
    status_code = StatusCode.INVALID_PARAMETERS


class MethodUnavailable(OCPIError):
    http_status = 405
    status_code = StatusCode.CLIENT_ERROR

    def __init__(self, message: str, allowed: list[str]) -> None:
        super().__init__(message)
        self.allowed = allowed


def to_envelope(error: Exception, context: dict[str, Any]) -> Response:
    """Django REST framework's EXCEPTION_HANDLER: every error leaves as an envelope, and nothing stays half done."""
    set_rollback()
    http_status, status_code, message = describe(error)
    response = Response(getattr(error, "data", None), status=http_status)
    response.status_code_ocpi, response.message = status_code, message
    for name, value in _headers(error).items():
        response[name] = value
    return response


def describe(error: Exception) -> tuple[int, StatusCode, str]:
    """HTTP status, OCPI status code and message of an error."""
    if isinstance(error, OCPIError):
        return error.http_status, error.status_code, str(error)
    if isinstance(error, InvalidObject):
        return 200, StatusCode.INVALID_PARAMETERS, str(error)
    if isinstance(error, MalformedJSON):
        return 400, StatusCode.CLIENT_ERROR, str(error)
    if isinstance(error, MethodNotAllowed):
        return (
            405,
            StatusCode.CLIENT_ERROR,
            f"{error.args[0] if error.args else 'this method'} is not available here",
        )
    if isinstance(error, APIException):
        return error.status_code, StatusCode.CLIENT_ERROR, str(error.detail)
    if isinstance(error, Http404):
        return 404, StatusCode.CLIENT_ERROR, NOTHING_HERE
    if isinstance(error, SuspiciousOperation):
        return 400, StatusCode.CLIENT_ERROR, "the request cannot be read: too many fields, or too large"
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database does not answer: %s", error)
        return 503, StatusCode.SERVER_ERROR, "the hub's database does not answer; try again in a moment"
    logger.exception("a request failed inside the hub")
    return (
        500,
        StatusCode.SERVER_ERROR,
        "the hub failed on this request; its operator can find it by these ids",
    )


def _headers(error: Exception) -> dict[str, str]:
    headers: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(error, MethodUnavailable):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, Throttled) and error.wait:
        headers["Retry-After"] = str(math.ceil(error.wait))
    if isinstance(error, OperationalError | InterfaceError):
        headers["Retry-After"] = "5"
    return headers
