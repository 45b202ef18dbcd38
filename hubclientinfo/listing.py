"""Keeps the list of clients true to what the hub knows of its partners (mod_hub_client_info.asciidoc).

Every worker looks every few seconds, and so does whoever asks for the list. What differs is written and
published; nothing is ever deleted.
"""

from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from hubclientinfo import learning
from hubclientinfo.clients import Client, candidates
from hubclientinfo.models import ClientInfo
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.objects import upserts
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.protocol.codec import check, dump
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef

LISTING_LOCK = 0x0C9102  # one process at a time writes the list


def status_of(client: Client) -> str:
    """How a client is listed: whoever exchanges nothing with it never learns more (interpretations, P135)."""
    return true_status(client) if client.exchanges else Status.PLANNED


def true_status(client: Client) -> str:
    if client.platform_status is None:
        return Status.SUSPENDED
    if client.announced or client.platform_status in (Status.PLANNED, Status.SUSPENDED):
        return client.platform_status
    # Invited in a role that it did not announce, or announces no more.
    was_there = {client.listed, client.listed_to_all} - {None, Status.PLANNED}
    return Status.SUSPENDED if was_there else Status.PLANNED


def keep_true() -> int:
    """And the clients of other hubs reached as those tell."""
    written = reconcile(timezone.now())
    return written + reconcile(timezone.now()) if learning.learn() else written


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
    return [client for client in candidates() if status_of(client) != client.listed]


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
    incoming = upserts.Incoming(check(document, ClientInfo.wire), dump(document).decode())
    platform = Platform.objects.get(pk=client.platform_id)
    stored = upserts.save(ClientInfo, address, incoming, platform, client.viewer)
    if not stored.stale:
        outbox.publish(ClientInfo, address, stored, platform, MessageIDs.new())
    return not stored.stale
