"""What comes in and goes out is noted here, and written a moment later by background.py (writing.py).

Nothing here waits, and nothing here fails a request: what cannot be noted is lost, counted and told in the log.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase, RawPostDataException, UnreadablePostError

from ocpi_hub.background import Writer
from ocpi_hub.journal import writing
from ocpi_hub.journal.budget import budget
from ocpi_hub.journal.models import LONGEST_BODY, LONGEST_REFUSED
from ocpi_hub.journal.seen import MOST_HELD, Seen
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import Call
from ocpi_hub.protocol.headers import MessageIDs, authorization, token_candidates

logger = logging.getLogger(__name__)

MOST_WAITING = 64_000_000  # bytes of hops that wait to be written, in one process
UNKNOWN_CALLERS = 300  # requests a minute of callers that we do not know: they must not fill the disk

# By their names in WSGI; the Authorization header is never among them.
REQUEST_HEADERS = {
    "HTTP_OCPI_FROM_COUNTRY_CODE": "OCPI-from-country-code",
    "HTTP_OCPI_FROM_PARTY_ID": "OCPI-from-party-id",
    "HTTP_OCPI_TO_COUNTRY_CODE": "OCPI-to-country-code",
    "HTTP_OCPI_TO_PARTY_ID": "OCPI-to-party-id",
    "CONTENT_TYPE": "Content-Type",
    "HTTP_USER_AGENT": "User-Agent",
}

_delivery: ContextVar[int | None] = ContextVar("delivery", default=None)
_is_check: ContextVar[bool] = ContextVar("is_check", default=False)

writer: Writer[Seen] = Writer(
    "journal", writing.write, most=20_000, weight=Seen.weight, most_weight=MOST_WAITING
)


@contextmanager
def of_delivery(delivery_id: int) -> Iterator[None]:
    """What goes out meanwhile is tried for this delivery."""
    mark = _delivery.set(delivery_id)
    try:
        yield
    finally:
        _delivery.reset(mark)


@contextmanager
def checking() -> Iterator[None]:
    """What goes out meanwhile is a check of the hub's own: whether a partner is there, or holds what it got."""
    mark = _is_check.set(True)
    try:
        yield
    finally:
        _is_check.reset(mark)


def came_in(
    request: HttpRequest, response: HttpResponseBase, ids: MessageIDs, at: float, seconds: float
) -> None:
    """A partner's request, and what it was answered. `at` is when it came."""
    if settings.HUB_JOURNAL == "off":
        return
    try:
        user = getattr(request, "user", None)  # on some paths one of the admin's
        platform_id = user.pk if isinstance(user, Platform) else None
        if platform_id is None and not strangers.may_pass():
            return
        writer.put(_within_budget(_came_in(request, response, ids, at, seconds, platform_id)))
    except Exception:  # noqa: BLE001  # the journal must not fail a request
        _failed()


def _came_in(
    request: HttpRequest,
    response: Any,
    ids: MessageIDs,
    at: float,
    seconds: float,
    platform_id: int | None,
) -> Seen:
    meta = request.META
    # What a caller sends that nobody knows is not kept: anybody could fill the disk with it.
    body = _body_of(request) if platform_id is not None else b""
    return Seen(
        at=at,
        is_in=True,
        platform_id=platform_id,
        module="",
        method=request.method or "",
        url=_path(meta),
        remote=meta.get("REMOTE_ADDR", ""),
        headers={shown: meta[name] for name, shown in REQUEST_HEADERS.items() if meta.get(name)},
        request=_held(body),
        request_size=_size(meta.get("CONTENT_LENGTH"), body),
        http_status=response.status_code,
        answer_headers=response.headers,
        answer=_held(response.content),
        answer_size=len(response.content),
        failure="",
        seconds=seconds,
        ids=ids,
        delivery_id=None,
        longest=LONGEST_REFUSED if _is_refused(response) else LONGEST_BODY,
        secrets=token_candidates(meta.get("HTTP_AUTHORIZATION", "")),
    )


