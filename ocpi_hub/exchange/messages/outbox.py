"""From an accepted change to the deliveries it causes.

`publish()` writes one Message in the caller's transaction. `expand()`, in a worker, turns waiting Messages into
one Delivery per receiving platform, by one INSERT … SELECT, however many receivers there are; it may run twice.
"""

import logging
import time
from functools import cache
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction

from ocpi_hub.exchange import hubfailures
from ocpi_hub.exchange.messages import doorbell
from ocpi_hub.exchange.models import Callback, Message
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject, owned_models
from ocpi_hub.exchange.objects.upserts import Sequel, Stored
from ocpi_hub.exchange.routing import Receiver, addressees, owner_in, receivers
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

EXPANSION_LOCK = 0x0C9101  # one expansion at a time keeps the messages of an object in order
BATCH = 500  # messages expanded in one transaction
LONGEST = 5.0  # seconds that one expansion goes on
DIRECTLY = "its owner delivered it directly"  # why a delivery is not needed any more
_SET_LATER = ("id", "created_at", "expanded_at")  # columns of a message that the database fills in


def publish(
    model: type[OwnedObject],
    address: Address,
    stored: Stored,
    source: Platform,
    ids: MessageIDs,
    *,
    method: str = "PUT",
    body: bytes | None = None,
    bulk: bool = False,
) -> None:
    """Note that a part of an object changed; whoever may see it gets it after the commit.

    With a body the first try repeats method and body; without one it sends the state that counts then.
    """
    publish_many([message(model, address, stored, source, ids, method=method, body=body, bulk=bulk)])


def message(
    model: type[OwnedObject],
    address: Address,
    stored: Stored,
    source: Platform,
    ids: MessageIDs,
    *,
    method: str = "PUT",
    body: bytes | None = None,
    bulk: bool = False,
) -> Message:
    if stored.returned:
        address, method, body = address.parent, model.push_method, None
    key = address.key
    return Message(
        module=model.module,
        row_id=stored.row_id,
        key=key,
        path=address.path,
        parent_key=address.parent.key if address.children else key,
        variant=address.variant,
        method=method,
        body=None if body is None else body.decode(),
        audience=stored.audience,
        # What goes to one party alone comes from its owner; what goes to all comes from the hub (P38).
        from_party=address.owner.key if stored.audience else "",
        bulk=bulk,
        source=source,
        request_id=ids.request_id,
        correlation_id=ids.correlation_id,
    )


def publish_result(callback: Callback, body: bytes, ids: MessageIDs) -> None:
    """Note that a result came; whoever asked gets it at its response_url, before all that waits in its lane."""
    key = result_path(callback)
    result = Message(
        module=Callback.MODULE,
        row_id=callback.pk,
        key=f"{key}/{callback.results}",
        path=f"{key}/{callback.results}",
        parent_key=key,
        method="POST",
        body=body.decode(),
        audience=callback.from_party,
        from_party=callback.to_party,
        source=callback.receiver,
        request_id=ids.request_id,
        correlation_id=callback.correlation_id,
    )
    publish_many([result])


def result_path(callback: Callback) -> str:
    """What the messages and deliveries of all results of one request have in common."""
    return f"{callback.module}/{callback.kind}/{callback.pk}"


@transaction.atomic
def cover(model: type[OwnedObject], address: Address, audience: str) -> None:
    """What waits for a party and has just reached it directly need not be delivered any more.

    The messages first: whoever is expanding one of them is waited for, and the delivery that it made is seen.
    """
    parameters = {
        "module": model.module,
        "parent": address.parent.key,
        "key": address.key,
        "audience": audience,
        "reason": DIRECTLY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COVER_MESSAGES, parameters)
        cursor.execute(_COVER_DELIVERIES, parameters)


