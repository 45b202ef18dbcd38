"""The web process: granian speaks HTTP, bodies are read within limits, Django's WSGI handler runs threaded.

Slow clients wait in the event loop, which costs a file descriptor each; a thread is taken only when a request
is there as a whole. Granian's ASGI interface is used, not RSGI: only it hands over the undecoded path, header
bytes outside ASCII, and the news that a body broke off.
"""

import asyncio
import errno
import ipaddress
import json
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from ocpi_hub import metrics
from ocpi_hub.processes import dying_with

BODY_LIMIT = 2_000_000
DRAIN_LIMIT = 50_000_000
BODY_SECONDS = 10.0
HEADER_SECONDS = 20
STOP_SECONDS = 30
THREADS = 128  # 96 of them may wait for partners (HUB_RELAYS_TOGETHER)
CONNECTIONS = 4096
PORT_TAKEN = 78  # EX_CONFIG: the supervisor shows the reason; starting again does not help

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = list[tuple[bytes, bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FORWARDED = {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"}
REPEATED_IN_ANSWERS = {b"x-request-id", b"x-correlation-id"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused(Exception):
    """The request ends here; Django never sees it."""

    status: HTTPStatus
    message: str


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


class Server:
    """The ASGI application of one worker process."""

    def __init__(
        self,
        wsgi: WSGI,
        trusted: Sequence[Network] = (),
        body_seconds: float = BODY_SECONDS,
        on_refusal: Callable[[str, Scope, int, str], object] | None = None,
    ) -> None:
        """`on_refusal` hears of what Django never sees: address, scope, HTTP status and message."""
        self.on_refusal = on_refusal
        self.wsgi = wsgi
        self.trusted = trusted
        self.body_seconds = body_seconds
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.answer(scope, receive)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            body = await read_body(receive, self.body_seconds)
        except Refused as refused:
            metrics.requests.labels("other", "other", str(int(refused.status)), "2000").inc()
            if self.on_refusal:
                peer, _, _ = behind_proxies(scope, self.trusted)
                self.on_refusal(peer, scope, int(refused.status), refused.message)
            return refusal(refused, scope["headers"])
        environ = wsgi_environ(scope, body, self.trusted)
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, self.wsgi, environ)


async def read_body(receive: Receive, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await _read_all(receive)
    except TimeoutError:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {seconds:.0f} seconds"
        ) from None


async def _read_all(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    # What is too large is read to its end all the same, or the client would never get to read our answer.
    while more and size <= DRAIN_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(HTTPStatus.BAD_REQUEST, "The body broke off or is wrongly chunked")
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= BODY_LIMIT:
            parts.append(message.get("body", b""))
    if size > BODY_LIMIT:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {BODY_LIMIT} bytes")
    return b"".join(parts)


def refusal(refused: Refused, headers: Headers) -> Answer:
    """An OCPI envelope (transport_and_format.asciidoc), for partners know how to read that."""
    envelope = {
        "status_code": 2000,
        "status_message": refused.message,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    repeated = [(name, value) for name, value in headers if name in REPEATED_IN_ANSWERS]
    # The rest of the body may still be under way, so this connection cannot be used again.
    ours = [(b"content-type", b"application/json"), (b"connection", b"close")]
    return Answer(refused.status, ours + repeated, json.dumps(envelope).encode())


def call(wsgi: WSGI, environ: dict[str, Any]) -> Answer:
    """Runs the WSGI handler to its end, in a thread."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started[:] = [
            int(status.split(" ", 1)[0]),
            [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        ]

    chunks = wsgi(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return Answer(started[0], started[1], body)


def wsgi_environ(scope: Scope, body: bytes, trusted: Sequence[Network]) -> dict[str, Any]:
    """PEP 3333: strings that hold bytes, one per character. RAW_PATH is ours: ids may hold `%2F`."""
    raw_path: bytes = scope["raw_path"]
    address, scheme, headers = behind_proxies(scope, trusted)
    # Whoever is asked for by a proxy that we do not trust only looks as if it came from that proxy's machine.
    stranger = {"FORWARDED_BY_STRANGER": "1"} if _is_forwarded_by_stranger(scope, trusted) else {}
    host, port = scope["server"] or ("", "")
    return {
        **header_variables(headers),
        **stranger,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "RAW_PATH": raw_path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": address,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def header_variables(headers: Headers) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, value in headers:
        # An underscore would arrive under the same variable as a dash, past every check of that header.
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        separator = "; " if name == b"cookie" else ","
        variables[key] = f"{variables[key]}{separator}{text}" if key in variables else text
    return variables


def behind_proxies(scope: Scope, trusted: Sequence[Network]) -> tuple[str, str, Headers]:
    """Who asks, by which scheme, and the headers without what only a trusted proxy may say."""
    peer = _peer(scope)
    said = [header for header in scope["headers"] if header[0] in FORWARDED]
    headers = [header for header in scope["headers"] if header[0] not in FORWARDED]
    if not is_trusted(peer, trusted):
        return peer, scope["scheme"], headers
    protocol = last(said, b"x-forwarded-proto")
    scheme = protocol if protocol in ("http", "https") else scope["scheme"]
    return client_address(peer, said, trusted), scheme, headers + said


def _peer(scope: Scope) -> str:
    return str((scope["client"] or ("",))[0].strip("[]"))


def _is_forwarded_by_stranger(scope: Scope, trusted: Sequence[Network]) -> bool:
    return not is_trusted(_peer(scope), trusted) and any(name in FORWARDED for name, _ in scope["headers"])


def client_address(peer: str, said: Headers, trusted: Sequence[Network]) -> str:
    """The nearest address that no proxy of ours has; everything left of it could be invented."""
    hops = b",".join(value for name, value in said if name == b"x-forwarded-for").decode("latin-1").split(",")
    address = peer
    for hop in (hop.strip() for hop in reversed(hops)):
        if not is_trusted(address, trusted) or not is_address(hop):
            break
        address = hop
    return address


def last(headers: Headers, wanted: bytes) -> str:
    values = [value.decode("latin-1") for name, value in headers if name == wanted]
    return values[-1].rpartition(",")[2].strip().lower() if values else ""


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    return is_address(address) and any(ipaddress.ip_address(address) in network for network in trusted)


def die_with_granian() -> None:
    """Its workers would go on serving after granian itself was killed; to be called in their main thread."""
    if parent := multiprocessing.parent_process():
        dying_with(parent.pid or 0, signal.SIGKILL)()


def application() -> Server:
    """Granian calls this once in each worker process."""
    die_with_granian()
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    wsgi = get_wsgi_application()
    from ocpi_hub.exchange.interfaces import requestfailures
    from ocpi_hub.partners.directory import directory

    metrics.publish(settings.HUB_METRICS_FOLDER)
    directory.start()
    return Server(wsgi, settings.TRUSTED_PROXIES, on_refusal=requestfailures.unread)


def port_problem(host: str, port: int) -> str:
    """Why nothing can listen there, or an empty text. Granian shares ports, so that a second hub on a taken
    one would silently get half of the requests."""
    if not 1 <= port <= 65535:
        return f"HUB_PORT must be between 1 and 65535, and is {port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            reason = error.strerror or str(error)
            return f"The hub cannot listen on {host}:{port} ({reason}): {_remedy(host, error)}"
    return ""


def _remedy(host: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"HUB_HOST={host} is no address of this machine; 127.0.0.1 is, and 0.0.0.0 stands for all it has"
        )
    if error.errno == errno.EACCES:
        return "choose a port above 1023 with HUB_PORT"
    return "end what uses the port, or choose another one with HUB_PORT (and address with HUB_HOST)"


def raise_file_limit() -> int:
    """Each waiting connection is an open file; answers how many connections we can take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 1024
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(256, min(CONNECTIONS, soft - 512))


def serve(target: str, host: str, port: int, logs: dict[str, Any] | None = None) -> int:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server import Server as Granian

    if problem := port_problem(host, port):
        print(problem, file=sys.stderr)  # noqa: T201 - logging is set up in the workers only
        return PORT_TAKEN
    Granian(
        target,
        factory=True,
        interface=Interfaces.ASGINL,
        address=host,
        port=port,
        workers=int(os.environ.get("WEB_PROCESSES") or 1),
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000),
        websockets=False,
        backlog=1024,
        backpressure=raise_file_limit(),
        workers_kill_timeout=STOP_SECONDS,
        log_dictconfig=logs,
    ).serve()
    return 0


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")
    from django.conf import settings

    return serve("ocpi_hub.server:application", settings.HUB_HOST, settings.HUB_PORT, settings.LOGGING)


if __name__ == "__main__":
    sys.exit(main())