def _is_refused(response: Any) -> bool:
    code = getattr(response, "status_code_ocpi", None) or 0
    return 400 <= response.status_code < 500 or 2000 <= code < 3000


def _within_budget(seen: Seen) -> Seen:
    """The hop itself, or told to go without its bodies; of callers that we do not know there are none of theirs."""
    if settings.HUB_JOURNAL != "full" or (seen.is_in and seen.platform_id is None):
        return seen
    sizes = (min(len(seen.request), seen.longest), min(len(seen.answer), seen.longest))
    return seen if budget.may_keep(seen.platform_id, sizes) else seen._replace(longest=0)


def _path(meta: Mapping[str, Any]) -> str:
    path: str = meta.get("RAW_PATH") or meta.get("PATH_INFO") or ""
    query = meta.get("QUERY_STRING")
    return f"{path.partition('?')[0]}?{query}" if query else path


def _size(announced: object, body: bytes) -> int:
    text = str(announced or "")
    return max(len(body), int(text) if text.isdecimal() and len(text) < 10 else 0)


def _body_of(request: HttpRequest) -> bytes:
    try:
        return request.body
    except (RequestDataTooBig, UnreadablePostError, RawPostDataException):  # and the caller was told so
        return b""


class Watch:
    """Tells the journal of the calls of one client, which uses this token."""

    def __init__(self, platform_id: int | None, token: str, module: str = "") -> None:
        """`module` where it is known beforehand, as in a handshake."""
        self.platform_id, self.module = platform_id, module
        # Some partners repeat what we sent in their complaint about it.
        self.secrets = (token, authorization(token).partition(" ")[2])

    def __call__(self, call: Call) -> None:
        if settings.HUB_JOURNAL == "off":
            return
        try:
            writer.put(_within_budget(self._went_out(call)))
        except Exception:  # noqa: BLE001  # the journal must not fail a call
            _failed()

    def _went_out(self, call: Call) -> Seen:
        answer = call.answer
        return Seen(
            at=time.time() - call.seconds,
            is_in=False,
            platform_id=self.platform_id,
            module=self.module,
            method=call.method,
            url=call.url,
            remote="",
            headers=call.routing.as_headers() if call.routing else {},
            request=_held(call.body or b""),
            request_size=len(call.body or b""),
            http_status=answer.http_status if answer else None,
            answer_headers=answer.headers if answer else {},
            answer=_held(answer.body) if answer else b"",
            answer_size=len(answer.body) if answer else 0,
            failure=_reason(call),
            seconds=call.seconds,
            ids=call.ids,
            delivery_id=_delivery.get(),
            is_check=_is_check.get(),
            secrets=self.secrets,
        )


def _reason(call: Call) -> str:
    if call.answer:
        return ""
    return f"{type(call.failure).__name__}: {call.failure}" if call.failure else "a fault of the hub"


def _held(body: bytes) -> bytes:
    """The body itself, while it is not so large that its waiting would cost too much memory."""
    return body if len(body) <= MOST_HELD else body[:MOST_HELD]


class Strangers:
    """So many requests a minute of callers that we do not know; the others are counted, and told in the log."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.clock = most, clock
        self.passed, self.left_out = 0, 0
        self.until = float("-inf")

    def may_pass(self) -> bool:
        if self.clock() > self.until:
            if self.left_out:
                logger.warning("%d requests of unknown callers are not in the journal", self.left_out)
            self.passed, self.left_out, self.until = 0, 0, self.clock() + 60
        if self.passed < self.most:
            self.passed += 1
            return True
        self.left_out += 1
        return False


strangers = Strangers(UNKNOWN_CALLERS)


def _failed() -> None:
    """Once a minute is enough: whatever fails here may fail for every request."""
    global _told_at
    if time.monotonic() - _told_at > 60:
        _told_at = time.monotonic()
        logger.exception("a hop is not in the journal: a fault of the hub")


_told_at = float("-inf")
