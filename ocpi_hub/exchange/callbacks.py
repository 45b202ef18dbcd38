"""response_url out and back (mod_commands.asciidoc, Sender POST; interpretations, P50, P51, P123).

A request whose result comes later leaves with a response_url of the hub's own. What its receiver sends there
is kept, and delivered to the response_url of whoever asked, by the lane of that partner: tried again when it
is away, and before all else that waits for it.
"""

import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ocpi_hub.exchange import outbox, store
from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import check, dump, parse
from ocpi_hub.protocol.headers import MessageIDs

ACCEPTED = "ACCEPTED"


class Arrived(NamedTuple):
    """A result that came in, and the request that it belongs to."""

    callback: Callback
    result: Any  # the checked Struct
    passed_on: bool  # whether it goes to whoever asked; a repetition, or one after a refusal, does not


def expect(
    route: Route,
    requester: Platform,
    receiver: Platform,
    module: str,
    kind: str,
    response_url: str,
    ids: MessageIDs,
    *,
    keep: timedelta | None = None,
) -> Callback:
    """Note a request before it is relayed; results are taken for `keep`, or HUB_CALLBACK_DAYS."""
    assert route.to is not None
    return Callback.objects.create(
        module=module,
        kind=kind,
        secret=secrets.token_urlsafe(32),
        requester=requester,
        from_party=route.sender.key,
        receiver=receiver,
        to_party=route.to.key,
        response_url=response_url,
        correlation_id=ids.correlation_id,
        expires_at=timezone.now() + (keep or timedelta(days=settings.HUB_CALLBACK_DAYS)),
    )


def address(callback: Callback) -> str:
    """The response_url that the receiver gets: unique for each request, and of use to that receiver alone."""
    version = callback.receiver.version
    base = f"{settings.HUB_BASE_URL}/ocpi/{version}/sender/{callback.module}"
    return f"{base}/{callback.kind}/{callback.secret}"


def answered(callback: Callback, answer: str, timeout: int | None = None) -> None:
    """Note the direct answer."""
    Callback.objects.filter(pk=callback.pk).update(
        answer=answer[:20], timeout=timeout, answered_at=timezone.now()
    )


def unanswered(callback: Callback, problem: str) -> None:
    """Note why there is no direct answer. A result may come all the same: the receiver may have got the request."""
    Callback.objects.filter(pk=callback.pk).update(problem=problem)


def arrive(
    module: str, kind: str, secret: str, platform: Platform, body: bytes, struct: Any, ids: MessageIDs
) -> Arrived:
    """Take a result, bare or in an envelope, and have it delivered bare. Raises NotFound, InvalidObject."""
    raw = unwrapped(store.as_object(parse(body)))
    result = check(raw, struct)
    with transaction.atomic():
        found = Callback.objects.select_for_update().filter(
            module=module, kind=kind, secret=secret, receiver=platform, expires_at__gt=timezone.now()
        )
        callback = found.select_related("receiver", "requester").first()
        if callback is None:
            raise NotFound(
                "no result is expected at this address: it is of another party, or its time is over"
            )
        passed_on = callback.answer in ("", ACCEPTED) and callback.result != result.result
        callback.result, callback.result_at = result.result, timezone.now()
        callback.results += 1
        callback.save(update_fields=["result", "result_at", "results"])
        if passed_on:
            outbox.publish_result(callback, dump(raw), ids)
    return Arrived(callback, result, passed_on)


def unwrapped(raw: dict[str, Any]) -> dict[str, Any]:
    """The result itself: many operators send it in an envelope (interpretations, P123)."""
    data = raw.get("data")
    return data if "result" not in raw and isinstance(data, dict) else raw
