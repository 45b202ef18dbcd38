"""What journeys have come to, in one line each, for a list: how it stands now, and not what came first.

What is delivered stands as its deliveries do, what was asked for as its result does, all else as it was answered.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import connection

from ocpi_hub.exchange.journeys import journeywords as words
from ocpi_hub.exchange.journeys.journeywords import Tone
from ocpi_hub.exchange.models import Callback, Delivery
from ocpi_hub.journal.models import Hop

MOST_MESSAGES = 10  # of one journey, the newest: one correlation id may have as many as its sender likes
LONGEST_ANSWER = 4_000  # bytes; a verdict is short
MOST_NAMED = 3  # partners
State = Delivery.State


class Ending(NamedTuple):
    text: str
    tone: Tone


class Journeys(NamedTuple):
    """What is known of several, by correlation id: their hops, and what the exchange made of them."""

    hops: dict[str, list[Hop]]
    names: dict[int, str]  # of platforms
    deliveries: dict[str, list[Delivery]]
    unseen: set[str]  # those with a message that no worker has seen yet
    callbacks: dict[str, Callback]

    @classmethod
    def of(cls, hops: dict[str, list[Hop]], names: dict[int, str]) -> "Journeys":
        deliveries, unseen = _deliveries(list(hops))
        callbacks = Callback.objects.filter(correlation_id__in=list(hops)).order_by("id")
        return cls(hops, names, deliveries, unseen, {row.correlation_id: row for row in callbacks})


def endings(known: Journeys) -> dict[str, Ending]:
    found = {correlation_id: _by_the_exchange(correlation_id, known) for correlation_id in known.hops}
    answered = [correlation_id for correlation_id, ending in found.items() if not ending]
    said = _verdicts(_answering(known.hops[correlation_id]) for correlation_id in answered)
    return {
        correlation_id: ending or _by_answers(known.hops[correlation_id], known.names, said)
        for correlation_id, ending in found.items()
        if known.hops[correlation_id]
    }


# ------------------------------------------------------------------------------------------ by the exchange
def _by_the_exchange(correlation_id: str, known: Journeys) -> Ending | None:
    """None when it has made nothing of it."""
    deliveries = known.deliveries.get(correlation_id, [])
    callback = known.callbacks.get(correlation_id)
    if callback and not any(row.state == State.FAILED for row in deliveries):
        said = words.of_callback(callback)
        return Ending(said.outcome, said.tone)
    if correlation_id in known.unseen:
        return Ending("waits for a worker to see whom it is for", Tone.WAITING)
    return _of_deliveries(deliveries) if deliveries else None


def _of_deliveries(rows: list[Delivery]) -> Ending:
    """What needs somebody first, then what is under way, then what is over."""
    for states, said, tone in _TOLD:
        found = [row for row in rows if row.state in states]
        if found:
            return Ending(_told(found, rows, said), tone)
    raise AssertionError("a delivery has a state of these")


_TOLD = (
    ((State.FAILED,), "given up for", Tone.BAD),
    ((State.PENDING, State.SENDING), "waiting for", Tone.WAITING),
    ((State.DISCARDED,), "not sent to", Tone.PLAIN),
    ((State.DELIVERED,), "delivered to", Tone.GOOD),
    ((State.ABSORBED,), "not sent to", Tone.PLAIN),
)


def _told(found: list[Delivery], rows: list[Delivery], said: str) -> str:
    """Whom it is about, and of the last of these why."""
    one = found[-1]
    text = f"{said} {_partners(found, rows)}"
    return text if one.state == State.DELIVERED or not one.reason else f"{text}: {one.reason}"


def _partners(found: list[Delivery], rows: list[Delivery]) -> str:
    parties = list(dict.fromkeys(row.to_party for row in found))
    if len(parties) <= MOST_NAMED:
        return ", ".join(parties)
    return f"{len(parties)} of {len({row.to_party for row in rows})} partners, the last {parties[-1]}"


# By an expression, or what is found in the order of ids might be looked for among all that there are.
_NEWEST = """
SELECT journey.correlation_id, message.expanded_at IS NULL, delivery.id
FROM unnest(%s::text[]) AS journey (correlation_id)
CROSS JOIN LATERAL (
    SELECT id, expanded_at FROM exchange_message WHERE correlation_id = journey.correlation_id
    ORDER BY id + 0 DESC LIMIT %s
) AS message
LEFT JOIN exchange_delivery AS delivery ON delivery.message_id = message.id
"""


def _deliveries(correlation_ids: list[str]) -> tuple[dict[str, list[Delivery]], set[str]]:
    """By correlation id in their order; and which of these have a message that is not expanded yet."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [correlation_ids, MOST_MESSAGES])
        rows = cursor.fetchall()
    journey_of = {pk: correlation_id for correlation_id, _, pk in rows if pk}
    found: dict[str, list[Delivery]] = {}
    for delivery in Delivery.objects.filter(pk__in=list(journey_of)).order_by("id"):
        found.setdefault(journey_of[delivery.pk], []).append(delivery)
    return found, {correlation_id for correlation_id, unseen, _ in rows if unseen}


# ----------------------------------------------------------------------------------------------- by answers
def _answering(hops: list[Hop]) -> Hop | None:
    """The hop whose answer counts: the last that came in; of what the hub began itself, the last that went out."""
    if not hops:
        return None
    came = [hop for hop in hops if hop.direction == Hop.Direction.IN]
    return (came or hops)[-1]


def _by_answers(hops: list[Hop], names: dict[int, str], said: dict[int, str]) -> Ending:
    if undelivered := _undelivered(hops):
        return Ending(_told_of(undelivered, names), Tone.BAD)
    shown = _answering(hops) or hops[-1]
    if words.is_good(shown):
        verdict = said.get(shown.pk)
        return Ending(
            f"{words.outcome_of(shown)}: {verdict}" if verdict else words.outcome_of(shown), Tone.GOOD
        )
    asked = [hop for hop in hops if _went_out_badly(hop) and hop.at >= shown.at and hop is not shown]
    return Ending(_told_of(asked[-1], names) if asked else words.outcome_of(shown), Tone.BAD)


def _undelivered(hops: list[Hop]) -> Hop | None:
    """The last try of a delivery that is past its time, where that one failed."""
    last = {hop.delivery_id: hop for hop in hops if hop.delivery_id is not None}
    return next((hop for hop in reversed(last.values()) if _went_out_badly(hop)), None)


def _went_out_badly(hop: Hop) -> bool:
    return hop.direction == Hop.Direction.OUT and not words.is_good(hop)


def _told_of(hop: Hop, names: dict[int, str]) -> str:
    return f"{words.who_of(hop, names)}: {words.outcome_of(hop)}"


def _verdicts(hops: Iterable[Hop | None]) -> dict[int, str]:
    """What their answers decided, by hop; the list has read them without their bodies."""
    wanted = [hop for hop in hops if hop and hop.method == "POST" and hop.answer_size <= LONGEST_ANSWER]
    bodies = Hop.objects.filter(
        pk__in=[hop.pk for hop in wanted], correlation_id__in=[hop.correlation_id for hop in wanted]
    )
    return {pk: words.verdict_in(body) for pk, body in bodies.values_list("pk", "answer_body")}
