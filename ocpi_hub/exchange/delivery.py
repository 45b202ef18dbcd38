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
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient, join
from ocpi_hub.protocol.headers import MessageIDs, Routing, authorization
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
    refused: bool = False  # the partner is well, and refuses this: what it lacks follows
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
        wait = max(wait, result.retry_after)
    return Decision(now + wait)


def judge(answer: Answer, now: datetime, token: str = "") -> Result:
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
        describe(answer, token),
        http_status=answer.http_status,
        status_code=_four_digits(answer.status_code),
        seconds=answer.duration,
        retry_after=retry_after(answer.headers.get("Retry-After"), now),
    )


def _four_digits(status_code: int | None) -> int | None:
    """As OCPI has them; any other number is told in the outcome only, where it needs no column that holds it."""
    return status_code if status_code is not None and 0 <= status_code <= 9999 else None


def describe(answer: Answer, token: str = "") -> str:
    if answer.ok:
        return "accepted"
    if answer.http_status == 401:
        return "HTTP 401: the partner does not know our token; it must register again or give us a new one"
    if answer.envelope is None:
        return f"HTTP {answer.http_status} without an OCPI envelope"
    message = masked(answer.status_message or "no message", token)
    return f"HTTP {answer.http_status}, {answer.status_code}: {message[:500]}"


def masked(text: str, token: str) -> str:
    """Without the token that we sent, which some partners repeat in their complaint about it."""
    for secret in (token, authorization(token).partition(" ")[2]):
        text = text.replace(secret, "***") if secret else text
    return text.replace("\x00", "")


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The header as a time to wait; seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # No one waits longer than this anyway, and a timedelta does not hold every number.
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), LONGEST_WAIT)


def jitter() -> float:
    return random.random()  # noqa: S311  # spreads retries; nothing to guess


# ------------------------------------------------------------------------------------------------- one try
class Parcel(NamedTuple):
    """What is to be sent, read from the database before the HTTP begins."""

    delivery: Delivery
    endpoint: str | None  # None: the partner no longer has the interface
    document: str | None  # the whole object, where its state is sent; None: it is gone


def pack(platform: Platform, deliveries: list[Delivery]) -> list[Parcel]:
    """What a batch of deliveries needs: one look at the endpoints and one at the documents of each module.

    A change after this look is no loss: it has made a delivery of its own.
    """
    endpoints = dict(platform.endpoints.filter(role=Endpoint.Role.RECEIVER).values_list("module", "url"))
    documents = _documents([delivery for delivery in deliveries if not _as_it_came(delivery)])
    return [
        Parcel(delivery, endpoints.get(delivery.module), documents.get((delivery.module, delivery.row_id)))
        for delivery in deliveries
    ]


def _documents(deliveries: list[Delivery]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for module in {delivery.module for delivery in deliveries}:
        rows = [delivery.row_id for delivery in deliveries if delivery.module == module]
        documents = store.documents(owned_models()[module], rows)
        found |= {(module, row_id): document for row_id, document in documents.items()}
    return found


def _as_it_came(delivery: Delivery) -> bool:
    return delivery.exact and delivery.tries == 0 and delivery.message.body is not None


def _content(parcel: Parcel) -> tuple[str, bytes | None]:
    """Method and body: the request as it came in on the first try, the part's present state on later ones."""
    delivery = parcel.delivery
    if _as_it_came(delivery):
        return delivery.message.method, (delivery.message.body or "").encode()
    if parcel.document is None:
        return "PUT", None
    return "PUT", store.part_of(owned_models()[delivery.module], parcel.document, parts(delivery))


def parts(delivery: Delivery) -> tuple[str, ...]:
    """The ids of the part below the object."""
    return _segments(delivery)[3:]


def attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """Send it once. Never raises for what a partner does or fails to do."""
    delivery = parcel.delivery
    if parcel.endpoint is None:
        return Result(Verdict.PERMANENT, "the partner has no Receiver endpoint for this module any more")
    method, body = _content(parcel)
    if body is None:
        return Result(Verdict.GONE, "the object is no longer in the hub")
    model = owned_models()[delivery.module]
    url = _url(model, parcel.endpoint, delivery, _segments(delivery))
    ids = MessageIDs(delivery.message.request_id, delivery.message.correlation_id).child()
    routing = Routing(to=PartyRef.parse(delivery.to_party), sender=hub_party())
    try:
        token, client = platform.token, transports.client_for(platform)
    except UnreadableSecret as error:
        return Result(Verdict.TEMPORARY, f"our token for this partner: {error}")
    transports.release_connection()
    try:
        answer = client.request(method, url, ids=ids, routing=routing, body=body)
    except CallFailed as error:
        verdict = Verdict.PERMANENT if error.permanent else Verdict.TEMPORARY
        return Result(verdict, str(error), method, url, ids)
    result = judge(answer, now, token)._replace(method=method, url=url, ids=ids)
    if result.verdict is Verdict.PERMANENT and (method == "PATCH" or delivery.key != delivery.parent_key):
        return _after_refused_change(client, parcel, result)
    return result


def _after_refused_change(client: PlatformClient, parcel: Parcel, result: Result) -> Result:
    """A refused PATCH or part: look whether the partner has the object at all, then PUT what it lacks (MET-04)."""
    delivery = parcel.delivery
    if delivery.tries > 1:
        return result
    model = owned_models()[delivery.module]
    whole = _segments(delivery)[:3]
    url = _url(model, parcel.endpoint or "", delivery, whole)
    ids = (result.ids or MessageIDs.new()).child()
    routing = Routing(to=PartyRef.parse(delivery.to_party), sender=hub_party())
    try:
        answer = client.request(
            "GET", url, ids=ids, routing=routing, total_timeout=settings.HUB_TOTAL_TIMEOUT / 3
        )
    except CallFailed:
        return result._replace(verdict=Verdict.TEMPORARY)
    # A partner that has the object and refuses this part of its state needs more than the part again.
    missing = not answer.ok or result.method == "PUT"
    return result._replace(
        verdict=Verdict.TEMPORARY,
        refused=True,
        widen=missing,
        retry_after=None,
        outcome=f"{result.outcome}; " + ("the whole object follows" if missing else "its state follows"),
    )


def _segments(delivery: Delivery) -> tuple[str, ...]:
    return tuple(unquote(segment) for segment in delivery.path.split("/"))


def _url(model: type[OwnedObject], endpoint: str, delivery: Delivery, segments: tuple[str, ...]) -> str:
    """Where it goes: the endpoint may have a query of its own, to which a Token's type is added."""
    url = join(endpoint, *segments)
    if not delivery.variant:
        return url
    return f"{url}{'&' if '?' in url else '?'}{model.variant_field}={delivery.variant}"
