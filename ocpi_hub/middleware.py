"""What every request is counted by, and Django's middleware for the pages that people look at.

Partners' requests pass the latter by: they have no session, no user and no messages, and looking for them would cost
each request a share of its time.
"""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from ocpi_hub import metrics
from ocpi_hub.protocol.envelope import StatusCode

KNOWN_CODES = frozenset(map(int, StatusCode))
METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE", "HEAD", "OPTIONS")


class MeasureMiddleware:
    """Counts each request and how long it took; stands outermost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        module = module_of(request.path_info)
        method = request.method if request.method in METHODS else "other"
        told = said(int(getattr(response, "status_code_ocpi", 0)))
        metrics.requests.labels(module, method, str(response.status_code), told).inc()
        metrics.request_duration.labels(module).observe(time.perf_counter() - began)
        return response


def said(status_code: int) -> str:
    """An OCPI status code, of one that a relayed answer made up its thousand alone: there are only so many."""
    if not status_code:
        return ""
    return str(status_code) if status_code in KNOWN_CODES else f"{status_code // 1000}xxx"


def module_of(path: str) -> str:
    """Which of the modules a path is of, or which other part of the hub: there are only so many."""
    first, *rest = path.lstrip("/").split("/", 4)
    if first != "ocpi":
        return first if first in ("admin", "static", "metrics", "healthz", "readyz") else "other"
    named = (part for part in rest[:3] if part in settings.OCPI_MODULES or part == "credentials")
    return next(named, "versions" if len(rest) < 3 else "other")


class ForPeople(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/ocpi/"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[return-value]  # the stubs know of coroutines as well


class SessionMiddleware(ForPeople, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(ForPeople, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPeople, messages.MessageMiddleware):
    pass
