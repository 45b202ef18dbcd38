"""Dead letters: what was given up for a partner, kept until it is tried again, settled or discarded.

keep(), close()                called where deliveries end (outcomes.py), in that transaction
retry(), discard(), give_up()  what an operator does, with one or with ten thousand; each leaves an audit row
settle_strays()                in every round of a worker: those whose delivery ended some other way
"""

import logging
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from ocpi_hub.exchange.calls.verdicts import Result
from ocpi_hub.exchange.messages import doorbell
from ocpi_hub.exchange.messages.outbox import take_turn
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, DeadLetterEntry, Delivery, Lane

logger = logging.getLogger(__name__)

State, What, Became = DeadLetter.State, DeadLetterAction.What, DeadLetterEntry.Became

BY_HAND = "given up by hand"
COLLISIONS = 3  # times that a retry begins anew when a delivery of one of the parts came in between


# ------------------------------------------------------------------------------------- as deliveries end
def keep(delivery: Delivery, result: Result, tries: int, now: datetime) -> None:
    """It is given up. A part has one letter: what was given up of it before is covered by this one."""
    unsettled = _of_object(delivery)
    fields = {
        "delivery_id": delivery.pk,
        "to_party": delivery.to_party,
        "cause": result.cause or "no answer",
        "reason": result.outcome,
        "method": result.method,
        "url": result.url,
        "request": result.request.replace("\x00", ""),
        "http_status": result.http_status,
        "status_code": result.status_code,
        "answer": result.answer.replace("\x00", ""),
        "tries": tries,
        "given_up_at": now,
        "state": State.OPEN,
        "closing": "",
    }
    before = unsettled.select_for_update().filter(key=delivery.key).values_list("delivery_id", flat=True)
    _absorb(list(before), delivery, "a newer delivery of the same part was given up", now)
    if not unsettled.filter(key=delivery.key).update(**fields, times=F("times") + 1):
        DeadLetter.objects.create(
            platform_id=delivery.platform_id,
            module=delivery.module,
            key=delivery.key,
            parent_key=delivery.parent_key,
            path=delivery.path,
            **fields,
        )
    parts = unsettled.filter(key__startswith=f"{delivery.key}/")
    below = parts.select_for_update().values_list("delivery_id", flat=True)
    _absorb(list(below), delivery, "the whole was given up", now)
    parts.update(state=State.SETTLED, closed_at=now, closing=f"the whole is given up, delivery {delivery.pk}")


def close(delivery: Delivery, why: str, now: datetime) -> None:
    """There is nothing to send of this part any more."""
    same_or_part = Q(key=delivery.key) | Q(key__startswith=f"{delivery.key}/")
    _of_object(delivery).filter(same_or_part).update(state=State.SETTLED, closed_at=now, closing=why)


def _of_object(delivery: Delivery) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.unsettled().filter(
        platform_id=delivery.platform_id, module=delivery.module, parent_key=delivery.parent_key
    )


def _absorb(ids: list[int], by: Delivery, why: str, now: datetime) -> None:
    given_up = Delivery.objects.filter(pk__in=ids, state=Delivery.State.FAILED).exclude(pk=by.pk)
    given_up.update(state=Delivery.State.ABSORBED, reason=f"{why}: delivery {by.pk}", finished_at=now)


# ---------------------------------------------------------------------------------------- by an operator
class Retried(NamedTuple):
    """What became of the letters that were to be tried again."""

    again: int = 0
    covered: int = 0  # a delivery that was waiting brings the same part
    left: int = 0  # of partners that have no connection to the hub
    action: int | None = None  # the audit row

    def __str__(self) -> str:
        told = [f"{self.again} are being tried again"]
        if self.covered:
            told.append(f"{self.covered} are covered by a delivery that waits already")
        if self.left:
            told.append(f"{self.left} stay, because their partners are not registered")
        return ", ".join(told)