_COVER_MESSAGES = """
UPDATE exchange_message SET expanded_at = now()
WHERE module = %(module)s AND parent_key = %(parent)s AND audience = %(audience)s AND expanded_at IS NULL
    AND (key = %(key)s OR starts_with(key, %(key)s || '/'))
"""

_COVER_DELIVERIES = """
WITH settled AS (
    UPDATE exchange_deadletter letter SET state = 'SETTLED', closed_at = now(), closing = %(reason)s
    FROM partners_party party
    WHERE party.key = %(audience)s AND letter.platform_id = party.platform_id AND letter.to_party = party.key
        AND letter.module = %(module)s AND letter.parent_key = %(parent)s AND letter.state IN ('OPEN', 'RETRYING')
        AND (letter.key = %(key)s OR starts_with(letter.key, %(key)s || '/'))
    RETURNING letter.delivery_id
), covered_by_it AS (
    UPDATE exchange_delivery SET state = 'ABSORBED', reason = %(reason)s
    FROM settled WHERE id = settled.delivery_id AND state = 'FAILED'
)
UPDATE exchange_delivery waiting
SET state = 'ABSORBED', finished_at = now(), reason = %(reason)s
FROM partners_party party
WHERE party.key = %(audience)s AND waiting.platform_id = party.platform_id AND waiting.to_party = party.key
    AND waiting.module = %(module)s AND waiting.parent_key = %(parent)s AND waiting.state = 'PENDING'
    AND (waiting.key = %(key)s OR starts_with(waiting.key, %(key)s || '/'))
"""


def as_sequel(message: Message) -> Sequel:
    """Note it by the statement that writes the object; whoever runs that rings afterwards."""
    names = [name for name in _columns() if name != "row_id"]
    values = ", ".join(["%s"] * len(names))
    return Sequel(
        f"INSERT INTO {Message._meta.db_table} (row_id, {', '.join(names)}) SELECT id, {values} FROM written",  # noqa: S608
        [getattr(message, name) for name in names],
    )


def ring() -> None:
    transaction.on_commit(doorbell.ring)


@cache
def _columns() -> list[str]:
    """Those of a message that the database does not fill in."""
    return [field.attname for field in Message._meta.concrete_fields if field.attname not in _SET_LATER]


def publish_many(messages: list[Message]) -> None:
    """One INSERT; its text is made here, which costs a fraction of having it made for every push."""
    if not messages:
        return
    names = _columns()
    row = f"({', '.join(['%s'] * len(names))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Message._meta.db_table} ({', '.join(names)})"  # noqa: S608  # ours, no values
            f" VALUES {', '.join([row] * len(messages))}",
            [getattr(message, name) for message in messages for name in names],
        )
    ring()


def expand() -> set[int]:
    """Turn waiting messages into deliveries; the platforms that got one.

    After a while the rest is left to the next who is rung: lanes are to be worked meanwhile, however many wait.
    """
    reached: set[int] = set()
    end = time.monotonic() + LONGEST
    while True:
        with transaction.atomic():
            if not take_turn():
                return reached
            # Locked, so that cover() waits for the deliveries of those that it means.
            waiting = Message.objects.select_for_update(no_key=True).filter(expanded_at=None)
            batch = [Waiting(*row) for row in waiting.order_by("id").values_list(*Waiting._fields)[:BATCH]]
            if not batch:
                return reached
            _expand_what_can_be(batch, reached)
        if len(batch) < BATCH:
            return reached
        if time.monotonic() > end:
            doorbell.ring()
            return reached


def take_turn(*, wait: bool = False) -> bool:
    """Be the only one who puts deliveries into lanes, until the transaction ends; False when another one is."""
    lock = "pg_advisory_xact_lock(%s) IS NOT NULL" if wait else "pg_try_advisory_xact_lock(%s)"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}", [EXPANSION_LOCK])
        row = cursor.fetchone()
    return bool(row and row[0])


class Waiting(NamedTuple):
    """A message to be expanded."""

    id: int
    module: str
    variant: str
    audience: str
    parent_key: str

    @property
    def owner(self) -> str:
        """The key of the party whose object it is about."""
        return owner_in(self.parent_key).key


