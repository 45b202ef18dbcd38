"""Why a platform has an object, or has it not: the answer to the partner who asks for one that it misses.

decide()  pure: one platform's answer from what is known about it
answers() every platform's, with a fixed number of queries
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Prefetch

from ocpi_hub.exchange.lanes import FAILURES_TO_OPEN
from ocpi_hub.exchange.models import Delivery, Lane, Message
from ocpi_hub.exchange.ownedobject import OwnedObject
from ocpi_hub.partners.models import Endpoint, Platform, Status

State = Delivery.State
OPEN = (State.PENDING, State.SENDING)


class Facts(NamedTuple):
    """What decides whether one platform has one object."""

    changed_at: datetime  # when the object last changed
    owns: bool = False
    brought: bool = False  # it gave the hub the object's newest state
    status: str = Status.CONNECTED
    registered: bool = True
    connected_at: datetime | None = None  # when it registered first
    pull_only: bool = False
    takes: bool = True  # it has a Receiver endpoint for the module
    may_see: bool = True  # one of its parties has a role for the module
    addressed: bool = True  # it is in the object's audience
    expanding: bool = False  # a change of the object waits to be turned into deliveries
    delivery: Delivery | None = None  # the one that counts, see decisive()
    breaker_open: bool = False
    probe_at: datetime | None = None


class Answer(NamedTuple):
    """One word, a sentence, and the delivery that it is about."""

    word: str
    text: str
    delivery: Delivery | None = None


def decisive(deliveries: Iterable[Delivery], whole: str) -> Delivery | None:
    """Of one object's deliveries to one platform, newest first, the one that tells whether it has all of it.

    `whole` is the key of the whole object, whose delivery makes up for what was given up before.
    """
    newest: dict[str, Delivery] = {}
    absorbed: Delivery | None = None
    for row in deliveries:
        if row.state == State.ABSORBED:
            absorbed = absorbed or row
            continue
        newest.setdefault(row.key, row)
        if row.key == whole and row.state == State.DELIVERED:
            break
    for states in (OPEN, (State.FAILED,), (State.DELIVERED,)):
        found = next((row for row in newest.values() if row.state in states), None)
        if found:
            return found
    return absorbed


def decide(facts: Facts) -> Answer:
    if facts.owns:
        return Answer("not sent", "the object is its own")
    if facts.status == Status.SUSPENDED:
        return Answer("not sent", "it is suspended" + _before(facts), facts.delivery)
    if not facts.registered:
        return Answer("not sent", "it is invited and has not registered yet" + _before(facts), facts.delivery)
    if facts.delivery:
        return _of_delivery(facts, facts.delivery)
    return Answer("waiting" if facts.expanding and not _hindrance(facts) else "not sent", _without(facts))


def _of_delivery(facts: Facts, row: Delivery) -> Answer:
    if row.state == State.DELIVERED:
        text = f"at {_time(row.finished_at)}"
        if row.finished_at and row.finished_at < facts.changed_at:
            text += f", before the last change at {_time(facts.changed_at)}"
        return Answer("delivered", text, row)
    if row.state == State.FAILED:
        return Answer("given up", row.reason or "no reason noted", row)
    if row.state == State.ABSORBED:
        return Answer("covered", row.reason, row)
    if row.state == State.SENDING:
        return Answer("sending", "a worker sends it now", row)
    if facts.breaker_open:
        return Answer("held", held(facts.status, facts.probe_at), row)
    said = f"; the last try said: {row.reason}" if row.reason else ""
    return Answer("waiting", f"next try at {_time(row.next_attempt_at)}{said}", row)


def held(status: str, probe_at: datetime | None) -> str:
    """Why an open breaker holds deliveries back: the partner is away, or there and fails on what it is sent."""
    why = "partner offline" if status == Status.OFFLINE else "it failed on the last ones"
    return f"{why}, next probe " + (f"at {_time(probe_at)}" if probe_at else "as soon as possible")


def _without(facts: Facts) -> str:
    if hindrance := _hindrance(facts):
        return hindrance
    if facts.expanding:
        return "a change waits for a worker to turn it into deliveries"
    if facts.connected_at and facts.changed_at < facts.connected_at:
        return "the object is older than its registration: it fetches it by pull"
    return f"no delivery is on record; finished ones are kept for {settings.HUB_MESSAGE_DAYS} days"


def _hindrance(facts: Facts) -> str:
    """What keeps every delivery of this object from this platform, if anything does."""
    if facts.brought:
        return "it is the one that brought the object"
    if not facts.may_see:
        return "none of its parties has a role that may see it"
    if not facts.addressed:
        return "the object is for another party alone"
    if facts.pull_only:
        return "it is pull only: it fetches its data itself"
    if not facts.takes:
        return "it has no Receiver endpoint for this module"
    return ""


def _before(facts: Facts) -> str:
    row = facts.delivery
    return f"; delivered before, at {_time(row.finished_at)}" if row and row.state == State.DELIVERED else ""


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "an unknown time"


# ----------------------------------------------------------------------------------------- from the database
def answers(row: OwnedObject) -> list[tuple[Platform, Answer]]:
    """For every platform, by name."""
    deliveries = _deliveries(row)
    expanding = Message.objects.filter(
        module=row.module, parent_key=row.own_address.key, expanded_at=None
    ).exists()
    lanes = Lane.objects.in_bulk()
    receivers = Endpoint.objects.filter(module=row.module, role=Endpoint.Role.RECEIVER)
    platforms = Platform.objects.order_by("name", "id").prefetch_related(
        "parties", Prefetch("endpoints", receivers, to_attr="receivers")
    )
    return [
        (platform, decide(_facts(row, platform, lanes.get(platform.pk), deliveries, expanding)))
        for platform in platforms
    ]


def _deliveries(row: OwnedObject) -> dict[int, list[Delivery]]:
    """The newest of each part and state by platform, newest first; found by the index of messages."""
    whole = row.own_address.key
    newest = (
        Delivery.objects.filter(message__parent_key=whole, module=row.module)
        .order_by("platform_id", "key", "state", "-id")
        .distinct("platform_id", "key", "state")
    )
    found: dict[int, list[Delivery]] = {}
    for delivery in sorted(newest, key=lambda delivery: -delivery.pk):
        found.setdefault(delivery.platform_id, []).append(delivery)
    return found


def _facts(
    row: OwnedObject,
    platform: Platform,
    lane: Lane | None,
    deliveries: dict[int, list[Delivery]],
    expanding: bool,
) -> Facts:
    parties = list(platform.parties.all())
    keys = {party.key for party in parties}
    return Facts(
        changed_at=row.changed_at,
        owns=row.owner_key in keys,
        brought=row.source_id == platform.pk,
        status=platform.status,
        registered=platform.registered,
        connected_at=platform.connected_at,
        pull_only=platform.pull_only,
        takes=bool(platform.receivers),  # type: ignore[attr-defined]  # prefetched by answers()
        may_see=row.is_for({role for party in parties for role in party.roles}, row.own_address.variant),
        addressed=row.audience in ("", *keys),
        expanding=expanding,
        delivery=decisive(deliveries.get(platform.pk, []), row.own_address.key),
        breaker_open=bool(lane and lane.failures >= FAILURES_TO_OPEN),
        probe_at=lane.probe_at if lane else None,
    )
