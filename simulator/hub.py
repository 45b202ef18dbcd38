"""Calls from a platform to its hub."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec

from simulator import ocpi
from simulator.ocpi import Party

TIMEOUT = httpx.Timeout(30, connect=5)


class Unreachable(Exception):
    """No answer, or none that is OCPI: worth another try later."""


class Refused(Exception):
    """The hub has answered, and says no."""

    def __init__(self, reply: "Reply", what: str) -> None:
        super().__init__(f"{what}: HTTP {reply.status}, {reply.code} {reply.message}".rstrip())
        self.reply = reply

    @property
    def temporary(self) -> bool:
        return self.reply.temporary


@dataclass(slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    code: int | None = None
    message: str = ""
    data: bytes = b""

    @property
    def success(self) -> bool:
        return self.status < 300 and self.code is not None and self.code < 2000

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later: the other side is busy, broken or not there."""
        code = self.code or 3000
        return self.status in (408, 425, 429) or self.status >= 500 or (self.status < 300 and code >= 3000)


class Wire(msgspec.Struct):
    status_code: int | None = None
    status_message: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_wire = msgspec.json.Decoder(Wire)


class Client:
    """One connection pool; knows nothing of registration."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self.http = httpx.Client(timeout=TIMEOUT, trust_env=False, transport=transport)

    def call(
        self,
        method: str,
        url: str,
        token: str,
        routing: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        headers = {"Authorization": ocpi.authorization(token), **ocpi.message_ids(), **(routing or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self.http.request(method, url, headers=headers, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{method} {url}: {error or type(error).__name__}") from error
        return reply(response)

    def close(self) -> None:
        self.http.close()


def reply(response: httpx.Response) -> Reply:
    answer = Reply(response.status_code, dict(response.headers), response.content)
    try:
        wire = _wire.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer.message = "the answer is no OCPI envelope"
        return answer
    answer.code, answer.message = wire.status_code, wire.status_message or ""
    answer.data = bytes(wire.data)
    return answer


def expect(answer: Reply, what: str) -> bytes:
    if not answer.success:
        raise Refused(answer, what)
    return answer.data


def join(endpoint: str, *path: str) -> str:
    """The URL of an object below an endpoint, by exactly one slash (P11)."""
    if not path:
        return endpoint
    base, question, query = endpoint.partition("?")
    return base.rstrip("/") + "/" + "/".join(quote(part, safe="") for part in path) + question + query


def with_query(url: str, **query: Any) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url


@dataclass(slots=True)
class Page:
    objects: list[bytes]
    total: int | None


def pages(client: Client, url: str, token: str, to: Party | None, sender: Party) -> Iterator[Page]:
    """Every page of a Sender list, along the Link headers (PAG-12)."""
    link: str | None = url
    visited = set()
    while link and link not in visited:
        visited.add(link)
        answer = patiently(client, link, token, ocpi.routing(to, sender))
        data = expect(answer, f"GET {link}")
        total = answer.headers.get("x-total-count", "")
        objects = msgspec.json.decode(data or b"[]", type=list[msgspec.Raw])
        yield Page([bytes(raw) for raw in objects], int(total) if total.isdecimal() else None)
        link = ocpi.next_link(answer.headers.get("link"))


def patiently(client: Client, url: str, token: str, routing: dict[str, str], tries: int = 5) -> Reply:
    """A GET that waits when the hub asks for it."""
    for _ in range(tries):
        answer = client.call("GET", url, token, routing)
        if answer.status != 429:
            return answer
        time.sleep(min(retry_after(answer), 60))
    return answer


def retry_after(answer: Reply, default: float = 2) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else default
