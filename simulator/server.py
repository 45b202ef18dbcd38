"""A small HTTP/1.1 server: keep-alive, chunked bodies, and ways to misbehave when asked to."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from simulator import ocpi

LARGEST_BODY = 20_000_000
LEAVES_AFTER = 0.1  # seconds, in which whoever asked for it gets his answer


@dataclass(slots=True)
class Request:
    method: str
    target: str
    headers: Message
    body: bytes
    client: str
    fault: Any = None  # the one that this request meets

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.target).path.split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # close the connection instead of answering
    half: bool = False  # close it in the middle of the body
    drip: float = 0  # seconds between the bytes of the body


class TooLarge(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300
    wbufsize = 65_536
    server: "Server"

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        try:
            request = Request(self.command, self.path, self.headers, self.read_body(), self.client_address[0])
        except TooLarge:
            self.send_error(413, "The body is too large")
            return
        except ValueError:
            self.send_error(400, "The body is not as its headers say")
            return
        answer = self.server.handle(request)
        if answer.cut:
            self.cut()
            return
        self.send(answer)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # what http.server looks for, by method
            return self.answer
        raise AttributeError(name)

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            raise TooLarge
        return self.rfile.read(length)

    def read_chunks(self) -> bytes:
        chunks, total = [], 0
        while size := int(self.rfile.readline(64).split(b";")[0].strip(), 16):
            total += size
            if total > LARGEST_BODY:
                raise TooLarge
            chunks.append(self.rfile.read(size))
            self.rfile.readline(8)
        while self.rfile.readline(8192).strip():
            pass  # trailers
        return b"".join(chunks)

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if answer.half:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            self.cut()
        elif answer.drip:
            self.drip(answer)
        else:
            self.wfile.write(answer.body)

    def drip(self, answer: Answer) -> None:
        for byte in answer.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(answer.drip)

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What goes wrong before OCPI is reached still gets the envelope (RSP-04)."""
        self.close_connection = True
        text = message or HTTPStatus(code).phrase
        self.command = self.command or "GET"
        self.request_version = self.protocol_version
        self.send(Answer(code, ocpi.envelope(code=2000, message=text), {"Connection": "close"}))

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the requests are kept by the platform, for /simulator/requests."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handle: Callable[[Request], Answer]) -> None:
        self.handle = handle
        self.open: set[socket.socket] = set()
        self.leaving = threading.Lock()
        super().__init__(address, Handler)

    def leave(self, seconds: float) -> None:
        """Be gone as a process that ended is: nobody listens, every connection is cut. Back after so many seconds."""
        if self.leaving.acquire(blocking=False):
            threading.Thread(target=self._leave, args=(seconds,), daemon=True).start()

    def _leave(self, seconds: float) -> None:
        time.sleep(LEAVES_AFTER)
        self.shutdown()
        self.server_close()
        for connection in [*self.open]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(seconds)
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()
        self.leaving.release()
        self.serve_forever()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no event; the platform answers and logs its own faults."""
