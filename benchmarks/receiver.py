"""A partner that answers everything with success at once: `python -m benchmarks.receiver PORT [HUNG_PORT]`.

What comes to the second port is taken and not answered, until USR1 comes; USR2 has it wait again.
"""

import re
import selectors
import signal
import socket
import sys
from typing import Any

from benchmarks import documents

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def answer(data: str) -> bytes:
    body = f'{{"status_code":1000,"timestamp":"2026-03-01T12:00:00Z"{data}}}'.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


OBJECT = answer(f',"data":{documents.token(1)}')
LIST = answer(',"data":[]')
NOTHING = answer("")


class Partner:
    def __init__(self, ports: list[int]) -> None:
        self.selector = selectors.DefaultSelector()
        self.waits = True
        self.kept: list[tuple[socket.socket, bytes]] = []
        for port, hangs in zip(ports, (False, True), strict=False):
            listening = socket.create_server(("127.0.0.1", port), backlog=1024)
            self.selector.register(listening, selectors.EVENT_READ, (self.accept, hangs, bytearray()))
        signal.signal(signal.SIGUSR1, self.answer_kept)
        signal.signal(signal.SIGUSR2, self.wait_again)

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select(1):
                act, hangs, received = key.data
                act(key.fileobj, hangs, received)

    def accept(self, listening: socket.socket, hangs: bool, _: bytearray) -> None:
        connection, _address = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(connection, selectors.EVENT_READ, (self.read, hangs, bytearray()))

    def read(self, connection: socket.socket, hangs: bool, received: bytearray) -> None:
        try:
            part = connection.recv(65_536)
        except OSError:
            part = b""
        if not part:
            self.selector.unregister(connection)
            connection.close()
            return
        received += part
        while request := whole(received):
            del received[: len(request)]
            if hangs and self.waits:
                self.kept.append((connection, request))
            else:
                send(connection, request)

    def answer_kept(self, *_: Any) -> None:
        self.waits = False
        for connection, request in self.kept:
            send(connection, request)
        self.kept.clear()

    def wait_again(self, *_: Any) -> None:
        self.waits = True


def whole(received: bytearray) -> bytes:
    """The first request, when it is there as a whole; requests are never chunked here."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return b""
    length = _LENGTH.search(received, 0, head)
    size = head + 4 + (int(length[1]) if length else 0)
    return bytes(received[:size]) if len(received) >= size else b""


def send(connection: socket.socket, request: bytes) -> None:
    path = request.split(b" ", 2)[1]
    found = OBJECT if b"/tokens/" in path else LIST
    try:
        connection.sendall(found if request.startswith(b"GET") else NOTHING)
    except OSError:
        return  # it did not wait so long


if __name__ == "__main__":
    Partner([int(port) for port in sys.argv[1:]]).serve()