def _expand_what_can_be(batch: list[Waiting], reached: set[int]) -> None:
    """A message that is a fault of ours waits on until that is mended, and holds up no other."""
    try:
        with transaction.atomic():
            _expand(batch, reached)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(batch) > 1:
            for message in batch:
                _expand_what_can_be([message], reached)
            return
        logger.exception("message %s cannot be expanded into deliveries; it waits", batch[0].id)
        hubfailures.stopped(f"the expansion of message {batch[0].id}", error)


def _expand(batch: list[Waiting], reached: set[int]) -> None:
    """Deliveries for a batch of messages of any modules, in the transaction of the caller."""
    models = owned_models()
    terms = Terms.of({message.owner for message in batch})
    groups: dict[tuple[str, str, bool, str], list[Waiting]] = {}
    for message in batch:
        group = _group(message, models.get(message.module), terms)
        if group is not None:
            groups.setdefault(group, []).append(message)
    for (module, variant, addressed, owner), messages in groups.items():
        if addressed:
            found = list(addressees(module, {message.audience for message in messages}))
        else:
            found = list(receivers(models[module], variant, owner, terms))
        if found:
            reached.update(_insert([message.id for message in messages], found))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE exchange_message SET expanded_at = now() WHERE id = ANY(%s)",
            [[message.id for message in batch]],
        )


def _group(
    message: Waiting, model: type[OwnedObject] | None, terms: Terms
) -> tuple[str, str, bool, str] | None:
    """Messages of one group go to the same platforms; None when it goes to nobody.

    Most owners have the same terms with everybody, and share their groups.
    """
    module, owner = message.module, message.owner
    if message.audience:
        may_go = model is None or not model.routed or terms.allow(owner, message.audience, module)
        return (module, message.variant, True, "") if may_go else None
    if model is None:
        return None
    is_own = not model.routed or not terms.default or terms.exceptions(owner, module)
    return module, message.variant, False, owner if is_own else ""


# Of several messages about one part the newest is delivered, and then as the state. A message is repeated as it came
# in (exact) unless something else of the object is under way to that platform, which that could undo, or was given
# up for it, which that would not make up for; it is then sent as the state too.
_INSERT = """
WITH receiver AS (
    SELECT * FROM unnest(%(platforms)s::bigint[], %(parties)s::text[], %(keys)s::text[])
        AS receiver(platform_id, party, keys)
), wanted AS (
    SELECT DISTINCT ON (receiver.platform_id, message.key)
        receiver.platform_id, coalesce(nullif(message.audience, ''), receiver.party) AS party, message.*,
        count(*) OVER (PARTITION BY receiver.platform_id, message.parent_key) AS siblings
    FROM exchange_message message JOIN receiver
        ON (receiver.platform_id <> message.source_id OR message.module = %(results)s)
        AND (message.audience = '' OR message.audience = ANY(string_to_array(receiver.keys, ',')))
    WHERE message.id = ANY(%(messages)s)
    ORDER BY receiver.platform_id, message.key, message.id DESC
)
INSERT INTO exchange_delivery (platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party,
                               exact, priority, state, tries, reason)
SELECT platform_id, id, module, row_id, key, parent_key, path, variant, party,
    body IS NOT NULL AND siblings = 1 AND NOT EXISTS (
        SELECT FROM exchange_delivery other
        WHERE other.platform_id = wanted.platform_id AND other.module = wanted.module
            AND other.parent_key = wanted.parent_key AND other.state IN ('PENDING', 'SENDING'))
        AND NOT EXISTS (
        SELECT FROM exchange_deadletter letter
        WHERE letter.platform_id = wanted.platform_id AND letter.module = wanted.module
            AND letter.parent_key = wanted.parent_key AND letter.state IN ('OPEN', 'RETRYING')),
    CASE WHEN module = %(results)s THEN 0 WHEN bulk THEN 2 ELSE 1 END, 'PENDING', 0, ''
FROM wanted ORDER BY id
ON CONFLICT (platform_id, module, key) WHERE state = 'PENDING' DO UPDATE
    SET message_id = excluded.message_id, row_id = excluded.row_id, exact = false, tries = 0,
        priority = least(exchange_delivery.priority, excluded.priority)
RETURNING platform_id
"""

