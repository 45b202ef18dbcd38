"""How a platform is called (transport_and_format.asciidoc).

CallFailed
├── Unreachable      no connection: refused, no such host, TLS
├── TimedOut         no connection or no complete answer in time
├── RefusedAddress   the URL leads into a private network               permanent
├── AnswerTooLarge   more than we are willing to read                   permanent
└── BrokenAnswer     what came cannot be read
    └── CutOff       the connection was cut before the answer was whole, or what came is not HTTP
"""

import codecs
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import msgspec

from .codec import InvalidObject, MalformedJSON, parse
from .envelope import Envelope
from .headers import MessageIDs, Routing, authorization
from .network import CheckedTransport, NotPublic, deadline

MEGABYTE = 1_000_000
MAX_REDIRECTS = 3
MOST_DOCUMENTS = 50_000  # in one page of a list


class CallFailed(Exception):
    """No answer. `permanent` says that trying again later will not help."""

    permanent = False

    def __init__(self, message: str, *, permanent: bool | None = None) -> None:
        super().__init__(message)
        if permanent is not None:
            self.permanent = permanent


class Unreachable(CallFailed):
    pass


class TimedOut(CallFailed):
    pass


class RefusedAddress(CallFailed):
    permanent = True


class AnswerTooLarge(CallFailed):
    permanent = True


class BrokenAnswer(CallFailed):
    pass


class CutOff(BrokenAnswer):
    pass


class _Frame(msgspec.Struct):
    """An envelope whose data is left as the bytes that came."""

    status_code: int
    status_message: Any = None
    timestamp: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


_FRAMES = msgspec.json.Decoder(_Frame)
_LISTS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Answer:
    """What came back. Its body may hold a token, so the repr shows none of it."""

    http_status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    duration: float

    @property
    def ok(self) -> bool:
        return 200 <= self.http_status < 300 and 1000 <= (self.status_code or 0) < 2000

    @property
    def status_code(self) -> int | None:
        return self._frame.status_code if self._frame else None

    @property
    def status_message(self) -> str | None:
        message = self._frame.status_message if self._frame else None
        return message if isinstance(message, str) else None

    @cached_property
    def envelope(self) -> Envelope | None:
        """None when it is no envelope, or when its data break the limits of `parse`."""
        if self._frame is None:
            return None
        try:
            return Envelope(
                status_code=self._frame.status_code,
                status_message=self.status_message,
                timestamp=self._frame.timestamp,
                data=parse(bytes(self._frame.data) or b"null"),
            )
        except (MalformedJSON, InvalidObject):
            return None

    @property
    def data(self) -> bytes:
        """The JSON of its data, as it came; empty when it has none."""
        return bytes(self._frame.data) if self._frame else b""

    def documents(self) -> list[bytes]:
        """The objects of a list, each as it was sent and not yet parsed: a bad one spoils no other."""
        try:
            data = self.data
            # An object has at least a few bytes for each comma; a list of less is not worth its memory.
            if data.count(b",") > MOST_DOCUMENTS and data.count(b",") * 4 > len(data):
                raise BrokenAnswer("the answer holds a list of what cannot be objects")
            documents = _LISTS.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BrokenAnswer("the answer holds no list") from None
        if len(documents) > MOST_DOCUMENTS:
            raise BrokenAnswer(f"the answer holds a list of more than {MOST_DOCUMENTS} objects")
        return [bytes(document) for document in documents]

    @cached_property
    def _frame(self) -> _Frame | None:
        try:
            return _FRAMES.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Call(NamedTuple):
    """A request to a platform and what came of it, for whoever watches the client."""

    method: str
    url: str
    ids: MessageIDs
    routing: Routing | None
    body: bytes | None
    answer: Answer | None
    failure: CallFailed | None
    seconds: float


