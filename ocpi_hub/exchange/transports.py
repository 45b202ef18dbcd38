"""How a request gets to a partner: one bounded HTTP client for each (a bulkhead)."""

import threading

import httpx
from django.conf import settings
from django.db import connection

from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import PlatformClient

_lock = threading.Lock()
_clients: dict[int, tuple[tuple[str, bool], PlatformClient]] = {}

# Tests put an httpx.MockTransport here, in place of the network.
transport: httpx.BaseTransport | None = None


def client_for(platform: Platform) -> PlatformClient:
    """The client of this partner, kept while its token stays the same."""
    mark = (platform.token_cipher, platform.base64_token)
    with _lock:
        kept = _clients.get(platform.pk)
        if kept and kept[0] == mark and transport is None:
            return kept[1]
        client = new_client(platform.token, base64=platform.base64_token)
        # The old client is not closed here: a request of another thread may still be running on it.
        _clients[platform.pk] = (mark, client)
        return client


def new_client(token: str, *, base64: bool = True) -> PlatformClient:
    """A client for a token that is not (yet) a partner's, as during registration."""
    return PlatformClient(
        token,
        base64=base64,
        allow_private=settings.HUB_ALLOW_PRIVATE_URLS,
        connect_timeout=settings.HUB_CONNECT_TIMEOUT,
        total_timeout=settings.HUB_TOTAL_TIMEOUT,
        transport=transport,
    )


class InsideTransaction(RuntimeError):
    """The hub's own code calls a partner while a transaction is open; never to be caught."""


def release_connection() -> None:
    """Give the database connection back before waiting for a partner, who may take his time.

    A connection held while HTTP runs is missing to everybody else, so an open transaction here is a fault.
    """
    if connection.in_atomic_block:
        raise InsideTransaction("a partner is called inside a database transaction")
    connection.close()
