"""The HTTP server of the simulator, on loopback."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from simulator.server import Answer, Request, Server

seen: list[Request] = []


def handle(request: Request) -> Answer:
    seen.append(request)
    if request.target == "/cut":
        return Answer(cut=True)
    answer = Answer(body=request.body or b"{}", drip=0.001 if request.target == "/drip" else 0)
    answer.half = request.target == "/half"
    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    seen.clear()
    server = Server(("127.0.0.1", 0), handle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as client:
        yield client


def test_bodies_with_length_and_in_chunks_arrive_on_one_connection(client: httpx.Client):
    plain = client.put("/a%2Fb/c?x=%26&y=", content=b"plain")
    chunked = client.post("/", content=iter([b"in ", b"chunks"]))

    assert (plain.text, chunked.text) == ("plain", "in chunks")
    assert plain.headers["Content-Type"] == "application/json"
    assert seen[0].segments == ["a/b", "c"]
    assert seen[0].query == {"x": "&", "y": ""}
    assert chunked.extensions["network_stream"] is plain.extensions["network_stream"]


def test_every_method_reaches_the_platform(client: httpx.Client):
    for method in ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"):
        assert client.request(method, "/").status_code == 200

    assert [request.method for request in seen][-1] == "BREW"


def test_an_answer_can_be_cut_or_dripped(client: httpx.Client):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/cut")

    assert client.put("/drip", content=b"slow").text == "slow"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9999999\r\n", 413),
    ],
)
def test_what_is_not_http_gets_an_envelope_and_a_closed_connection(server: Server, request_text, status):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(request_text)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b'"status_code":2000' in body
    assert seen == []


def test_who_leaves_is_gone_for_a_while_with_its_connections_and_then_back(
    server: Server, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    left, may_return = threading.Event(), threading.Event()
    pauses = iter([lambda: None, lambda: (left.set(), may_return.wait(10))])
    monkeypatch.setattr("simulator.server.time.sleep", lambda seconds: next(pauses)())
    client.get("/")

    server.leave(30)
    server.leave(30)  # it leaves once
    assert left.wait(10)
    with pytest.raises(httpx.TransportError):
        client.get("/")

    may_return.set()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.server_port}", transport=httpx.HTTPTransport(retries=8)
    ) as again:
        assert again.get("/").status_code == 200


def test_an_answer_can_end_in_its_middle(client: httpx.Client):
    with pytest.raises(httpx.RemoteProtocolError, match="received 3 bytes, expected 6"):
        client.put("/half", content=b"sixsix")
