import asyncio
import http.client
import ipaddress
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ocpi_hub import metrics
from ocpi_hub.processes import children
from ocpi_hub.server import BODY_LIMIT, PORT_TAKEN, Server, port_problem, wsgi_environ
from tests.ocpi_hub.machine import alive, free_port, spawn, until

PROXIES = [ipaddress.ip_network("10.0.0.0/8")]


def scope(**changes: Any) -> dict[str, Any]:
    return {
        "method": "GET",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", "5000"),
        "server": ("127.0.0.1", "8000"),
        "scheme": "http",
        "http_version": "1.1",
        **changes,
    }


def refused() -> float:
    """Requests that /metrics counts and Django never saw."""
    return float(metrics.requests.labels("other", "other", "400", "2000")._value.get())


def test_an_encoded_slash_survives_in_the_raw_path() -> None:
    environ = wsgi_environ(scope(raw_path=b"/a%2Fb/%C3%A9"), b"", [])

    assert environ["RAW_PATH"] == "/a%2Fb/%C3%A9"
    assert environ["PATH_INFO"] == "/a/b/\xc3\xa9"  # PEP 3333: one character for each byte


def test_headers_become_variables_and_those_of_one_name_are_joined() -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-b", b"caf\xe9"),
    ]

    environ = wsgi_environ(scope(headers=headers), b"12345", [])

    assert environ["CONTENT_TYPE"] == "application/json"
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_B"] == "caf\xe9"
    assert environ["CONTENT_LENGTH"] == "5"
    assert environ["wsgi.input"].read() == b"12345"


def test_a_header_with_an_underscore_cannot_pose_as_one_with_a_dash() -> None:
    environ = wsgi_environ(scope(headers=[(b"x_forwarded_for", b"1.2.3.4"), (b"x_a", b"1")]), b"", PROXIES)

    assert not [name for name in environ if name.startswith("HTTP_")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "scheme"),
    [
        ("192.0.2.7", b"1.2.3.4", "192.0.2.7", "http"),
        ("10.0.0.1", b"1.2.3.4", "1.2.3.4", "https"),
        ("10.0.0.1", b"6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4", "https"),
        ("10.0.0.1", b"nonsense", "10.0.0.1", "https"),
        ("10.0.0.1", b"10.0.0.8", "10.0.0.8", "https"),
    ],
)
def test_only_trusted_proxies_say_who_asks(peer: str, forwarded: bytes, address: str, scheme: str) -> None:
    headers = [
        (b"x-forwarded-for", forwarded),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"evil"),
    ]

    environ = wsgi_environ(scope(client=(peer, "1"), headers=headers), b"", PROXIES)

    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == (address, scheme)
    assert ("HTTP_X_FORWARDED_FOR" in environ) is (peer == "10.0.0.1")
    assert ("HTTP_X_FORWARDED_HOST" in environ) is (peer == "10.0.0.1")


@pytest.mark.parametrize(
    ("peer", "headers", "stranger"),
    [
        ("127.0.0.1", [], False),
        ("127.0.0.1", [(b"x-forwarded-for", b"1.2.3.4")], True),
        ("127.0.0.1", [(b"forwarded", b"for=1.2.3.4")], True),
        ("10.0.0.1", [(b"x-forwarded-for", b"1.2.3.4")], False),
    ],
)
def test_what_a_proxy_asks_that_nobody_trusts_is_marked(
    peer: str, headers: list[tuple[bytes, bytes]], stranger: bool
) -> None:
    environ = wsgi_environ(scope(client=(peer, "1"), headers=headers), b"", PROXIES)

    assert ("FORWARDED_BY_STRANGER" in environ) is stranger


def test_a_body_that_breaks_off_never_reaches_django() -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []
    before = refused()

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    told: list[tuple[str, int, str]] = []

    def hear(peer: str, scope: dict[str, Any], status: int, message: str) -> None:
        told.append((peer, status, message))

    server = Server(lambda *_: pytest.fail("called"), on_refusal=hear)
    asyncio.run(server(scope(client=("192.0.2.7", "1")), receive, send))

    assert told == [("192.0.2.7", 400, "The body broke off or is wrongly chunked")]
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["status_code"] == 2000
    assert refused() == before + 1


def test_a_taken_port_is_told_with_the_name_of_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        problem = port_problem("127.0.0.1", taken.getsockname()[1])

    assert "HUB_PORT" in problem
    assert "Address already in use" in problem


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_told_as_such(host: str) -> None:
    problem = port_problem(host, free_port())

    assert f"HUB_HOST={host} is no address of this machine" in problem
    assert "end what uses the port" not in problem


