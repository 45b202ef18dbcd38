"""Keeps the list of clients true to what the hub knows of its partners (mod_hub_client_info.asciidoc).

Every worker looks every few seconds, and so does whoever asks for the list. What differs is written and
published; nothing is ever deleted.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from hubclientinfo.models import ClientInfo
from ocpi_hub.exchange import outbox, store
from ocpi_hub.exchange.ownedobject import Address
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.protocol.codec import check, dump
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef

LISTING_LOCK = 0x0C9102  # one process at a time writes the list


class Client(NamedTuple):
    """A party in one role, as the hub knows it and as it is listed."""

    country_code: str
    party_id: str
    role: str
    platform_id: int
    platform_status: str | None  # None: the party no longer has the role
    announced: bool  # in this role; else it was only invited
    listed: str | None  # None: not yet


def status_of(client: Client) -> str:
    """How a client is listed, the same for everybody who may see it (interpretations, P135)."""
    if client.platform_status is None:
        return Status.SUSPENDED
    if client.announced or client.platform_status in (Status.PLANNED, Status.SUSPENDED):
        return client.platform_status
    # Invited in a role that it did not announce, or announces no more.
    return Status.PLANNED if client.listed in (None, Status.PLANNED) else Status.SUSPENDED


def keep_true() -> int:
    return reconcile(timezone.now())


def reconcile(now: datetime) -> int:
    """Write and publish what is listed otherwise than it is; how many entries that were."""
    if not differences():
        return 0
    with transaction.atomic():
        _take_turn()
        # Whoever had the turn before us may have written them.
        return sum(_write(client, now) for client in differences())


def differences() -> list[Client]:
    """The clients that are to be listed otherwise: none at most times, which one query tells."""
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES)
        candidates = [Client(*row) for row in cursor.fetchall()]
    return [client for client in candidates if status_of(client) != client.listed]


# A platform that the hub registers with by itself is nobody's client before it has answered: it has no invitation.
_CANDIDATES = """
SELECT coalesce(client.country_code, entry.country_code), coalesce(client.party_id, entry.party_id),
    coalesce(client.role, entry.role), coalesce(client.platform_id, entry.source_id),
    client.status, coalesce(client.announced, false), entry.status
FROM (
    SELECT party.key, party.country_code, party.party_id, role.name AS role, role.name = ANY(party.roles) AS announced,
        platform.id AS platform_id, platform.status
    FROM partners_party party JOIN partners_platform platform ON platform.id = party.platform_id
        CROSS JOIN LATERAL (SELECT DISTINCT unnest(party.roles || party.invited_roles)) role(name)
    WHERE role.name <> 'HUB' AND (platform.status <> 'PLANNED' OR EXISTS (
        SELECT FROM partners_issuedtoken token WHERE token.platform_id = platform.id AND token.kind = 'A'))
) client
FULL JOIN (SELECT * FROM hubclientinfo_clientinfo WHERE audience = '') entry
    ON entry.owner_key = client.key AND entry.role = client.role
WHERE entry.status IS DISTINCT FROM client.status OR NOT client.announced
ORDER BY 1, 2, 3
"""


def _take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LISTING_LOCK])


def _write(client: Client, now: datetime) -> bool:
    address = Address(PartyRef(client.country_code, client.party_id), "", (), client.role)
    document = {
        "country_code": client.country_code,
        "party_id": client.party_id,
        "role": client.role,
        "status": status_of(client),
        "last_updated": format_time(now),
    }
    incoming = store.Incoming(check(document, ClientInfo.wire), dump(document).decode())
    platform = Platform.objects.get(pk=client.platform_id)
    stored = store.save(ClientInfo, address, incoming, platform)
    if not stored.stale:
        outbox.publish(ClientInfo, address, stored, platform, MessageIDs.new())
    return not stored.stale