def retry(letters: QuerySet[DeadLetter], by: str, chosen: str, note: str = "") -> Retried:
    """Send the present state of each again, once; `chosen` says in words which letters are meant.

    Of several who do it at the same moment one finds a letter open, and the others find it taken.
    """
    wanted = letters.filter(state=State.OPEN).order_by()
    gone = wanted.filter(platform__token_cipher="")
    left = gone.count()
    ids = list(wanted.exclude(platform__token_cipher="").values_list("pk", flat=True))
    done = _again(ids, by, chosen, note) if ids else Retried()
    if done.again or done.covered:
        doorbell.ring()
        logger.info("%s retried dead letters: %s", by, chosen)
    return done._replace(left=left)


def _again(ids: list[int], by: str, chosen: str, note: str) -> Retried:
    for left in reversed(range(COLLISIONS)):
        try:
            with transaction.atomic():
                return _retry_now(ids, by, chosen, note)
        except IntegrityError:
            # A claimed delivery of one of the parts went back into the queue: now it is seen, and covers that letter.
            if not left:
                raise
    raise AssertionError("unreachable")


def _retry_now(ids: list[int], by: str, chosen: str, note: str) -> Retried:
    take_turn(wait=True)
    platforms = DeadLetter.objects.filter(pk__in=ids).order_by().values_list("platform_id", flat=True)
    _lock_lanes(list(platforms.distinct()))
    with connection.cursor() as cursor:
        cursor.execute(_RETRY, {"ids": ids, "by": by, "what": What.RETRY, "chosen": chosen, "note": note})
        rows = cursor.fetchall()
    became = {name: count for name, count, _ in rows}
    action = rows[0][2] if rows else None
    return Retried(became.get(Became.AGAIN, 0), became.get(Became.COVERED, 0), action=action)


def _lock_lanes(platforms: list[int]) -> None:
    """In the order of whoever writes down deliveries: first the lanes, then what is in them."""
    list(Lane.objects.filter(pk__in=platforms).order_by("pk").select_for_update().values_list("pk"))


# A letter whose part, or the whole of it, waits already or is among the chosen is brought by that one.
_RETRY = """
WITH chosen AS MATERIALIZED (
    SELECT id, delivery_id, platform_id, module, parent_key, key, to_party, cause
    FROM exchange_deadletter WHERE id = ANY(%(ids)s) AND state = 'OPEN' ORDER BY id FOR UPDATE
), waiting AS MATERIALIZED (
    SELECT chosen.id, found.delivery_id FROM chosen CROSS JOIN LATERAL (
        SELECT id AS delivery_id FROM exchange_delivery delivery
        WHERE delivery.platform_id = chosen.platform_id AND delivery.module = chosen.module
            AND delivery.parent_key = chosen.parent_key AND delivery.state IN ('PENDING', 'SENDING')
            AND delivery.state = 'PENDING'
            AND (delivery.key = chosen.key OR starts_with(chosen.key, delivery.key || '/'))
        ORDER BY id LIMIT 1 OFFSET 0) found
    UNION ALL
    SELECT part.id, whole.delivery_id FROM chosen part JOIN chosen whole USING (platform_id, module, parent_key)
    WHERE starts_with(part.key, whole.key || '/')
), covered AS MATERIALIZED (
    SELECT id, min(delivery_id) AS delivery_id FROM waiting GROUP BY id
), again AS (
    UPDATE exchange_delivery SET state = 'PENDING', exact = false, tries = 0, claimed_at = NULL,
        next_attempt_at = clock_timestamp(), finished_at = NULL
    FROM chosen LEFT JOIN covered USING (id)
    WHERE exchange_delivery.id = chosen.delivery_id AND covered.id IS NULL
), absorbed AS (
    UPDATE exchange_delivery SET state = 'ABSORBED', finished_at = clock_timestamp(),
        reason = 'covered by delivery ' || covered.delivery_id
    FROM chosen JOIN covered USING (id)
    WHERE exchange_delivery.id = chosen.delivery_id AND exchange_delivery.state = 'FAILED'
), moved AS (
    UPDATE exchange_deadletter SET state = 'RETRYING', closing = CASE WHEN covered.id IS NULL THEN ''
        ELSE 'covered by delivery ' || covered.delivery_id END
    FROM chosen LEFT JOIN covered USING (id) WHERE exchange_deadletter.id = chosen.id
), action AS (
    INSERT INTO exchange_deadletteraction (by, what, chosen, note)
    SELECT %(by)s, %(what)s, %(chosen)s, %(note)s WHERE EXISTS (SELECT FROM chosen)
    RETURNING id
), entries AS (
    INSERT INTO exchange_deadletterentry
        (action_id, letter_id, delivery_id, platform_id, to_party, module, cause, became)
    SELECT action.id, chosen.id, chosen.delivery_id, platform_id, to_party, module, cause,
        CASE WHEN covered.id IS NULL THEN 'AGAIN' ELSE 'COVERED' END
    FROM chosen LEFT JOIN covered USING (id) CROSS JOIN action
    RETURNING became, action_id
)
SELECT became, count(*), action_id FROM entries GROUP BY became, action_id
"""


