"""Why a platform has an object, or has it not: the answer to the partner who asks for one that it misses.

decide()  pure: one platform's answer from what is known about it
answers() every platform's, with a fixed number of queries
known()   what is known about some platforms, for explanation.py, which answers for one party
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.models import Delivery, Lane, Message
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Endpoint, Party, Platform, Status

COMING = "a change waits for a worker to turn it into deliveries"
State = Delivery.State
SAME_CHANGE = timedelta(seconds=10)  # between what a change of an object and its message are dated
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
    agreed: bool = True  # one of its parties that may see it has an agreement with the owner
    direct: bool = False  # the newest state went to its party by a request of the owner, and was accepted
    expanding: bool = False  # a change of the object waits to be turned into deliveries
    delivery: Delivery | None = None  # the one that counts, see decisive()
    behind: bool = False  # there was a change after what that delivery carries
    breaker_open: bool = False
    probe_at: datetime | None = None


class Urgency(IntEnum):
    """In which order answers are read: what needs somebody first, then what does not arrive, then what did."""

    GIVEN_UP = 1
    HELD = 2
    BEHIND = 3  # it has an older state, and nothing newer is under way
    WAITING = 4
    NOT_SENT = 5
    DELIVERED = 6


class Answer(NamedTuple):
    """One word, a sentence, the delivery that it is about, and since when the platform has the newest state."""

    word: str
    text: str
    delivery: Delivery | None = None
    current_since: datetime | None = None

    @property
    def urgency(self) -> Urgency:
        if self.word == "delivered":
            return Urgency.DELIVERED if self.current_since else Urgency.BEHIND
        words = {
            "given up": Urgency.GIVEN_UP,
            "held": Urgency.HELD,
            "discarded": Urgency.BEHIND,
            "not sent": Urgency.NOT_SENT,
        }
        return words.get(self.word, Urgency.WAITING)


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
    for states in (OPEN, (State.FAILED, State.DISCARDED), (State.DELIVERED,)):
        found = next((row for row in newest.values() if row.state in states), None)
        if found:
            return found
    return absorbed


def decide(facts: Facts) -> Answer:
    if facts.owns:
        return Answer("not sent", "the object is its own")
    if facts.status == Status.SUSPENDED:
        return _away(facts, "it is suspended")
    if not facts.registered:
        return _away(facts, "it is invited and has not registered yet")
    if facts.direct and not (facts.delivery and facts.delivery.state in OPEN):
        text = f"by its owner directly, at {_time(facts.changed_at)}"
        return Answer("delivered", text, current_since=facts.changed_at)
    if facts.delivery:
        return _of_delivery(facts, facts.delivery)
    return Answer("waiting" if facts.expanding and not hindrance_of(facts) else "not sent", _without(facts))


def _of_delivery(facts: Facts, row: Delivery) -> Answer:
    if row.state == State.DELIVERED:
        return _delivered(facts, row)
    if row.state == State.FAILED:
        return Answer("given up", row.reason or "no reason noted", row)
    if row.state == State.DISCARDED:
        return Answer("discarded", f"at {_time(row.finished_at)}: {row.reason or 'by an operator'}", row)
    if row.state == State.ABSORBED:
        return Answer("covered", row.reason, row)
    if row.state == State.SENDING:
        return Answer("sending", "a worker sends it now", row)
    if facts.breaker_open:
        return Answer("held", held(facts.status, facts.probe_at), row)
    said = f"; the last try said: {row.reason}" if row.reason else ""
    return Answer("waiting", f"next try at {_time(row.next_attempt_at)}{said}", row)


def _delivered(facts: Facts, row: Delivery) -> Answer:
    text = f"at {_time(row.finished_at)}"
    if not facts.behind:
        return Answer("delivered", text, row, current_since=row.finished_at)
    text += f", before the last change at {_time(facts.changed_at)}"
    why = hindrance_of(facts) or (COMING if facts.expanding else "")
    return Answer("delivered", f"{text}; {why}" if why else text, row)


def held(status: str, probe_at: datetime | None) -> str:
    """Why an open breaker holds deliveries back: the partner is away, or there and fails on what it is sent."""
    why = "partner offline" if status == Status.OFFLINE else "it failed on the last ones"
    return f"{why}, next probe " + (f"at {_time(probe_at)}" if probe_at else "as soon as possible")


def _without(facts: Facts) -> str:
    if hindrance := hindrance_of(facts):
        return hindrance
    if facts.expanding:
        return COMING
    if facts.connected_at and facts.changed_at < facts.connected_at:
        return "the object is older than its registration: it fetches it by pull"
    return f"no delivery is on record; finished ones are kept for {settings.HUB_MESSAGE_DAYS} days"


def hindrance_of(facts: Facts) -> str:
    """What keeps every delivery of this object from this platform, if anything does."""
    if facts.brought:
        return "it is the one that brought the object"
    if not facts.may_see:
        return "none of its parties has a role that may see it"
    if not facts.addressed:
        return "the object is for another party alone"
    if not facts.agreed:
        return "it has no agreement with the owner on this module"
    if facts.pull_only:
        return "it is pull only: it fetches its data itself"
    if not facts.takes:
        return "it has no Receiver endpoint for this module"
    return ""


def _away(facts: Facts, why: str) -> Answer:
    """Nothing goes there; it may have the newest state from before."""
    row = facts.delivery
    if row is None or row.state != State.DELIVERED:
        return Answer("not sent", why, row)
    before = f"{why}; delivered before, at {_time(row.finished_at)}"
    return Answer("not sent", before, row, current_since=None if facts.behind else row.finished_at)


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "an unknown time"


# ----------------------------------------------------------------------------------------- from the database
def answers(row: OwnedObject) -> list[tuple[Platform, Answer]]:
    """For every platform, by name."""
    return [(platform, decide(facts)) for platform, facts in known(row, Platform.objects.all())]


def known(row: OwnedObject, platforms: QuerySet[Platform], part: str = "") -> list[tuple[Platform, Facts]]:
    """What decides about each of these platforms, by name, for a row or the part of it with this key."""
    deliveries = _deliveries(row, platforms, part)
    expanding = Message.objects.filter(
        module=row.module, parent_key=row.own_address.key, row_id=row.pk, expanded_at=None
    ).exists()
    newest = _newest_message(row, part)
    shared = _Shared(
        changed_at=newest.created_at if part and newest else row.changed_at,
        newest=newest.pk if newest else 0,
        expanding=expanding,
        direct=_went_directly(row),
        terms=Terms.of([row.owner_key]),
        lanes=Lane.objects.filter(platform__in=platforms).in_bulk(),
    )
    receivers = Endpoint.objects.filter(module=row.module, role=Endpoint.Role.RECEIVER)
    found = platforms.order_by("name", "id").prefetch_related(
        "parties", Prefetch("endpoints", receivers, to_attr="receivers")
    )
    return [(platform, _facts(row, platform, deliveries.get(platform.pk, []), shared)) for platform in found]


class _Shared(NamedTuple):
    """What is the same for all platforms."""

    changed_at: datetime
    newest: int  # the id of the last message about it
    expanding: bool
    direct: bool
    terms: Terms
    lanes: dict[int, Lane]


def _deliveries(row: OwnedObject, platforms: QuerySet[Platform], part: str) -> dict[int, list[Delivery]]:
    """The newest of each part and state by platform, newest first; found by the index of messages."""
    newest = (
        Delivery.objects.filter(
            _touching(part),
            message__parent_key=row.own_address.key,
            module=row.module,
            row_id=row.pk,
            platform__in=platforms,
        )
        .order_by("platform_id", "key", "state", "-id")
        .distinct("platform_id", "key", "state")
    )
    found: dict[int, list[Delivery]] = {}
    for delivery in sorted(newest, key=lambda delivery: -delivery.pk):
        found.setdefault(delivery.platform_id, []).append(delivery)
    return found


def _touching(part: str) -> Q:
    """What is about the part with this key, about what it is inside of, or about what is inside of it."""
    segments = part.split("/")
    around = ["/".join(segments[:count]) for count in range(1, len(segments) + 1)]
    return Q(key__in=around) | Q(key__startswith=f"{part}/") if part else Q()


def _newest_message(row: OwnedObject, part: str) -> Message | None:
    messages = Message.objects.filter(module=row.module, parent_key=row.own_address.key, row_id=row.pk)
    return messages.filter(_touching(part)).order_by("-id").first()


def _went_directly(row: OwnedObject) -> bool:
    """Whether the newest state is one that its one receiver accepted: no message was written for it."""
    if not row.audience or row.changed_at < timezone.now() - timedelta(days=settings.HUB_MESSAGE_DAYS):
        return False
    written = Message.objects.filter(module=row.module, parent_key=row.own_address.key, row_id=row.pk)
    return not written.filter(created_at__gte=row.changed_at - SAME_CHANGE).exists()


def _facts(row: OwnedObject, platform: Platform, deliveries: list[Delivery], shared: _Shared) -> Facts:
    parties = list(platform.parties.all())
    keys = {party.key for party in parties}
    lane = shared.lanes.get(platform.pk)
    delivery = decisive(deliveries, row.own_address.key)
    return Facts(
        changed_at=shared.changed_at,
        owns=row.owner_key in keys,
        brought=row.source_id == platform.pk,
        status=platform.status,
        registered=platform.registered,
        connected_at=platform.connected_at,
        pull_only=platform.pull_only,
        takes=bool(platform.receivers),  # type: ignore[attr-defined]  # prefetched by known()
        may_see=row.is_for({role for party in parties for role in party.roles}, row.own_address.variant),
        addressed=row.audience in ("", *keys),
        agreed=not row.routed or any(_agreed(row, party, shared.terms) for party in parties),
        expanding=shared.expanding,
        direct=shared.direct and row.audience in keys,
        delivery=delivery,
        behind=bool(delivery and delivery.message_id < shared.newest),
        breaker_open=bool(lane and lane.failures >= FAILURES_TO_OPEN),
        probe_at=lane.probe_at if lane else None,
    )


def _agreed(row: OwnedObject, party: Party, terms: Terms) -> bool:
    """Whether this party is one that gets the row by its agreement with the owner."""
    own = row.audience == party.key
    fits = own if row.audience else row.is_for(set(party.roles), row.own_address.variant)
    return fits and terms.allow(row.owner_key, party.key, row.module)
