"""What happened to a request whose result comes later, from one end to the other; apps show it on their pages."""

from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.journeys import link_to
from ocpi_hub.exchange.admin.pages import SHORT_STATES, link, pretty, table
from ocpi_hub.exchange.models import Callback, Delivery, Message
from ocpi_hub.exchange.relays.callbacks import ACCEPTED, results_of

Step = tuple[Any, ...]


def trace(callback: Callback) -> SafeString:
    """A line for each thing that happened, in their order."""
    return table([*_steps(callback)], "at", "what", "in words", "as it came")


def _steps(callback: Callback) -> Iterator[Step]:
    asked = format_html(
        "from {} to {}, {} {}",
        callback.from_party,
        callback.to_party,
        callback.correlation_id,
        link_to(callback.correlation_id),
    )
    yield _step(callback.created_at, "request", asked, _content(callback.request))
    if callback.status_code is not None:
        yield _step(callback.answered_at, "direct answer", answer_of(callback), _content(callback.reply))
    results = results_of(callback)
    for message in results:
        yield _step(message.created_at, "result", _went_to(message), _content(message.body or ""))
    refused = callback.answer not in ("", ACCEPTED)
    if callback.result and refused:
        yield _step(callback.result_at, "result", "noted only: the request was refused", callback.result)


def _step(at: Any, what: str, words: Any, content: Any) -> Step:
    return (f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3] if at else "", what, words, content)


def _content(text: str) -> SafeString | str:
    """JSON to read, or a query as it stands."""
    return pretty(text) if text.startswith(("{", "[")) else text


def answer_of(callback: Callback) -> str:
    """The direct answer in words."""
    said = ", ".join(filter(None, [f"{callback.status_code}", callback.answer, callback.problem]))
    took = milliseconds(callback)
    return f"{said}, after {took} ms" if took is not None else said


def milliseconds(callback: Callback) -> int | None:
    """What the direct answer took."""
    if callback.answered_at is None:
        return None
    return round((callback.answered_at - callback.created_at).total_seconds() * 1000)


def _went_to(message: Message) -> SafeString | str:
    """Where it is on its way to whoever asked."""
    delivery = Delivery.objects.filter(message=message).first()
    if delivery is None:
        return "not on its way yet" if message.expanded_at is None else "for nobody: the partner has left"
    text = format_html(
        "{}", link("exchange_delivery", delivery.pk, SHORT_STATES[Delivery.State(delivery.state)])
    )
    return format_html("{} to {}: {}", text, delivery.to_party, delivery.reason) if delivery.reason else text
