"""One try of a delivery, and the decision what comes after it; lanes.py says whose turn it is.

pack()          what is to be sent: the request as it came in, or the state of the part
attempt()       one try, the first and every later one alike
judge()         pure: what an answer means
next_attempt()  pure: when to try again, or that it is given up
"""

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.conf import settings

from ocpi_hub.exchange import store, transports
from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.exchange.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.routing import closed, hub_party, owner_in, reader_at
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.directory import directory
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


def next_attempt(
    result: Result, tries: int, schedule: list[int], now: datetime, jitter: float, *, endless: bool = False
) -> Decision:
    """When a delivery that failed is tried again. `tries` counts the failed one, `jitter` is from 0 to 1.

    An endless one goes on at the schedule's last interval.
    """
    if result.verdict is not Verdict.TEMPORARY or (tries > len(schedule) and not endless):
        return Decision(None)
    wait = timedelta(seconds=schedule[min(tries, len(schedule)) - 1])
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
        refused=verdict is Verdict.TEMPORARY and _is_of_the_receiver(answer),
        retry_after=retry_after(answer.headers.get("Retry-After"), now),
    )


def _is_of_the_receiver(answer: Answer) -> bool:
    """A hub that is well, and cannot bring it to the party behind it."""
    return 200 <= answer.http_status < 300 and 4000 <= (answer.status_code or 0) < 5000


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
    model: type[OwnedObject] | None  # None: a result that goes to a response_url
    endpoint: str | None  # None: the partner no longer has the interface
    document: str | None = None  # the whole object, where its state is sent; None: it is gone
    deleted: bool = False  # its owner deleted it
    withdrawn: str = ""  # why it is not to be sent any more


def pack(platform: Platform, deliveries: list[Delivery]) -> list[Parcel]:
    """What a batch of deliveries needs: one look at the endpoints and one at the documents of each module.

    A change after this look is no loss: it has made a delivery of its own.
    """
    endpoints = directory.get(("receivers", platform.pk), lambda: _receivers(platform)) or {}
    results = [delivery.row_id for delivery in deliveries if delivery.module == Callback.MODULE]
    urls = dict(Callback.objects.filter(pk__in=results).values_list("pk", "response_url"))
    models = owned_models()
    documents = _documents([delivery for delivery in deliveries if not _as_it_came(delivery)])
    withdrawn = _withdrawn(platform, deliveries, models)
    return [
        _parcel(
            delivery, models, urls if delivery.module == Callback.MODULE else endpoints, documents
        )._replace(withdrawn=withdrawn.get(delivery.pk, ""))
        for delivery in deliveries
    ]


def _receivers(platform: Platform) -> dict[str, str]:
    """The URLs of its Receiver interfaces, by module."""
    return dict(platform.endpoints.filter(role=Endpoint.Role.RECEIVER).values_list("module", "url"))


def _withdrawn(
    platform: Platform, deliveries: list[Delivery], models: dict[str, type[OwnedObject]]
) -> dict[int, str]:
    """Why some of them are not to be sent any more: the agreement is gone by which they were made out."""
    terms = Terms.of({delivery.to_party for delivery in deliveries})
    found = {}
    for delivery in deliveries:
        model, owner = models.get(delivery.module), owner_in(delivery.parent_key)
        if model is None or not model.routed or terms.allow(owner.key, delivery.to_party, delivery.module):
            continue
        if other := _other_reader(platform, delivery, model, owner.key):
            delivery.to_party = other
            Delivery.objects.filter(pk=delivery.pk).update(to_party=other)
        else:
            found[delivery.pk] = str(closed(owner, PartyRef.parse(delivery.to_party), delivery.module))
    return found


def _other_reader(platform: Platform, delivery: Delivery, model: type[OwnedObject], owner: str) -> str | None:
    """Another party of the platform that an object for everybody may go to."""
    if delivery.message.audience:
        return None
    receiver = reader_at(platform, model, delivery.variant, owner, Terms.of([owner]))
    return receiver.party if receiver else None


def _parcel(
    delivery: Delivery,
    models: dict[str, type[OwnedObject]],
    addresses: dict[Any, str],
    documents: dict[tuple[str, int], str | None],
) -> Parcel:
    if delivery.module == Callback.MODULE:
        return Parcel(delivery, None, addresses.get(delivery.row_id))
    mark = (delivery.module, delivery.row_id)
    return Parcel(
        delivery,
        models[delivery.module],
        addresses.get(delivery.module),
        documents.get(mark),
        deleted=mark in documents and documents[mark] is None,
    )


def _documents(deliveries: list[Delivery]) -> dict[tuple[str, int], str | None]:
    found: dict[tuple[str, int], str | None] = {}
    for module in {delivery.module for delivery in deliveries}:
        rows = [delivery.row_id for delivery in deliveries if delivery.module == module]
        documents = store.documents(owned_models()[module], rows)
        found |= {(module, row_id): document for row_id, document in documents.items()}
    return found


def _as_it_came(delivery: Delivery) -> bool:
    if delivery.module == Callback.MODULE:
        return True
    return delivery.exact and delivery.tries == 0 and delivery.message.body is not None


def is_kept(delivery: Delivery) -> bool:
    """Whether it is tried until the partner has it: what never changes, such as a CDR, is never covered later."""
    model = owned_models().get(delivery.module)
    return bool(model and model.immutable)


def _content(parcel: Parcel) -> tuple[str, bytes | None] | None:
    """Method and body: the request as it came in on the first try, the part's present state on later ones.

    None when there is nothing to send any more.
    """
    delivery = parcel.delivery
    if _as_it_came(delivery):
        return delivery.message.method, (delivery.message.body or "").encode()
    if parcel.deleted:
        return "DELETE", None
    if parcel.document is None or parcel.model is None:
        return None
    body = store.part_of(parcel.model, parcel.document, parts(delivery))
    return (parcel.model.push_method, body) if body is not None else None


