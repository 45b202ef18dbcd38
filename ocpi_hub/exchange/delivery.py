"""One try of a delivery, and the decision what comes after it; lanes.py says whose turn it is.

pack()          what is to be sent: the request as it came in, or the state of the part
attempt()       one try, the first and every later one alike
judge()         pure: what an answer means
next_attempt()  pure: when to try again, or that it is given up
"""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote

from django.conf import settings

from ocpi_hub.exchange import store, transports
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.routing import hub_party
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient, join
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.types import PartyRef

LONGEST_WAIT = timedelta(days=1)  # that a partner's Retry-After may ask for


class Verdict(Enum):
    DELIVERED = "delivered"
    TEMPORARY = "temporary"  # the same may go through later
    PERMANENT = "permanent"  # the same will never go through
    GONE = "gone"  # there is nothing to send any more


class Result(NamedTuple):
    """What one try came to."""

    verdict: Verdict
    outcome: str  # in plain words, for the operator
    method: str = ""
    url: str = ""
    ids: MessageIDs | None = None
    http_status: int | None = None
    status_code: int | None = None
    seconds: float = 0.0
    retry_after: timedelta | None = None
    silent: bool = False  # the partner could not be reached or did not answer
    widen: bool = False  # the partner lacks the parent: send the whole object


class Decision(NamedTuple):
    """Pending again at a time, or given up when there is none."""

    at: datetime | None


def next_attempt(result: Result, tries: int, schedule: list[int], now: datetime, jitter: float) -> Decision:
    """When a delivery that failed is tried again. `tries` counts the failed one, `jitter` is from 0 to 1."""
    if result.verdict is not Verdict.TEMPORARY or tries > len(schedule):
        return Decision(None)
    wait = timedelta(seconds=schedule[tries - 1])
    wait += wait * 0.1 * jitter
    if result.retry_after is not None:
        wait = max(wait, min(result.retry_after, LONGEST_WAIT))
    return Decision(now + wait)


def judge(answer: Answer, now: datetime) -> Result:
    """What a partner's answer means: 2xxx is permanent; 3xxx, 5xx, 429, an unknown token are temporary."""
    if answer.ok:
        verdict = Verdict.DELIVERED
    elif answer.http_status in (401, 403, 408, 425, 429) or answer.http_status >= 500:
        verdict = Verdict.TEMPORARY
    elif answer.http_status >= 300:
        verdict = Verdict.TEMPORARY if answer.http_status < 400 else Verdict.PERMANENT
    elif answer.status_code is None:
        verdict = Verdict.TEMPORARY  # HTTP 2xx without an envelope: some proxy's page
    else:
        verdict = Verdict.PERMANENT if 2000 <= answer.status_code < 3000 else Verdict.TEMPORARY
    return Result(
        verdict,
        describe(answer),
        http_status=answer.http_status,
        status_code=answer.status_code,
        seconds=answer.duration,
        retry_after=retry_after(answer.headers.get("Retry-After"), now),
    )


def describe(answer: Answer) -> str:
    if answer.ok:
        return "accepted"
    if answer.http_status == 401:
        return "HTTP 401: the partner does not know our token; it must register again or give us a new one"
    if answer.envelope is None:
        return f"HTTP {answer.http_status} without an OCPI envelope"
    return f"HTTP {answer.http_status}, {answer.status_code}: {(answer.status_message or 'no message')[:500]}"


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The header as a time to wait; seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    if header.strip().isdigit():
        return timedelta(seconds=min(int(header.strip()[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta())


def jitter() -> float:
    return random.random()  # noqa: S311  # spreads retries; nothing to guess


# ------------------------------------------------------------------------------------------------- one try
class Parcel(NamedTuple):
    """What is to be sent, read from the database before the HTTP begins."""

    delivery: Delivery
    method: str
    body: bytes | None  # None: the object is gone
    endpoint: str | None  # None: the partner no longer has the interface


def pack(platform: Platform, delivery: Delivery) -> Parcel:
    """The request as it came in on the first try, the part's present state on every later one."""
    model = owned_models()[delivery.module]
    endpoint = platform.endpoint(delivery.module, Endpoint.Role.RECEIVER)
    if delivery.exact and delivery.tries == 0 and delivery.message.body is not None:
        return Parcel(delivery, delivery.message.method, delivery.message.body.encode(), endpoint)
    return Parcel(delivery, "PUT", store.current(model, delivery.row_id, parts(delivery)), endpoint)


def parts(delivery: Delivery) -> tuple[str, ...]:
    """The ids of the part below the object."""
    return _segments(delivery)[3:]


def attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """Send it once. Never raises for what a partner does or fails to do."""
    delivery = parcel.delivery
    if parcel.endpoint is None:
        return Result(Verdict.PERMANENT, "the partner has no Receiver endpoint for this module any more")
    if parcel.body is None:
        return Result(Verdict.GONE, "the object is no longer in the hub")
    model = owned_models()[delivery.module]
    url = join(parcel.endpoint, *_segments(delivery)) + _query(model, delivery)
    ids = MessageIDs(delivery.message.request_id, delivery.message.correlation_id).child()
    routing = Routing(to=PartyRef.parse(delivery.to_party), sender=hub_party())
    client = transports.client_for(platform)
    transports.release_connection()
    try:
        answer = client.request(parcel.method, url, ids=ids, routing=routing, body=parcel.body)
    except CallFailed as error:
        verdict = Verdict.PERMANENT if error.permanent else Verdict.TEMPORARY
        return Result(verdict, str(error), parcel.method, url, ids, silent=True)
    result = judge(answer, now)._replace(method=parcel.method, url=url, ids=ids)
    if result.verdict is Verdict.PERMANENT and (
        parcel.method == "PATCH" or delivery.key != delivery.parent_key
    ):
        return _after_refused_change(client, parcel, result)
    return result


def _after_refused_change(client: PlatformClient, parcel: Parcel, result: Result) -> Result:
    """A refused PATCH or part: look whether the partner has the object at all, then PUT what it lacks (MET-04)."""
    delivery = parcel.delivery
    if delivery.tries > 1:
        return result
    model = owned_models()[delivery.module]
    whole = _segments(delivery)[:3]
    url = join(parcel.endpoint or "", *whole) + _query(model, delivery)
    ids = (result.ids or MessageIDs.new()).child()
    routing = Routing(to=PartyRef.parse(delivery.to_party), sender=hub_party())
    try:
        answer = client.request("GET", url, ids=ids, routing=routing, total_timeout=settings.HUB_TOTAL_TIMEOUT / 3)
    except CallFailed:
        return result._replace(verdict=Verdict.TEMPORARY)
    missing = answer.http_status == 404 or not answer.ok
    return result._replace(
        verdict=Verdict.TEMPORARY,
        widen=missing,
        retry_after=None,
        outcome=f"{result.outcome}; "
        + ("it lacks the object, which follows whole" if missing else "its state follows"),
    )


def _segments(delivery: Delivery) -> tuple[str, ...]:
    return tuple(unquote(segment) for segment in delivery.path.split("/"))


def _query(model: type[OwnedObject], delivery: Delivery) -> str:
    return f"?{model.variant_field}={delivery.variant}" if delivery.variant else ""