class PlatformClient:
    """Calls one platform with its credentials token. Threads may share it.

    `watch` is told of every call when it is over; it must neither fail nor take time.
    """

    def __init__(
        self,
        token: str,
        *,
        base64: bool = True,
        allow_private: bool = False,
        connect_timeout: float = 5.0,
        total_timeout: float = 30.0,
        max_connections: int = 16,
        transport: httpx.BaseTransport | None = None,
        watch: Callable[[Call], object] | None = None,
    ) -> None:
        if not re.fullmatch("[!-~]{1,64}", token):
            raise ValueError("a credentials token has 1 to 64 printable ASCII characters without blanks")
        self._authorization = authorization(token, base64)
        self._connect_timeout = connect_timeout
        self.total_timeout = total_timeout
        self._watch = watch
        # Not an httpx.Client: its cookies, proxies, authentication and defaults are nothing that platforms use among
        # each other, and cost half as much as the call.
        self._transport = transport or CheckedTransport(
            allow_private=allow_private, max_connections=max_connections
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        ids: MessageIDs,
        routing: Routing | None = None,
        body: bytes | None = None,
        total_timeout: float | None = None,
        limit: int = MEGABYTE,
    ) -> Answer:
        """The platform's answer, whatever it says, or CallFailed. `limit` counts decompressed bytes."""
        started = time.monotonic()
        answer: Answer | None = None
        failure: CallFailed | None = None
        try:
            answer = self._request(method, url, ids, routing, body, total_timeout, limit)
        except CallFailed as error:
            failure = error
            raise
        finally:
            if self._watch is not None:
                seconds = time.monotonic() - started
                self._watch(Call(method, url, ids, routing, body, answer, failure, seconds))
        return answer

    def _request(
        self,
        method: str,
        url: str,
        ids: MessageIDs,
        routing: Routing | None,
        body: bytes | None,
        total_timeout: float | None,
        limit: int,
    ) -> Answer:
        started = time.monotonic()
        seconds = self.total_timeout if total_timeout is None else total_timeout
        headers = self._headers(ids, routing, body)
        try:
            with deadline(seconds):
                timeout = {"connect": min(self._connect_timeout, seconds)}
                timeout |= dict.fromkeys(("read", "write", "pool"), seconds)
                request = httpx.Request(
                    method, url, headers=headers, content=body, extensions={"timeout": timeout}
                )
                response, answer = self._send(request, limit)
        except (httpx.HTTPError, httpx.InvalidURL, NotPublic, UnicodeError) as error:
            raise _failure(error, url) from None
        duration = time.monotonic() - started
        return Answer(response.status_code, response.headers, answer, duration)

    def _headers(self, ids: MessageIDs, routing: Routing | None, body: bytes | None) -> dict[str, str]:
        return {
            "Authorization": self._authorization,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Connection": "keep-alive",
            "User-Agent": "ocpi-hub",
            **({} if body is None else {"Content-Type": "application/json"}),
            **(routing.as_headers() if routing else {}),
            **ids.as_headers(),
        }

    def _send(self, request: httpx.Request, limit: int) -> tuple[httpx.Response, bytes]:
        """Follows redirects of a GET only, each checked like the first; the token stays at its origin."""
        for hop in range(MAX_REDIRECTS + 1):
            if request.url.scheme not in ("http", "https") or not request.url.host:
                raise httpx.UnsupportedProtocol("not the URL of a server")
            response = self._transport.handle_request(request)
            response.request = request
            try:
                body = _read(response, limit)
            finally:
                response.close()
            if request.method != "GET" or not response.has_redirect_location or hop == MAX_REDIRECTS:
                break
            request = _redirected(request, response)
        return response, body

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def join(endpoint_url: str, *segments: str) -> str:
    """The URL of an object below an endpoint: one slash between, every segment encoded, the query kept."""
    if not segments:
        return endpoint_url
    parts = urlsplit(endpoint_url)
    path = parts.path if parts.path.endswith("/") else parts.path + "/"
    return urlunsplit((parts.scheme, parts.netloc, path + "/".join(map(_segment, segments)), parts.query, ""))


def _segment(segment: str) -> str:
    # As they stand these two would mean the folder itself and the one above.
    return segment.replace(".", "%2E") if segment in (".", "..") else quote(segment, safe="")


def _redirected(request: httpx.Request, response: httpx.Response) -> httpx.Request:
    """The same request where the answer says; to another server it goes without our token."""
    try:
        url = request.url.join(response.headers["Location"])
    except httpx.InvalidURL:
        raise httpx.RemoteProtocolError("redirected to what is no URL") from None
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    if _origin(url) != _origin(request.url):
        headers.pop("authorization", None)
    return httpx.Request(request.method, url, headers=headers, extensions=request.extensions)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def same_origin(url: str, other: str) -> bool:
    """Whether both lead to one server, so that what is meant for the one may be sent to the other."""
    try:
        left, right = httpx.URL(url), httpx.URL(other)
    except _UNSENDABLE:
        return False
    return _origin(left) == _origin(right) and bool(left.host) and not left.userinfo


_UNSENDABLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError)


def _failure(error: Exception, url: str) -> CallFailed:
    """What an error means to the caller. No text of a header gets in, because one of them is the token."""
    if isinstance(error, NotPublic):
        return RefusedAddress(str(error))
    if isinstance(error, _UNSENDABLE):
        return Unreachable("not a URL or request that can be sent", permanent=True)
    host = urlsplit(url).hostname
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{host}: no complete answer in time")
    if isinstance(error, httpx.ConnectError):
        return Unreachable(f"{host}: {error}")
    kind = CutOff if isinstance(error, httpx.TransportError) else BrokenAnswer
    return kind(f"{host}: {error}")


def _read(response: httpx.Response, limit: int) -> bytes:
    assert isinstance(response.stream, httpx.SyncByteStream)
    body = bytearray()
    for part in _decompressed(response, limit):
        body += part
        if len(body) > limit:
            raise AnswerTooLarge(f"{response.url.host}: answer of more than {limit} bytes")
    return bytes(body.removeprefix(codecs.BOM_UTF8))  # which RFC 8259 lets readers ignore


def _decompressed(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """In pieces of bounded size: httpx would inflate a small bomb as a whole before anyone can count."""
    assert isinstance(response.stream, httpx.SyncByteStream)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.stream
    elif encoding in ("gzip", "x-gzip"):
        yield from _inflated(response.stream, limit)
    else:
        raise BrokenAnswer(f"{response.url.host}: content encoding that was not asked for")


def _inflated(stream: httpx.SyncByteStream, limit: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    empty = True
    try:
        for chunk in stream:
            empty = empty and not chunk
            while chunk and not inflate.eof:
                yield inflate.decompress(chunk, limit + 1)
                chunk = inflate.unconsumed_tail
    except zlib.error as error:
        raise BrokenAnswer(f"compressed answer is damaged: {error}") from None
    if not empty and not inflate.eof:
        raise BrokenAnswer("compressed answer is cut")
