"""A bare pass-through: WSGI and httpx, nobody asked who he is, nothing kept."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from ocpi_hub.server import Server, die_with_granian

TARGET = os.environ.get("PASS_TO", "")
PASSED_ON = ("CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_X_REQUEST_ID", "HTTP_X_CORRELATION_ID")

_clients = threading.local()


def client() -> httpx.Client:
    """One for each thread: a pool that threads share is slower the more of them wait for it."""
    if not hasattr(_clients, "client"):
        _clients.client = httpx.Client(trust_env=False, timeout=30)
    found: httpx.Client = _clients.client
    return found


def pass_on(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): environ[name] for name in PASSED_ON if name in environ
    }
    query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
    answer = client().request(
        environ["REQUEST_METHOD"],
        f"{TARGET}{environ['RAW_PATH']}{query}",
        headers=headers,
        content=environ["wsgi.input"].read() or None,
    )
    content_type = answer.headers.get("Content-Type", "application/json")
    start_response(
        f"{answer.status_code} {answer.reason_phrase}",
        [("Content-Type", content_type), ("Content-Length", str(len(answer.content)))],
    )
    return [answer.content]


def application() -> Server:
    die_with_granian()
    return Server(pass_on)