def give_up(deliveries: QuerySet[Delivery], by: str, chosen: str, note: str = "") -> int:
    """What waits and will never arrive, such as CDRs for a partner that is gone, becomes dead letters now."""
    ids = list(deliveries.filter(state=Delivery.State.PENDING).order_by().values_list("pk", flat=True))
    platforms = deliveries.order_by().values_list("platform_id", flat=True).distinct()
    parameters = {
        "ids": ids,
        "by": by,
        "what": What.GIVE_UP,
        "chosen": chosen,
        "note": note,
        "cause": BY_HAND,
    }
    with transaction.atomic():
        take_turn(wait=True)
        _lock_lanes(list(platforms))
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_UP, parameters)
            (done,) = cursor.fetchone()
    if done:
        logger.info("%s gave up %s waiting deliveries: %s", by, done, chosen)
    return int(done)


_GIVE_UP = """
WITH chosen AS (
    UPDATE exchange_delivery SET state = 'FAILED', finished_at = clock_timestamp(), next_attempt_at = NULL
    WHERE id = ANY(%(ids)s) AND state = 'PENDING'
    RETURNING *
), covered AS (
    UPDATE exchange_delivery SET state = 'ABSORBED', reason = 'a newer delivery of the same part was given up'
    FROM exchange_deadletter letter JOIN chosen USING (platform_id, module, key)
    WHERE letter.state IN ('OPEN', 'RETRYING') AND exchange_delivery.id = letter.delivery_id
        AND exchange_delivery.state = 'FAILED'
), letters AS (
    INSERT INTO exchange_deadletter (
        delivery_id, platform_id, module, key, parent_key, path, to_party, cause, reason, method, url, request,
        answer, tries, times, given_up_at, state, closing)
    SELECT id, platform_id, module, key, parent_key, path, to_party, %(cause)s,
        'given up by ' || %(by)s || ' while it waited' || CASE reason WHEN '' THEN '' ELSE '; before: ' || reason END,
        '', '', '', '', tries, 1, clock_timestamp(), 'OPEN', ''
    FROM chosen
    ON CONFLICT (platform_id, module, key) WHERE state IN ('OPEN', 'RETRYING') DO UPDATE
        SET delivery_id = excluded.delivery_id, cause = excluded.cause, reason = excluded.reason, state = 'OPEN',
            given_up_at = excluded.given_up_at, times = exchange_deadletter.times + 1, closing = ''
    RETURNING id, delivery_id, platform_id, to_party, module, cause
), action AS (
    INSERT INTO exchange_deadletteraction (by, what, chosen, note)
    SELECT %(by)s, %(what)s, %(chosen)s, %(note)s WHERE EXISTS (SELECT FROM chosen)
    RETURNING id
), entries AS (
    INSERT INTO exchange_deadletterentry
        (action_id, letter_id, delivery_id, platform_id, to_party, module, cause, became)
    SELECT action.id, letters.id, delivery_id, platform_id, to_party, module, cause, 'GIVEN_UP'
    FROM letters CROSS JOIN action
    RETURNING 1
)
SELECT count(*) FROM entries
"""


