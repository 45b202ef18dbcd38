"""The journey of a message: what came in, what was stored, whom it is for, and each try with what was answered.

Hops are the journal's (journal/searching.py); messages, deliveries, attempts and callbacks are what the exchange made
of them. All that has one X-Correlation-ID is one journey; journeywords.py tells it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Model, Q

from ocpi_hub.exchange.journeys import journeywords as words
from ocpi_hub.exchange.journeys.journeywords import Said, Tone
from ocpi_hub.exchange.models import Attempt, Callback, Delivery, Message
from ocpi_hub.journal.models import Hop
from ocpi_hub.journal.searching import hops_of
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.masking import private_values

EARLIEST = datetime.min.replace(tzinfo=UTC)
MOST = 500  # messages, deliveries or attempts of one journey


class Step(NamedTuple):
    """One thing that happened."""

    at: datetime
    said: Said
    hop: Hop | None = None
    row: Model | None = None  # of the exchange, where more is told


class Journey(NamedTuple):
    correlation_id: str
    steps: list[Step]  # in the order of time
    private: frozenset[str]  # values that name a driver
    known: int  # hops that the journal has of it

    @property
    def is_cut(self) -> bool:
        """Whether these are its first hops only."""
        return len(self.hops) < self.known

    @property
    def hops(self) -> list[Hop]:
        return [step.hop for step in self.steps if step.hop]

    @property
    def tone(self) -> Tone:
        """Of all together: the worst that came of it."""
        tones = {step.said.tone for step in self.steps}
        return next((tone for tone in (Tone.BAD, Tone.WAITING) if tone in tones), Tone.GOOD)


def journey(correlation_id: str) -> Journey:
    """All that has this correlation id, and the results of what it asked for."""
    hops = hops_of(correlation_id)
    # A result may have come under another one than its request.
    its = Q(correlation_id__in=sorted({correlation_id, *(hop.correlation_id for hop in hops)}))
    known = Hop.objects.filter(its).count()
    messages = list(Message.objects.filter(its).select_related("source").order_by("id")[:MOST])
    callbacks = list(Callback.objects.filter(its).order_by("id")[:MOST])
    attempts = list(Attempt.objects.filter(its).order_by("at")[:MOST])
    by_request = {attempt.request_id: attempt for attempt in attempts}
    names = platforms([*hops, *attempts])
    seen = {hop.request_id for hop in hops}
    came = {hop.request_id: hop.at for hop in hops if hop.direction == Hop.Direction.IN}
    began = min(came.values(), default=EARLIEST)
    steps = [
        *(Step(hop.at, words.of_hop(hop, names, by_request.get(hop.request_id)), hop) for hop in hops),
        *(
            Step(attempt.at, words.of_attempt(attempt, names), row=attempt)
            for attempt in attempts
            if attempt.request_id not in seen and len(hops) == known
        ),
        *_stored(messages, came),
        *(Step(max(row.created_at, began), words.of_callback(row), row=row) for row in callbacks),
    ]
    steps.sort(key=lambda step: step.at)
    return Journey(correlation_id, steps, frozenset(_private(hops, messages)), known)


def _stored(messages: list[Message], came: dict[str, datetime]) -> Iterator[Step]:
    """Nothing is stored before it came in, though the clocks of two machines may say so; `came` is by request id."""
    found = Delivery.objects.filter(message__in=[message.pk for message in messages]).select_related(
        "platform"
    )
    deliveries = list(found.order_by("id")[:MOST])
    for message in messages:
        its = [delivery for delivery in deliveries if delivery.message_id == message.pk]
        at = max(message.created_at, came.get(message.request_id, EARLIEST))
        yield Step(at, words.of_message(message, its, _carriers(message, its)), row=message)
        for delivery in its:
            # One that was waiting already carries this message now.
            yield Step(max(delivery.created_at, at), words.of_delivery(delivery), row=delivery)


def _carriers(message: Message, its: list[Delivery]) -> int:
    """How many deliveries of the same object go on with a newer message, where none is left with this one."""
    if its or message.expanded_at is None:
        return 0
    same = Delivery.objects.filter(module=message.module, parent_key=message.parent_key)
    return same.filter(message_id__gt=message.pk).count()


def platforms(rows: Iterable[Hop | Attempt]) -> dict[int, str]:
    """Their names."""
    ids = {row.platform_id for row in rows if row.platform_id}
    return dict(Platform.objects.filter(pk__in=ids).values_list("pk", "name"))


def _private(hops: list[Hop], messages: list[Message]) -> Iterator[str]:
    for hop in hops:
        yield from private_values(hop.request_body, hop.answer_body, path=hop.url)
        yield from in_names(hop)
    for message in messages:
        yield from private_values(message.body, path=f"/{message.module}/{message.path}")


def in_names(hop: Hop) -> Iterator[str]:
    """The drivers' tokens and contracts that a hop is found by."""
    for name in hop.refs:
        if name.startswith(("token:", "contract:")):
            yield name.partition(":")[2].rpartition("/")[2]


def outside_the_journal(text: str) -> list[str]:
    """The correlation id itself, where only messages, attempts or requests for a result still know it."""
    correlation_id = text.strip().removeprefix("correlation:")
    known = any(
        model.objects.filter(correlation_id=correlation_id).exists() for model in (Message, Attempt, Callback)
    )
    return [correlation_id] if correlation_id and known else []
