"""Dead letters that an operator discarded, and that their partners are to have after all."""

import logging

from django.db import connection, transaction
from django.db.models import QuerySet

from ocpi_hub.exchange.deliveries.deadletters import State, What
from ocpi_hub.exchange.models import DeadLetter

logger = logging.getLogger(__name__)


def reopen(letters: QuerySet[DeadLetter], by: str, chosen: str, note: str = "") -> int:
    """They are given up again, and can be retried. How many there were.

    Of several of one part the newest is; none is where the part was given up again since.
    """
    ids = list(letters.filter(state=State.DISCARDED).order_by().values_list("pk", flat=True))
    parameters = {"ids": ids, "by": by, "what": What.REOPEN, "chosen": chosen, "note": note.strip()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REOPEN, parameters)
        (done,) = cursor.fetchone()
    if done:
        logger.info("%s reopened %s dead letters: %s", by, done, chosen)
    return int(done)


_REOPEN = """
WITH wanted AS MATERIALIZED (
    SELECT id, delivery_id, platform_id, to_party, module, cause, reason, key
    FROM exchange_deadletter WHERE id = ANY(%(ids)s) AND state = 'DISCARDED' ORDER BY id FOR UPDATE
), chosen AS (
    SELECT * FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM wanted newer WHERE newer.id > wanted.id AND newer.platform_id = wanted.platform_id
            AND newer.module = wanted.module AND newer.key = wanted.key)
    AND NOT EXISTS (
        SELECT FROM exchange_deadletter other WHERE other.platform_id = wanted.platform_id
            AND other.module = wanted.module AND other.key = wanted.key AND other.state IN ('OPEN', 'RETRYING'))
), given_up AS (
    UPDATE exchange_delivery SET state = 'FAILED', reason = chosen.reason FROM chosen
    WHERE exchange_delivery.id = chosen.delivery_id AND exchange_delivery.state = 'DISCARDED'
), moved AS (
    UPDATE exchange_deadletter SET state = 'OPEN', closed_at = NULL, closing = ''
    FROM chosen WHERE exchange_deadletter.id = chosen.id
), action AS (
    INSERT INTO exchange_deadletteraction (by, what, chosen, note)
    SELECT %(by)s, %(what)s, %(chosen)s, %(note)s WHERE EXISTS (SELECT FROM chosen)
    RETURNING id
), entries AS (
    INSERT INTO exchange_deadletterentry
        (action_id, letter_id, delivery_id, platform_id, to_party, module, cause, became)
    SELECT action.id, chosen.id, delivery_id, platform_id, to_party, module, cause, 'REOPENED'
    FROM chosen CROSS JOIN action
    RETURNING 1
)
SELECT count(*) FROM entries
"""
