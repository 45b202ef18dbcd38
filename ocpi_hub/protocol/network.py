"""Where connections are made: one lookup, every address checked, that very address dialled, one deadline."""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import certifi
import httpcore
import httpx

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_WRITE_SIZE = 16_384

SocketOptions = Iterable[Any] | None


class NotPublic(Exception):
    """The host has an address inside somebody's network."""


# --- The deadline of the call that this thread is making ---

_call = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything that this thread reads, writes and connects inside ends after so many seconds in all."""
    before = getattr(_call, "until", None)
    _call.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _call.until = before


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    until = getattr(_call, "until", None)
    if until is None:
        return timeout
    left: float = until - time.monotonic()
    if left <= 0:
        raise late("the time for the whole call is over")
    return left if timeout is None else min(left, timeout)


# --- Addresses ---


def is_public(address: str) -> bool:
    """Whether the whole internet means the same host by it; IPv4 inside IPv6 is seen through."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _inner_ipv4(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip in _NAT64[1] or ip.is_site_local or ip.is_reserved:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _inner_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64[0]:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip.teredo:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    """All addresses of a host. The system's lookup knows no deadline, so a thread of its own waits for it."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    found: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, found), daemon=True, name="lookup").start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"no answer to the lookup of {host}") from None
    if isinstance(answer, Exception):
        raise httpcore.ConnectError(f"no address found: {answer}")
    return answer


def _look_up(host: str, port: int, found: "queue.SimpleQueue[list[str] | Exception]") -> None:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        found.put(error)
    else:
        found.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))


# --- Connections ---


class CheckedBackend(httpcore.NetworkBackend):
    """TLS above it still verifies the host name: only the address that is dialled is decided here."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        if port > 65_535:
            raise httpcore.UnsupportedProtocol(f"{port} is not a port")
        timeout = _left(timeout, httpcore.ConnectTimeout)
        until = None if timeout is None else time.monotonic() + timeout
        addresses = _addresses(host, port, timeout)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise NotPublic(f"{host} has an address that is not public")
        for waiting in range(len(addresses), 1, -1):
            try:
                share = None if until is None else max(0.001, (until - time.monotonic()) / waiting)
                return self._dial(addresses[-waiting], port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue  # the next address of the same lookup
        share = None if until is None else max(0.001, until - time.monotonic())
        return self._dial(addresses[-1], port, share, local_address, socket_options)

    def _dial(
        self, address: str, port: int, timeout: float | None, local: str | None, options: SocketOptions
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(address, port, timeout, local, options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """In parts, because the inner stream starts the clock anew whenever the peer takes a few bytes."""
        for start in range(0, len(buffer), _WRITE_SIZE):
            part = buffer[start : start + _WRITE_SIZE]
            self._inner.write(part, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@cache
def tls() -> ssl.SSLContext:
    """One for all clients: making one takes 20 ms."""
    return ssl.create_default_context(cafile=certifi.where())


class _Connection(httpx.HTTPTransport):
    """One connection, kept open between calls, used by one call at a time."""

    def __init__(self, backend: CheckedBackend) -> None:
        super().__init__(verify=tls(), trust_env=False)
        # httpx has no public way to give its pool another network backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls(),
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=30,
            network_backend=backend,
        )


class CheckedTransport(httpx.BaseTransport):
    """Lends each call a connection of its own.

    The pool of httpcore 1.0 is not shared between threads on purpose: with more threads than connections
    it closes connections that another thread was just given, and forgets some who wait (8 threads on 2
    connections: 1 to 44 of 3,000 calls failed).
    """

    def __init__(self, *, allow_private: bool, max_connections: int) -> None:
        self._backend = CheckedBackend(allow_private=allow_private)
        self._made: list[_Connection] = []
        # The last one returned is lent first, so that as few as possible are kept open; None is not made yet.
        self._free: queue.LifoQueue[_Connection | None] = queue.LifoQueue()
        for _ in range(max_connections):
            self._free.put(None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        connection = self._take(request)
        try:
            response = connection.handle_request(request)
        except BaseException:
            self._free.put(connection)
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Lent(response.stream, lambda: self._free.put(connection))
        return response

    def _take(self, request: httpx.Request) -> _Connection:
        timeout = _left(request.extensions.get("timeout", {}).get("pool"), httpx.PoolTimeout)
        try:
            connection = self._free.get(timeout=timeout)
        except queue.Empty:
            raise httpx.PoolTimeout("all connections are in use", request=request) from None
        if connection is None:
            connection = _Connection(self._backend)
            self._made.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._made:
            connection.close()


class _Lent(httpx.SyncByteStream):
    """A body; closing it returns the connection that it came by."""

    def __init__(self, inner: httpx.SyncByteStream, give_back: Callable[[], None]) -> None:
        self._inner = inner
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is None:
            return
        try:
            self._inner.close()
        finally:
            give_back()