# A partner that ends its registration takes back what waits for it; whoever puts more into its lane waits for that.
_LEFT_MEANWHILE = """
UPDATE exchange_delivery SET state = 'ABSORBED', finished_at = now(), reason = 'the partner ended its registration'
FROM partners_platform platform
WHERE platform.id = ANY(%(platforms)s) AND platform.token_cipher = ''
    AND platform_id = platform.id AND state = 'PENDING'
"""

# A pending parent carries its parts with it: it sends the whole state, so they need not be sent themselves.
# What is open of each object at each receiver is looked up by delivery_open_parts, whose condition it repeats:
# after quiet hours the statistics know of nothing that is pending, and a plan that believes them compares every
# pending delivery with every other (10,000 of them took 36 s).
# The whole is held before it takes a part along: a drain that claims it in this moment has read what it sends, and the
# part would be in nobody's hands.
_ABSORB = """
WITH object AS MATERIALIZED (
    SELECT DISTINCT module, parent_key FROM exchange_message WHERE id = ANY(%(messages)s)
), waiting AS MATERIALIZED (
    SELECT found.* FROM object CROSS JOIN unnest(%(platforms)s::bigint[]) AS platform(id) CROSS JOIN LATERAL (
        SELECT id, platform_id, module, parent_key, key, state FROM exchange_delivery
        WHERE platform_id = platform.id AND module = object.module AND parent_key = object.parent_key
            AND state IN ('PENDING', 'SENDING')
        OFFSET 0) found
    WHERE found.state = 'PENDING'
), pair AS MATERIALIZED (
    SELECT part.id AS part_id, whole.id AS whole_id
    FROM waiting part JOIN waiting whole USING (platform_id, module, parent_key)
    WHERE starts_with(part.key, whole.key || '/')
), held AS MATERIALIZED (
    SELECT id FROM exchange_delivery WHERE id IN (SELECT whole_id FROM pair) AND state = 'PENDING'
    ORDER BY id FOR UPDATE SKIP LOCKED
), absorbed AS (
    UPDATE exchange_delivery SET state = 'ABSORBED', finished_at = now(), reason = 'the whole object follows'
    FROM pair JOIN held ON held.id = whole_id
    WHERE exchange_delivery.id = part_id AND exchange_delivery.state = 'PENDING'
    RETURNING held.id, exchange_delivery.message_id
), carried AS (
    SELECT id, max(message_id) AS message_id FROM absorbed GROUP BY id
)
UPDATE exchange_delivery SET exact = false, message_id = greatest(exchange_delivery.message_id, carried.message_id)
FROM carried WHERE exchange_delivery.id = carried.id
"""


def _insert(messages: list[int], found: list[Receiver]) -> set[int]:
    parameters = {
        "messages": messages,
        "platforms": [receiver.platform_id for receiver in found],
        "parties": [receiver.party for receiver in found],
        "keys": [",".join(receiver.parties) for receiver in found],
        "results": Callback.MODULE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, parameters)
        reached = {row[0] for row in cursor.fetchall()}
        cursor.execute(_LEFT_MEANWHILE, parameters)
    absorb(messages, [receiver.platform_id for receiver in found])
    return reached


def absorb(messages: list[int], platforms: list[int]) -> None:
    """Of the objects of these messages, what waits as a part where the whole object waits as well."""
    with connection.cursor() as cursor:
        cursor.execute(_ABSORB, {"messages": messages, "platforms": platforms})
