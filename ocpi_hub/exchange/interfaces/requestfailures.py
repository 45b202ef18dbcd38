"""Requests that the hub answered with an error, as error reports; the answer itself is made by exceptions.py.

A partner that asks for something which is not there has been answered, and nothing has failed.
"""

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from rest_framework.exceptions import APIException, AuthenticationFailed, MethodNotAllowed, Throttled
from rest_framework.response import Response

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange import exceptions
from ocpi_hub.exchange.exceptions import (
    HandshakeFailed,
    HubError,
    InvalidParameters,
    MethodUnavailable,
    NotFound,
    OCPIError,
    UnknownReceiver,
)
from ocpi_hub.exchange.relays import relayfailures
from ocpi_hub.partners.authentication import UNKNOWN_TOKEN
from ocpi_hub.partners.claims import ClaimRefused
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.throttling import TooManyAtOnce
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, dump
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import token_candidates

logger = logging.getLogger(__name__)

NOTHING_FAILED = ""
LONGEST_QUOTED = 40  # characters of a segment of the URL that an answer repeats
READING = ("GET", "HEAD", "OPTIONS")

# By the class of the error; the first one that fits.
_KINDS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((TooManyAtOnce,), "quota.at_once"),
    ((Throttled,), "quota.exceeded"),
    ((MethodUnavailable, MethodNotAllowed), "request.method"),
    ((InvalidObject, InvalidParameters), "request.invalid"),
    ((MalformedJSON,), "request.unreadable"),
    ((UnknownReceiver,), "request.unknown_receiver"),
    ((HubError,), "request.not_routed"),
    ((OCPIError, SuspiciousOperation), "request.refused"),
    ((OperationalError, InterfaceError), "hub.database"),
    ((Exception,), "hub.fault"),
)
_HANDSHAKE = {
    StatusCode.UNSUPPORTED_VERSION: "handshake.version",
    StatusCode.ENDPOINTS_MISSING: "handshake.endpoints",
}


def to_envelope(error: Exception, context: dict[str, Any]) -> Response:
    """Django REST framework's EXCEPTION_HANDLER: the answer, and the error in the reports."""
    response = exceptions.to_envelope(error, context)
    try:
        _report(error, context, response)
    except Exception:
        logger.exception("a refused request is missing in the error reports, by a fault of the hub")
    return response


def _report(error: Exception, context: dict[str, Any], response: Response) -> None:
    view, request = context["view"], context["request"]._request
    # Never `request.user`, which would ask anew whose token it is.
    platform = context["request"].__dict__.get("_user")
    if isinstance(error, OCPIError) and error.cause:
        relayfailures.unanswered(view.route, view.question(), request.message_ids, error)
    elif kind := kind_of(error, platform, request.method):
        _note(kind, error, platform, view, request, response)


def kind_of(error: Exception, platform: Platform | None, method: str) -> str:
    """The kind of failure that an error is; empty when nothing has failed."""
    if own := getattr(error, "kind", ""):
        return str(own)
    if isinstance(error, APIException) and error.status_code in (401, 403):
        return _of_stranger(error) if platform is None else "request.not_registered"
    if isinstance(error, HandshakeFailed):
        return _HANDSHAKE.get(error.status_code, "handshake.unusable")
    if isinstance(error.__cause__, ClaimRefused):
        return "handshake.party_refused"
    if isinstance(error, NotFound | Http404):
        return _of_address(error, method)
    if isinstance(error, OCPIError) and error.data is not None and error.status_code == StatusCode.SUCCESS:
        return NOTHING_FAILED  # the hub's own answer to a command
    return next(kind for classes, kind in _KINDS if isinstance(error, classes))


def _of_stranger(error: APIException) -> str:
    is_unknown = isinstance(error, AuthenticationFailed) and str(error.detail) == UNKNOWN_TOKEN
    return "request.unknown_token" if is_unknown else "request.no_token"


def _of_address(error: Exception, method: str) -> str:
    """Whoever asks for an object that is not there is answered; who asks at an address of nothing is lost."""
    code = error.status_code if isinstance(error, OCPIError) else StatusCode.CLIENT_ERROR
    if code in (StatusCode.UNKNOWN_TOKEN, StatusCode.UNKNOWN_LOCATION):
        return NOTHING_FAILED
    if code == StatusCode.CLIENT_ERROR:
        return "request.nothing_there"
    return NOTHING_FAILED if method in READING else "request.not_its_own"


def _note(
    kind: str,
    error: Exception,
    platform: Platform | None,
    view: Any,
    request: HttpRequest,
    response: Response,
) -> None:
    said = str(getattr(response, "message", ""))
    if kind == "hub.fault":
        said = f"{type(error).__name__}: {said}"
    route = getattr(view, "route", None)
    note(
        kind,
        platform.pk if platform else None,
        getattr(view, "module", "") or "credentials",
        said if platform else f"from {request.META.get('REMOTE_ADDR', '')}: {said}",
        party=route.sender.key if route else "",
        evidence=Evidence(
            request.method or "",
            relayfailures.without_response_url(request.get_full_path()),
            _body(request) if platform else None,
            response.status_code,
            getattr(response, "status_code_ocpi", None),
            dump({"status_code": int(getattr(response, "status_code_ocpi", 0)), "status_message": said}),
            tuple(_secrets(view, request)),
        ),
        ids=request.message_ids,  # type: ignore[attr-defined]
    )


def _secrets(view: Any, request: HttpRequest) -> Iterator[str]:
    """What is masked besides what a Token's address and the body show."""
    # Some partners send their token once more: in a URL of theirs, in a field of their own.
    yield from token_candidates(request.headers.get("Authorization", ""))
    segments = [unquote(segment) for segment in request.path.split("/")]
    if getattr(view, "has_secret_addresses", False):
        yield segments[-1] or segments[-2]
    yield from (segment[:LONGEST_QUOTED] for segment in segments if len(segment) > LONGEST_QUOTED)


def _body(request: HttpRequest) -> bytes | None:
    try:
        return request.body
    except Exception:  # noqa: BLE001  # whatever is wrong with it has been answered
        return None


def unread(peer: str, scope: dict[str, Any], http_status: int, message: str) -> None:
    """A request that ended before its body was there (server.py), so nobody has looked whose it is."""
    evidence = Evidence(scope["method"], scope["path"], http_status=http_status)
    note("request.too_large", None, "", f"from {peer}: {message}", evidence=evidence)


def outside(request: HttpRequest, http_status: int) -> None:
    """A request that no view of OCPI's has seen: an address of nothing, or a fault on the way."""
    kind = "hub.fault" if http_status >= 500 else "request.nothing_there"
    note(
        kind,
        None,
        "",
        f"from {request.META.get('REMOTE_ADDR', '')}: answered with HTTP {http_status}",
        evidence=Evidence(
            request.method or "",
            relayfailures.without_response_url(request.get_full_path()),
            http_status=http_status,
        ),
        ids=request.message_ids,  # type: ignore[attr-defined]
    )
