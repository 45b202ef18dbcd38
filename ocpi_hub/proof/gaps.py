"""Gaps, from the run that finds them to the delivery that fills them, or the note that waives them."""

from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub.exchange.deliveries import deadletters, refills
from ocpi_hub.exchange.messages.outbox import DIRECTLY
from ocpi_hub.exchange.models import DeadLetter, Delivery
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.partners.models import Platform
from ocpi_hub.proof.comparison import Compared, Status, compare_rows
from ocpi_hub.proof.models import Gap

State, Kind = Gap.State, Gap.Kind
UNFILLED = (State.OPEN, State.FILLING)
FOUND_BY_ASKING = (Kind.LOST, Kind.DIFFERENT)
MOST_FILLS = 2  # by policy of one object: a partner that loses it again and again must be asked why

MEANINGS = {
    Kind.NEVER_SENT: "The hub took this object for the partner and has no delivery of it on record: a fault of the hub,"
    " unless the partner was suspended, or had no interface for it, when it came. Fill it; if such gaps come back,"
    " tell the hub's developers.",
    Kind.GIVEN_UP: "The partner refused it, or did not take it until the hub gave up. The reason is what it said last."
    " The partner mends that; then fill it.",
    Kind.LATE: "It is still on its way, for longer than is normal: the partner is away, or fails on what it is sent."
    " Nothing to fill, it arrives when the partner takes it. Ask the partner what is wrong.",
    Kind.LOST: "The partner acknowledged it, and now says that it has no such object. Fill it, and ask the partner"
    " where it went.",
    Kind.DIFFERENT: "The partner acknowledged it, and holds something else than it was sent; the reason names the first"
    " place. Fill it to send the present state once more; a CDR, which never changes, the partner must mend.",
}


def meaning(gap: Gap) -> str:
    """What it means, who must act, and what has come of it so far."""
    text = MEANINGS[Kind(gap.kind)]
    if gap.state == State.FILLING:
        text += " A delivery of it is on its way."
    if gap.fills >= MOST_FILLS:
        text += f" It was filled {gap.fills} times before, and lost again: the hub does not fill it by itself any more."
    return text


class Missing(NamedTuple):
    """A gap as a run found it."""

    compared: Compared
    kind: str
    reason: str


def note(platform: Platform, module: str, found: list[Missing], now: datetime) -> None:
    """Keep them; one that is known stays, with what is new about it. What was waived for this state is none."""
    parameters: dict[str, Any] = {
        "platform": platform.pk,
        "module": module,
        "now": now,
        "rows": [one.compared.row_id for one in found],
        "paths": [one.compared.address.path for one in found],
        "variants": [one.compared.address.variant for one in found],
        "audiences": [one.compared.audience for one in found],
        "changes": [one.compared.at for one in found],
        "kinds": [str(one.kind) for one in found],
        "reasons": [one.reason for one in found],
    }
    if found:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, parameters)


_NOTE = """
INSERT INTO proof_gap (platform_id, module, found_at, seen_at, row_id, path, variant, audience, day, changed_at, kind,
                       reason, state, note, fills)
SELECT %(platform)s, %(module)s, %(now)s, %(now)s, row_id, path, variant, audience,
    (changed_at AT TIME ZONE 'UTC')::date, changed_at, kind, reason, 'OPEN', '',
    (SELECT count(*) FROM proof_gap before WHERE before.platform_id = %(platform)s AND before.module = %(module)s
        AND before.row_id = found.row_id AND before.state = 'FILLED')
FROM unnest(%(rows)s::bigint[], %(paths)s::text[], %(variants)s::text[], %(audiences)s::text[],
            %(changes)s::timestamptz[], %(kinds)s::text[], %(reasons)s::text[])
    AS found(row_id, path, variant, audience, changed_at, kind, reason)
WHERE NOT EXISTS (
    SELECT FROM proof_gap waived WHERE waived.platform_id = %(platform)s AND waived.module = %(module)s
        AND waived.row_id = found.row_id AND waived.state = 'WAIVED' AND waived.kind = found.kind
        AND waived.changed_at = found.changed_at)
ON CONFLICT (platform_id, module, row_id) WHERE state IN ('OPEN', 'FILLING') DO UPDATE
    SET kind = excluded.kind, reason = excluded.reason, day = excluded.day, changed_at = excluded.changed_at,
        seen_at = excluded.seen_at
"""


# ------------------------------------------------------------------------------------------ how they close
def recheck(platform: Platform, model: type[OwnedObject], now: datetime) -> None:
    """Close those that this run has not seen and that are none any more.

    What the partner said it does not hold is filled when it says that it does, or acknowledged a newer state.
    """
    rows = Gap.objects.filter(platform=platform, module=model.module, state__in=UNFILLED, seen_at__lt=now)
    known = list(rows.only("row_id", "kind", "changed_at"))
    found = compare_rows(platform, model, now, [gap.row_id for gap in known])
    over = [gap.pk for gap in known if gap.row_id not in found]
    filled = [gap.pk for gap in known if gap.row_id in found and _is_filled(gap, found[gap.row_id])]
    _close(over, State.OVER, now)
    _close(filled, State.FILLED, now)


def _is_filled(gap: Gap, compared: Compared) -> bool:
    is_there = compared.status is Status.ACKNOWLEDGED
    return is_there and (gap.kind not in FOUND_BY_ASKING or compared.at > gap.changed_at)


def held(platform: Platform, module: str, row_ids: list[int], now: datetime) -> None:
    """The partner showed that it has these."""
    rows = Gap.objects.filter(platform=platform, module=module, row_id__in=row_ids, state__in=UNFILLED)
    _close(list(rows.values_list("pk", flat=True)), State.FILLED, now)


