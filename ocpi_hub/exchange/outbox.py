"""From an accepted change to the deliveries it causes.

`publish()` writes one Message in the caller's transaction. `expand()`, in a worker, turns waiting Messages into
one Delivery per receiving platform, by one INSERT … SELECT, however many receivers there are; it may run twice.
"""

import logging
from collections.abc import Iterable

from django.db import connection, transaction

from ocpi_hub.exchange import doorbell
from ocpi_hub.exchange.models import Message
from ocpi_hub.exchange.ownedobject import Address, OwnedObject, owned_models
from ocpi_hub.exchange.routing import Receiver, receivers
from ocpi_hub.exchange.store import Stored
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

EXPANSION_LOCK = 0x0C9101  # one expansion at a time keeps the messages of an object in order
BATCH = 500  # messages expanded in one transaction


def publish(
    model: type[OwnedObject],
    address: Address,
    stored: Stored,
    source: Platform,
    ids: MessageIDs,
    *,
    method: str = "PUT",
    body: bytes | None = None,
) -> None:
    """Note that a part of an object changed; whoever may see it gets it after the commit.

    With a body the first try repeats method and body; without one it PUTs the state that counts then.
    """
    publish_many([message(model, address, stored, source, ids, method=method, body=body)])


def message(
    model: type[OwnedObject],
    address: Address,
    stored: Stored,
    source: Platform,
    ids: MessageIDs,
    *,
    method: str = "PUT",
    body: bytes | None = None,
) -> Message:
    return Message(
        module=model.module,
        row_id=stored.row_id,
        key=address.key,
        path=address.path,
        parent_key=address.parent.key,
        variant=address.variant,
        method=method,
        body=None if body is None else body.decode(),
        source=source,
        request_id=ids.request_id,
        correlation_id=ids.correlation_id,
    )


def publish_many(messages: Iterable[Message]) -> None:
    if Message.objects.bulk_create(messages):
        transaction.on_commit(doorbell.ring)


def expand() -> set[int]:
    """Turn waiting messages into deliveries; the platforms that got one."""
    reached: set[int] = set()
    while True:
        with transaction.atomic():
            if not _take_turn():
                return reached
            waiting = Message.objects.filter(expanded_at=None).order_by("id")[:BATCH]
            batch = list(waiting.values_list("id", "module"))
            if not batch:
                return reached
            _expand(batch, reached)
        if len(batch) < BATCH:
            return reached


def _take_turn() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [EXPANSION_LOCK])
        row = cursor.fetchone()
    return bool(row and row[0])


def _expand(batch: list[tuple[int, str]], reached: set[int]) -> None:
    """Deliveries for a batch of messages of any modules, in the transaction of the caller."""
    models = owned_models()
    for module in {module for _, module in batch}:
        ids = [pk for pk, of_module in batch if of_module == module]
        found = list(receivers(models[module])) if module in models else []
        if found:
            reached.update(_insert(ids, found))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE exchange_message SET expanded_at = now() WHERE id = ANY(%s)", [[pk for pk, _ in batch]]
        )


# Of several messages about one part the newest is delivered, and then as the state. `doubtful` is whether
# anything else of the object is under way to that platform, so that repeating the request as it came in could
# undo something newer; it is then sent as the state too.
_INSERT = """
WITH receiver AS (
    SELECT * FROM unnest(%(platforms)s::bigint[], %(parties)s::text[], %(keys)s::text[])
        AS receiver(platform_id, party, keys)
), wanted AS (
    SELECT DISTINCT ON (receiver.platform_id, message.key)
        receiver.platform_id, receiver.party, message.*,
        count(*) OVER (PARTITION BY receiver.platform_id, message.parent_key) AS siblings
    FROM exchange_message message JOIN receiver
        ON receiver.platform_id <> message.source_id
        AND (message.audience = '' OR message.audience = ANY(string_to_array(receiver.keys, ',')))
    WHERE message.id = ANY(%(messages)s)
    ORDER BY receiver.platform_id, message.key, message.id DESC
)
INSERT INTO exchange_delivery (platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party,
                               exact, bulk, state, tries, reason)
SELECT platform_id, id, module, row_id, key, parent_key, path, variant, party,
    body IS NOT NULL AND siblings = 1 AND NOT EXISTS (
        SELECT FROM exchange_delivery other
        WHERE other.platform_id = wanted.platform_id AND other.module = wanted.module
            AND other.parent_key = wanted.parent_key AND other.state IN ('PENDING', 'SENDING')),
    body IS NULL, 'PENDING', 0, ''
FROM wanted ORDER BY id
ON CONFLICT (platform_id, module, key) WHERE state = 'PENDING' DO UPDATE
    SET message_id = excluded.message_id, row_id = excluded.row_id, exact = false, tries = 0,
        bulk = exchange_delivery.bulk AND excluded.bulk
RETURNING platform_id
"""

# A pending parent carries its parts with it: it sends the whole state, so they need not be sent themselves.
_ABSORB = """
WITH absorbed AS (
    UPDATE exchange_delivery part SET state = 'ABSORBED', finished_at = now(), reason = 'the whole object follows'
    FROM exchange_delivery whole
    WHERE part.state = 'PENDING' AND whole.state = 'PENDING' AND part.platform_id = whole.platform_id
        AND part.module = whole.module AND part.parent_key = whole.parent_key
        AND starts_with(part.key, whole.key || '/') AND part.platform_id = ANY(%(platforms)s)
        AND part.parent_key IN (SELECT parent_key FROM exchange_message WHERE id = ANY(%(messages)s))
    RETURNING whole.id
)
UPDATE exchange_delivery SET exact = false WHERE id IN (SELECT id FROM absorbed)
"""


def _insert(messages: list[int], found: list[Receiver]) -> set[int]:
    parameters = {
        "messages": messages,
        "platforms": [receiver.platform_id for receiver in found],
        "parties": [receiver.party for receiver in found],
        "keys": [",".join(receiver.parties) for receiver in found],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, parameters)
        reached = {row[0] for row in cursor.fetchall()}
        cursor.execute(_ABSORB, parameters)
    return reached