@pytest.mark.parametrize("port", [-1, 0, 65536, 80000])
def test_a_port_that_cannot_be_is_told_with_its_range(port: int) -> None:
    assert port_problem("127.0.0.1", port) == f"HUB_PORT must be between 1 and 65535, and is {port}"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = free_port()
    process = spawn([sys.executable, "-m", "tests.ocpi_hub.echo", str(port)])
    until(lambda: not port_is_closed(port))
    yield port, process
    process.terminate()
    process.wait(40)


def port_is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def ask(
    port: int, method: str, path: str, body: Any = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=named, encode_chunked="Transfer-Encoding" in named)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


@pytest.mark.journey
def test_the_server_hands_over_path_query_and_a_body_of_either_kind(server: Any) -> None:
    port, _ = server

    plain = json.loads(ask(port, "PUT", "/a%2Fb?q=%20", b"x" * BODY_LIMIT)[1])
    chunked = json.loads(ask(port, "PUT", "/", iter([b"abc", b"de"]), Transfer_Encoding="chunked")[1])

    assert plain == {
        "method": "PUT",
        "path": "/a/b",
        "raw": "/a%2Fb",
        "query": "q=%20",
        "body": BODY_LIMIT,
        "length": str(BODY_LIMIT),
    }
    assert (chunked["body"], chunked["length"]) == (5, "5")


@pytest.mark.journey
@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 10_000_000])
def test_a_body_that_is_too_large_gets_an_envelope_that_the_client_can_read(server: Any, size: int) -> None:
    port, _ = server

    response, content = ask(port, "POST", "/", b"x" * size, X_Request_ID="r1", X_Correlation_ID="c1")

    assert (response.status, response.headers["content-type"]) == (413, "application/json")
    assert (response.headers["x-request-id"], response.headers["x-correlation-id"]) == ("r1", "c1")
    envelope = json.loads(content)
    assert envelope["status_code"] == 2000
    assert envelope["status_message"] == "The body is larger than 2000000 bytes"


@pytest.mark.journey
def test_head_gets_the_headers_alone(server: Any) -> None:
    response, content = ask(server[0], "HEAD", "/")

    assert (response.status, content) == (200, b"")
    assert int(response.headers["content-length"]) > 50


@pytest.mark.journey
def test_two_hundred_slow_clients_are_refused_and_do_not_delay_others(server: Any) -> None:
    port, _ = server
    start = b"POST / HTTP/1.1\r\nHost: a\r\nX-Request-ID: r2\r\n"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(200)]
    for number, connection in enumerate(slow):
        # Half of them drip their body, half never finish their headers.
        connection.sendall(start + (b"Content-Length: 99\r\n\r\nx" if number % 2 else b"X-A: "))

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: ask(port, "PUT", "/", b"{}")[0].status, range(100)))
    answer = slow[1].recv(4096)
    for connection in slow:
        connection.close()

    assert statuses == [200] * 100
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"x-request-id: r2" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status_code"] == 2000


@pytest.mark.journey
def test_a_second_server_on_the_port_ends_at_once(server: Any) -> None:
    second = spawn([sys.executable, "-m", "tests.ocpi_hub.echo", str(server[0])], subprocess.PIPE)  # type: ignore[arg-type]  # Popen takes it

    out, _ = second.communicate(timeout=30)

    assert second.returncode == PORT_TAKEN
    assert b"HUB_PORT" in out


@pytest.mark.journey
def test_a_request_under_way_is_finished_when_the_server_stops() -> None:
    port = free_port()
    process = spawn([sys.executable, "-m", "tests.ocpi_hub.echo", str(port)])
    until(lambda: not port_is_closed(port))

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, port, "GET", "/slow")
        until(lambda: answer.running())
        # The request is in when the server has accepted a connection beyond the listening one.
        until(lambda: established(port))
        process.send_signal(signal.SIGTERM)

        assert answer.result(10)[0].status == 200
    assert process.wait(30) == 0


def established(port: int) -> bool:
    with open("/proc/net/tcp") as table:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in table)


@pytest.mark.journey
def test_workers_end_with_a_server_that_is_killed() -> None:
    port = free_port()
    process = spawn([sys.executable, "-m", "tests.ocpi_hub.echo", str(port)])
    until(lambda: not port_is_closed(port))
    workers = children(process.pid)

    process.kill()
    process.wait(10)

    assert len(workers) == 1
    until(lambda: not any(alive(worker) for worker in workers))
    until(lambda: port_is_closed(port))