def drop_other_modules(platform: Platform, modules: list[str], now: datetime) -> None:
    """Nothing is due in modules of which nothing is pushed to it any more."""
    rows = Gap.objects.filter(platform=platform, state__in=UNFILLED).exclude(module__in=modules)
    _close(list(rows.values_list("pk", flat=True)), State.OVER, now)


def _close(ids: list[int], state: str, now: datetime) -> None:
    Gap.objects.filter(pk__in=ids, state__in=UNFILLED).update(state=state, closed_at=now)


def close_filled() -> None:
    """Those whose delivery has arrived; open again are those whose delivery came to nothing. For every round."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"now": timezone.now(), "directly": DIRECTLY})


_CLOSE = """
WITH filling AS (
    SELECT gap.id, delivery.state, delivery.reason FROM proof_gap gap
    LEFT JOIN exchange_delivery delivery ON delivery.id = gap.delivery_id
    WHERE gap.state = 'FILLING' AND (delivery.state IS NULL OR delivery.state NOT IN ('PENDING', 'SENDING'))
), arrived AS (
    UPDATE proof_gap SET state = 'FILLED', closed_at = %(now)s FROM filling
    WHERE proof_gap.id = filling.id AND proof_gap.state = 'FILLING'
        AND (filling.state = 'DELIVERED' OR filling.reason = %(directly)s)
)
UPDATE proof_gap SET state = 'OPEN', delivery_id = NULL,
    kind = CASE WHEN filling.state = 'FAILED' THEN 'GIVEN_UP' ELSE kind END,
    reason = CASE WHEN filling.state = 'FAILED' THEN filling.reason ELSE proof_gap.reason END
FROM filling WHERE proof_gap.id = filling.id AND proof_gap.state = 'FILLING'
    AND filling.state IS DISTINCT FROM 'DELIVERED' AND filling.reason IS DISTINCT FROM %(directly)s
"""


# ----------------------------------------------------------------------------------- what is done about them
class Filling(NamedTuple):
    """What came of the wish to fill gaps."""

    begun: int
    left: int  # that no delivery can fill


def fillable(rows: "QuerySet[Gap]") -> "QuerySet[Gap]":
    """Those that a delivery can fill: not what is under way already, nor what never changes and is there otherwise."""
    immutable = [name for name, model in owned_models().items() if model.immutable]
    waiting = rows.filter(state=State.OPEN).exclude(kind=Kind.LATE)
    return waiting.exclude(kind=Kind.DIFFERENT, module__in=immutable)


def fill(rows: "QuerySet[Gap]", by: str) -> Filling:
    """Have their present state delivered, each once however often this is asked for; `by` is for the audit."""
    wanted = rows.filter(state=State.OPEN).count()
    begun = 0
    chosen = list(fillable(rows).order_by("platform_id", "module", "id"))
    for (platform_id, module), group in groupby(chosen, key=lambda gap: (gap.platform_id, gap.module)):
        if model := owned_models().get(module):
            begun += _fill(Platform.objects.get(pk=platform_id), model, list(group), by)
    return Filling(begun, wanted - begun)


def _fill(platform: Platform, model: type[OwnedObject], chosen: list[Gap], by: str) -> int:
    begun = _retry(platform, model, [gap for gap in chosen if gap.kind == Kind.GIVEN_UP], by)
    still = set(
        Gap.objects.filter(pk__in=[gap.pk for gap in chosen], state=State.OPEN).values_list("pk", flat=True)
    )
    gaps = {gap.row_id: gap.pk for gap in chosen if gap.pk in still}
    row_ids = list(gaps)
    for begin in range(0, len(row_ids), refills.AT_ONCE):
        with transaction.atomic():
            some = refills.refill(platform, model, row_ids[begin : begin + refills.AT_ONCE])
            begun += _begin({gaps[row_id]: delivery for row_id, delivery in some.items()})
    return begun


def _retry(platform: Platform, model: type[OwnedObject], chosen: list[Gap], by: str) -> int:
    """What was given up is tried again as a dead letter, with that page's audit row."""
    keys = {gap.key: gap.pk for gap in chosen}
    letters = DeadLetter.objects.filter(platform=platform, module=model.module, parent_key__in=list(keys))
    if not letters.exists():
        return 0
    deadletters.retry(letters, by, f"{len(keys)} gaps of {model.module} at {platform}")
    waiting = Delivery.objects.filter(
        platform=platform, module=model.module, parent_key__in=list(keys), state=Delivery.State.PENDING
    )
    found = waiting.order_by("-key").values_list("parent_key", "pk")  # the whole object last
    return _begin({keys[key]: delivery for key, delivery in dict(found).items()})


def _begin(deliveries: dict[int, int]) -> int:
    """By the gap's key; how many were open still."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE proof_gap SET state = 'FILLING', delivery_id = due.delivery"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS due(gap, delivery)"
            " WHERE proof_gap.id = due.gap AND proof_gap.state = 'OPEN'",
            [list(deliveries), list(deliveries.values())],
        )
        return int(cursor.rowcount)


def fill_by_policy(platform: Platform, module: str, now: datetime) -> Filling:
    """What this run has found, except what the partner refused, and what it lost again and again."""
    rows = Gap.objects.filter(platform=platform, module=module, seen_at__gte=now, fills__lt=MOST_FILLS)
    return fill(rows.exclude(kind=Kind.GIVEN_UP), "the nightly proof")


def waive(rows: "QuerySet[Gap]", note: str, now: datetime) -> int:
    """They stay as they are, for this state of the objects."""
    return rows.filter(state__in=UNFILLED).update(state=State.WAIVED, note=note, closed_at=now)
