"""How a request gets to a partner: one bounded HTTP client for each (a bulkhead)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
from django.conf import settings

from ocpi_hub.connections import InsideTransaction as InsideTransaction
from ocpi_hub.connections import release_connection as release_connection
from ocpi_hub.journal.recording import Watch
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.throttling import bulkhead
from ocpi_hub.protocol.client import PlatformClient

BESIDES = 8  # connections for what is no relay: deliveries, pulls, calls of the versions endpoint


class Terms(NamedTuple):
    """What a client is made for; another one is made when these change."""

    token_cipher: str
    base64: bool
    connect_timeout: float
    total_timeout: float
    connections: int


_lock = threading.Lock()
_clients: dict[int, tuple[Terms, PlatformClient]] = {}

# Tests put an httpx.MockTransport here, in place of the network.
transport: httpx.BaseTransport | None = None


def client_for(platform: Platform) -> PlatformClient:
    """The client of this partner, kept while its token, timeouts and limits stay the same."""
    terms = terms_of(platform)
    with _lock:
        kept = _clients.get(platform.pk)
        if kept and kept[0] == terms and transport is None:
            return kept[1]
        token = platform.token
        client = PlatformClient(
            token,
            base64=terms.base64,
            allow_private=settings.HUB_ALLOW_PRIVATE_URLS,
            connect_timeout=terms.connect_timeout,
            total_timeout=terms.total_timeout,
            max_connections=terms.connections,
            transport=transport,
            watch=Watch(platform.pk, token),
        )
        # The old client is not closed here: a request of another thread may still be running on it.
        _clients[platform.pk] = (terms, client)
        return client


def terms_of(platform: Platform) -> Terms:
    return Terms(
        platform.token_cipher,
        platform.base64_token,
        platform.seconds_to_connect,
        platform.seconds_to_answer,
        platform.relays + BESIDES,
    )


def new_client(token: str, *, base64: bool = True) -> PlatformClient:
    """A client for a token that is not (yet) a partner's, as during registration."""
    return PlatformClient(
        token,
        base64=base64,
        allow_private=settings.HUB_ALLOW_PRIVATE_URLS,
        connect_timeout=settings.HUB_CONNECT_TIMEOUT,
        total_timeout=settings.HUB_TOTAL_TIMEOUT,
        transport=transport,
        watch=Watch(None, token, "credentials"),
    )


@contextmanager
def waiting() -> Iterator[None]:
    """A request waits for partners: meanwhile it holds no connection and none of its sender's places."""
    release_connection()
    with bulkhead.left():
        yield