def parts(delivery: Delivery) -> tuple[str, ...]:
    """The ids of the part below the object."""
    return _segments(delivery)[3:]


def _routing(parcel: Parcel) -> Routing | None:
    """To the party that gets it; from the hub, or from the party whose message goes to that one alone."""
    if parcel.model and not parcel.model.routed:
        return None
    sender = parcel.delivery.message.from_party
    return Routing(
        to=PartyRef.parse(parcel.delivery.to_party),
        sender=PartyRef.parse(sender) if sender else hub_party(),
    )


def attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """Send it once. Never raises for what a partner does or fails to do."""
    delivery = parcel.delivery
    if parcel.withdrawn:
        return Result(Verdict.GONE, parcel.withdrawn)
    if parcel.endpoint is None:
        return Result(Verdict.PERMANENT, "the partner has no Receiver endpoint for this module any more")
    content = _content(parcel)
    if content is None:
        return Result(Verdict.GONE, "the object is no longer in the hub")
    method, body = content
    url = _url(parcel, method)
    ids = MessageIDs(delivery.message.request_id, delivery.message.correlation_id).child()
    try:
        client = transports.client_for(platform)
    except UnreadableSecret as error:
        return Result(Verdict.TEMPORARY, f"our token for this partner: {error}")
    transports.release_connection()
    try:
        answer = client.request(
            method, url, ids=ids, routing=_routing(parcel), body=body, total_timeout=longest(platform)
        )
    except CallFailed as error:
        verdict = Verdict.PERMANENT if error.permanent else Verdict.TEMPORARY
        return Result(verdict, str(error), method, url, ids)
    token = "" if answer.ok else platform.token  # of interest only where a complaint may repeat it
    result = _in_context(parcel, answer, judge(answer, now, token))._replace(method=method, url=url, ids=ids)
    may_lack_it = method == "PATCH" or delivery.key != delivery.parent_key
    if result.verdict is Verdict.PERMANENT and may_lack_it and parcel.model:
        return _after_refused_change(client, parcel, parcel.model, result)
    return result


def longest(platform: Platform) -> float:
    """Seconds that it has to take a delivery: never more than the hub's own, which leases are measured by."""
    return min(platform.seconds_to_answer, settings.HUB_TOTAL_TIMEOUT)


def _in_context(parcel: Parcel, answer: Answer, result: Result) -> Result:
    """What an answer means for this delivery, where that differs from what it says."""
    is_result = parcel.delivery.module == Callback.MODULE
    if is_result and 200 <= answer.http_status < 300 and answer.status_code is None:
        # Many providers answer at a response_url without an envelope.
        return result._replace(verdict=Verdict.DELIVERED)
    if result.verdict is Verdict.PERMANENT and _lacks_it_anyway(parcel, answer):
        return result._replace(verdict=Verdict.DELIVERED, outcome=f"it has none of it: {result.outcome}")
    if _is_in_doubt(parcel.delivery) and result.verdict is Verdict.PERMANENT and says_it_is_there(answer):
        return result._replace(verdict=Verdict.DELIVERED, outcome=f"it has it already: {result.outcome}")
    return result


def _is_in_doubt(delivery: Delivery) -> bool:
    """Whether a POST of it went out before, from the lane or by relay, and nobody knows what became of it."""
    sent_before = delivery.tries > 0 or not (delivery.exact or delivery.message.bulk)
    return sent_before and is_kept(delivery)


def _lacks_it_anyway(parcel: Parcel, answer: Answer) -> bool:
    """A DELETE of what the partner does not have."""
    return parcel.deleted and answer.http_status in (404, 410)


_THERE_ALREADY = re.compile(r"already|duplicate|twice", re.IGNORECASE)
_EXISTS = re.compile(r"exist", re.IGNORECASE)
# As in: the token does not exist.
_NO = re.compile(r"\b(no|not|cannot|unknown)\b|n't\b", re.IGNORECASE)


def says_it_is_there(answer: Answer) -> bool:
    """After a POST without an answer, the refusal to take the same again is the answer."""
    message = answer.status_message or ""
    said = _THERE_ALREADY.search(message) or (_EXISTS.search(message) and not _NO.search(message))
    return answer.http_status == 409 or bool(said)


def _after_refused_change(
    client: PlatformClient, parcel: Parcel, model: type[OwnedObject], result: Result
) -> Result:
    """A refused PATCH or part: look whether the partner has the object at all, then PUT what it lacks (MET-04)."""
    delivery = parcel.delivery
    if delivery.tries > 1:
        return result
    url = _with_variant(model, join(parcel.endpoint or "", *_segments(delivery)[:3]), delivery)
    ids = (result.ids or MessageIDs.new()).child()
    try:
        answer = client.request(
            "GET", url, ids=ids, routing=_routing(parcel), total_timeout=settings.HUB_TOTAL_TIMEOUT / 3
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


def _url(parcel: Parcel, method: str) -> str:
    """Where it goes: to the object below the endpoint; a POST to the endpoint itself, or the response_url."""
    endpoint = parcel.endpoint or ""
    if parcel.model is None or method == "POST":
        return endpoint
    return _with_variant(parcel.model, join(endpoint, *_segments(parcel.delivery)), parcel.delivery)


def _with_variant(model: type[OwnedObject], url: str, delivery: Delivery) -> str:
    """The endpoint may have a query of its own, to which a Token's type is added."""
    if not delivery.variant or not model.variant_in_query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{model.variant_field}={delivery.variant}"
