"""response_url out and back (mod_commands.asciidoc, Sender POST; interpretations, P50, P51, P123).

A request whose result comes later leaves with a response_url of the hub's own. What its receiver sends there
is kept, and delivered to the response_url of whoever asked, by the lane of that partner: tried again when it
is away, and before all else that waits for it. asking.py has the two interfaces that do this.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, When
from django.db.models.functions import Cast
from django.utils import timezone

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.exceptions import NotFound, OCPIError
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Callback, Message
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.digests import digest_of
from ocpi_hub.exchange.relays import deadlines
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, check, dump, parse
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs

ACCEPTED = "ACCEPTED"
LONGEST_WAIT = timedelta(days=400)  # that an address is kept for, however far ahead a reservation ends
MOST_RESULTS = 20  # of one request that go on to whoever asked
MOST_KEPT = 20_000  # characters of a request, or of its answer, that are kept to be looked at


class Reply(NamedTuple):
    """What a direct answer says, as far as it can be read."""

    result: str = ""
    timeout: int | None = None  # seconds
    problem: str = ""


class Arrived(NamedTuple):
    """A result that came in, and the request that it belongs to."""

    callback: Callback
    result: Any  # the checked Struct
    repeated: bool  # it came before
    passed_on: bool  # it goes to whoever asked; a repetition, or one after a refusal, does not


# ----------------------------------------------------------------------------------------------- on the way out
def expect(
    route: Route,
    requester: Platform,
    module: str,
    kind: str,
    response_url: str,
    ids: MessageIDs,
    *,
    until: datetime | None = None,
    request: str = "",
) -> Callback:
    """Note a request before it is relayed. Results are taken for HUB_CALLBACK_DAYS, from `until` on if given."""
    assert route.to is not None
    assert route.party is not None
    now = clock.now()
    last = min(max(until or now, now), now + LONGEST_WAIT)
    return Callback.objects.create(
        module=module,
        kind=kind,
        secret=secrets.token_urlsafe(32),
        requester=requester,
        from_party=route.sender.key,
        receiver=route.party.platform,
        to_party=route.to.key,
        response_url=response_url,
        correlation_id=ids.correlation_id,
        request=request[:MOST_KEPT],
        created_at=now,
        awaited_until=now + deadlines.ANSWER_WITHIN,
        expires_at=last + timedelta(days=settings.HUB_CALLBACK_DAYS),
    )


def address(callback: Callback) -> str:
    """The response_url that the receiver gets: unique for each request, and of use to that receiver alone."""
    version = callback.receiver.version
    base = f"{settings.HUB_BASE_URL}/ocpi/{version}/sender/{callback.module}"
    return f"{base}/{callback.kind}/{callback.secret}"


def readdressed(body: bytes, response_url: str) -> bytes:
    """A JSON object with another response_url; all else in it, and its order, stays as it was sent."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["response_url"] = msgspec.Raw(dump(response_url))
    return msgspec.json.encode(fields)


def in_place(result: str, message: str, status_code: StatusCode = StatusCode.SUCCESS) -> OCPIError:
    """The direct answer that the hub gives by itself, where the receiver need not be asked, or cannot be."""
    return OCPIError(message, status_code, data={"result": result, "timeout": 0})


# ------------------------------------------------------------------------------------------- the direct answer
def answered(callback: Callback, answer: Answer, struct: Any) -> None:
    """Note the direct answer, whatever it is worth."""
    reply, now = read_reply(answer.data, struct), clock.now()
    result_follows = answer.ok and reply.result in ("", ACCEPTED)
    due = Cast(deadlines.result_due(now, reply.timeout) if result_follows else None, DateTimeField())
    if answer.ok and reply.problem:
        _report(callback, answer, reply.problem)
    Callback.objects.filter(pk=callback.pk).update(
        status_code=answer.status_code,
        answered_at=now,
        # Some send the result before they answer.
        awaited_until=Case(When(results=0, then=due), default=None),
        reply=answer.data.decode()[:MOST_KEPT],
        answer=reply.result[:20],
        timeout=reply.timeout,
        problem=reply.problem,
    )


def unanswered(callback: Callback, error: OCPIError) -> None:
    """Note why there is no direct answer. A result may come all the same: the receiver may have got the request."""
    Callback.objects.filter(pk=callback.pk).update(
        status_code=error.status_code, problem=str(error), awaited_until=None
    )


def _report(callback: Callback, answer: Answer, problem: str) -> None:
    evidence = Evidence(
        request=callback.request,
        http_status=answer.http_status,
        status_code=answer.status_code,
        answer=answer.body,
        secrets=(callback.secret,),
    )
    note(
        "command.unreadable_answer",
        callback.receiver_id,
        callback.module,
        f"{callback}: {problem}",
        party=callback.to_party,
        evidence=evidence,
        ids=MessageIDs("", callback.correlation_id),
    )


def read_reply(data: bytes, struct: Any) -> Reply:
    """What the data of a direct answer say; of what is not as it should be, as much as can be made out."""
    if not data or data == b"null":
        return Reply(problem="its answer has no data")
    try:
        raw = store.as_object(parse(data))
    except (InvalidObject, MalformedJSON) as fault:
        return Reply(problem=f"its answer cannot be read: {fault}")
    result, timeout = raw.get("result"), raw.get("timeout")
    reply = Reply(
        result.strip().upper() if isinstance(result, str) else "",
        max(0, timeout) if type(timeout) is int and timeout < 2**31 else None,
    )
    try:
        check(raw, struct)
    except InvalidObject as fault:
        return reply._replace(problem=f"its answer is not as it should be: {fault}")
    return reply


# ------------------------------------------------------------------------------------------------- the results
def arrive(
    module: str, kind: str, secret: str, platform: Platform, body: bytes, struct: Any, ids: MessageIDs
) -> Arrived:
    """Take a result, bare or in an envelope, and have it delivered bare. Raises NotFound, InvalidObject."""
    raw = unwrapped(store.as_object(parse(body)))
    with transaction.atomic():
        callback = _expected(module, kind, secret, platform)
        result = check(raw, struct)
        earlier = [digest_of(parse((row.body or "").encode())) for row in results_of(callback)]
        repeated = digest_of(raw) in earlier
        callback.results += 1
        callback.awaited_until = None
        if not repeated:
            callback.result, callback.result_at = result.result, timezone.now()
        callback.save(update_fields=["result", "result_at", "results", "awaited_until"])
        accepted = callback.answer in ("", ACCEPTED)
        passed_on = accepted and not repeated and len(earlier) < MOST_RESULTS
        if passed_on:
            outbox.publish_result(callback, dump(raw), ids)
    return Arrived(callback, result, repeated, passed_on)


def _expected(module: str, kind: str, secret: str, platform: Platform) -> Callback:
    found = Callback.objects.select_for_update(of=("self",)).filter(
        module=module, kind=kind, secret=secret, receiver=platform, expires_at__gt=timezone.now()
    )
    callback = found.select_related("receiver", "requester").first()
    if callback is None:
        raise NotFound("no result is expected at this address: it is of another party, or its time is over")
    return callback


def results_of(callback: Callback) -> list[Message]:
    """The results that went on to whoever asked, the first one first."""
    path = outbox.result_path(callback)
    return list(Message.objects.filter(module=Callback.MODULE, parent_key=path).order_by("id"))


def unwrapped(raw: dict[str, Any]) -> dict[str, Any]:
    """The result itself: many operators send it in an envelope (interpretations, P123)."""
    data = raw.get("data")
    return data if "result" not in raw and isinstance(data, dict) else raw