def discard(letters: QuerySet[DeadLetter], by: str, chosen: str, note: str) -> int:
    """Give them up for good; the note says why. How many there were."""
    if not note.strip():
        raise ValueError("say why they are discarded")
    ids = list(letters.filter(state=State.OPEN).order_by().values_list("pk", flat=True))
    parameters = {"ids": ids, "by": by, "what": What.DISCARD, "chosen": chosen, "note": note.strip()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DISCARD, parameters)
        (done,) = cursor.fetchone()
    if done:
        logger.info("%s discarded %s dead letters: %s", by, done, chosen)
    return int(done)


_DISCARD = """
WITH chosen AS MATERIALIZED (
    SELECT id, delivery_id, platform_id, to_party, module, cause
    FROM exchange_deadletter WHERE id = ANY(%(ids)s) AND state = 'OPEN' ORDER BY id FOR UPDATE
), ended AS (
    UPDATE exchange_delivery SET state = 'DISCARDED', finished_at = clock_timestamp(),
        reason = 'discarded by ' || %(by)s || ': ' || %(note)s
    FROM chosen WHERE exchange_delivery.id = chosen.delivery_id AND state = 'FAILED'
), moved AS (
    UPDATE exchange_deadletter SET state = 'DISCARDED', closed_at = clock_timestamp(),
        closing = 'discarded by ' || %(by)s || ': ' || %(note)s
    FROM chosen WHERE exchange_deadletter.id = chosen.id
), action AS (
    INSERT INTO exchange_deadletteraction (by, what, chosen, note)
    SELECT %(by)s, %(what)s, %(chosen)s, %(note)s WHERE EXISTS (SELECT FROM chosen)
    RETURNING id
), entries AS (
    INSERT INTO exchange_deadletterentry
        (action_id, letter_id, delivery_id, platform_id, to_party, module, cause, became)
    SELECT action.id, chosen.id, delivery_id, platform_id, to_party, module, cause, 'DISCARDED'
    FROM chosen CROSS JOIN action
    RETURNING 1
)
SELECT count(*) FROM entries
"""


# --------------------------------------------------------------------------------------- in every round
def settle_strays() -> int:
    """Letters that are being tried again by nothing any more: open again, unless the part has arrived."""
    with connection.cursor() as cursor:
        cursor.execute(_STRAYS)
        return cursor.rowcount


# Such as after the partner ended its registration, which takes back all that waits for it.
_STRAYS = """
WITH stray AS MATERIALIZED (
    SELECT letter.id, delivery.id AS delivery_id, delivery.state
    FROM exchange_deadletter letter JOIN exchange_delivery delivery ON delivery.id = letter.delivery_id
    WHERE letter.state = 'RETRYING' AND delivery.state NOT IN ('PENDING', 'SENDING') AND NOT EXISTS (
        SELECT FROM exchange_delivery other
        WHERE other.platform_id = letter.platform_id AND other.module = letter.module
            AND other.parent_key = letter.parent_key AND other.state IN ('PENDING', 'SENDING')
            AND (other.key = letter.key OR starts_with(letter.key, other.key || '/')))
    FOR UPDATE OF letter SKIP LOCKED
), given_up AS (
    UPDATE exchange_delivery SET state = 'FAILED' FROM stray
    WHERE exchange_delivery.id = stray.delivery_id AND stray.state = 'ABSORBED'
)
UPDATE exchange_deadletter SET
    state = CASE WHEN stray.state = 'DELIVERED' THEN 'SETTLED' ELSE 'OPEN' END,
    closed_at = CASE WHEN stray.state = 'DELIVERED' THEN clock_timestamp() END,
    closing = CASE WHEN stray.state = 'DELIVERED' THEN 'delivered since, by delivery ' || stray.delivery_id ELSE '' END
FROM stray WHERE exchange_deadletter.id = stray.id
"""
