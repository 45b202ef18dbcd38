"""What only sockets can show: the deadline, cut connections, the check of addresses."""

import gzip
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocpi_hub.protocol import network
from ocpi_hub.protocol.client import (
    AnswerTooLarge,
    BrokenAnswer,
    CallFailed,
    CutOff,
    PlatformClient,
    RefusedAddress,
    TimedOut,
    Unreachable,
)
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.network import is_public

IDS = MessageIDs("request-1", "correlation-1")
BOMB = gzip.compress(b"0" * 50_000_000)
SUCCESS = b'{"status_code":1000}'


class Partner(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.read_body()
        answers: dict[str, Callable[[], None]] = {"/drip": self.drip, "/cut": self.cut, "/bomb": self.bomb}
        try:
            answers.get(self.path, self.answer)()
        except OSError:
            self.close_connection = True

    do_PUT = do_GET  # noqa: N815  the name that http.server looks for

    def read_body(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def start(self, length: int, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def answer(self) -> None:
        self.start(len(SUCCESS))
        self.wfile.write(SUCCESS)

    def drip(self) -> None:
        self.start(1000)
        for _ in range(1000):
            self.wfile.write(b" ")
            time.sleep(0.02)

    def cut(self) -> None:
        self.start(1000)
        self.wfile.write(b"{")
        self.close_connection = True

    def bomb(self) -> None:
        self.start(len(BOMB), Content_Encoding="gzip")
        self.wfile.write(BOMB)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Partner) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def platform() -> Iterator[PlatformClient]:
    with PlatformClient("secret.B", allow_private=True, total_timeout=10) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_partner_is_called(platform: PlatformClient, port: int, host: str) -> None:
    answer = platform.request("PUT", f"http://{host}:{port}/x", ids=IDS, body=b"x" * 100_000)

    assert answer.ok
    assert answer.body == SUCCESS


def test_more_threads_than_connections_share_a_client(port: int) -> None:
    def call(_: int) -> bool:
        return client.request("GET", f"http://127.0.0.1:{port}/", ids=IDS).ok

    with (
        PlatformClient("secret.B", allow_private=True, max_connections=2) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(threads.map(call, range(500)))

    assert answers == [True] * 500


def test_waiting_for_a_connection_ends_at_the_deadline_too(port: int) -> None:
    with (
        PlatformClient("secret.B", allow_private=True, max_connections=1) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        url = f"http://127.0.0.1:{port}/drip"
        calls = [
            threads.submit(client.request, "GET", url, ids=IDS, total_timeout=seconds) for seconds in (1, 0.2)
        ]

        failures = [call.exception() for call in calls]

        assert [type(failure) for failure in failures] == [TimedOut, TimedOut]
        assert client.request("GET", f"http://127.0.0.1:{port}/", ids=IDS).ok


def test_a_failed_call_gives_its_connection_back(port: int) -> None:
    with PlatformClient("secret.B", allow_private=True, max_connections=1, total_timeout=5) as client:
        for path in ("drip", "cut", "bomb"):
            with pytest.raises(CallFailed):
                client.request("GET", f"http://127.0.0.1:{port}/{path}", ids=IDS, total_timeout=0.5)
            assert client.request("GET", f"http://127.0.0.1:{port}/", ids=IDS).ok


def test_the_deadline_also_ends_an_answer_that_drips(platform: PlatformClient, port: int) -> None:
    started = time.monotonic()

    with pytest.raises(TimedOut) as failed:
        platform.request("GET", f"http://127.0.0.1:{port}/drip", ids=IDS, total_timeout=0.3)

    assert 0.25 < time.monotonic() - started < 2
    assert not failed.value.permanent
    assert platform.request("GET", f"http://127.0.0.1:{port}/", ids=IDS).ok


def drip_headers(partner: socket.socket) -> Iterator[bytes]:
    partner.recv(65_536)
    yield b"HTTP/1.1 200 OK\r\nX: "
    yield from itertools.repeat(b"x", 200)


def drip_interim_answers(partner: socket.socket) -> Iterator[bytes]:
    partner.recv(65_536)
    yield from itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n", 200)


def drip_chunks(partner: socket.socket) -> Iterator[bytes]:
    partner.recv(65_536)
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"1\r\nx\r\n", 200)


def take_little(partner: socket.socket) -> Iterator[bytes]:
    for _ in range(200):
        partner.recv(64)
        yield b""


@contextmanager
def playing(part: Callable[[socket.socket], Iterator[bytes]]) -> Iterator[str]:
    """A partner that plays this part to one caller, a step every twentieth of a second; its URL."""
    over = threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def play() -> None:
            with listener.accept()[0] as partner, suppress(OSError):
                for step in part(partner):
                    partner.sendall(step)
                    if over.wait(0.05):
                        return

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        over.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("part", "size"),
    [(drip_headers, 2), (drip_interim_answers, 2), (drip_chunks, 2), (take_little, 2_000_000)],
)
def test_the_deadline_ends_every_way_to_be_slow(
    platform: PlatformClient, part: Callable[[socket.socket], Iterator[bytes]], size: int
) -> None:
    """Each goes on for ten seconds, and then the connection is cut: that would be another failure."""
    with playing(part) as url, pytest.raises(TimedOut):
        platform.request("PUT", url, ids=IDS, body=b"x" * size, total_timeout=0.3)


def test_who_takes_a_connection_and_closes_it_has_cut_it(platform: PlatformClient) -> None:
    with playing(lambda partner: iter(())) as url, pytest.raises(CutOff):
        platform.request("GET", url, ids=IDS)


def test_the_deadline_also_ends_a_silent_answer(platform: PlatformClient) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(TimedOut):
        platform.request("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/", ids=IDS, total_timeout=0.2)


def test_the_deadline_also_ends_a_tls_handshake(platform: PlatformClient) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(TimedOut):
        platform.request("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/", ids=IDS, total_timeout=0.2)


def test_the_deadline_also_ends_a_body_that_nobody_takes(platform: PlatformClient) -> None:
    body = b"x" * 20_000_000

    with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(TimedOut):
        platform.request(
            "PUT", f"http://127.0.0.1:{silent.getsockname()[1]}/", ids=IDS, body=body, total_timeout=0.3
        )


def test_the_deadline_also_ends_a_lookup(platform: PlatformClient, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    started = time.monotonic()

    with pytest.raises(TimedOut):
        platform.request("GET", "http://msp.example/", ids=IDS, total_timeout=0.2)

    over.set()
    assert time.monotonic() - started < 2


def test_a_connection_cut_inside_an_answer_is_a_broken_answer(platform: PlatformClient, port: int) -> None:
    with pytest.raises(BrokenAnswer) as failed:
        platform.request("GET", f"http://127.0.0.1:{port}/cut", ids=IDS)

    assert not failed.value.permanent


def test_a_small_bomb_is_not_inflated(platform: PlatformClient, port: int) -> None:
    with pytest.raises(AnswerTooLarge):
        platform.request("GET", f"http://127.0.0.1:{port}/bomb", ids=IDS)

    assert platform.request("GET", f"http://127.0.0.1:{port}/", ids=IDS).ok


def test_nobody_listening_is_unreachable(platform: PlatformClient) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

    with pytest.raises(Unreachable) as failed:
        platform.request("GET", f"http://127.0.0.1:{port}/", ids=IDS)

    assert not failed.value.permanent


def test_no_such_host_is_unreachable(platform: PlatformClient, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)

    with pytest.raises(Unreachable, match="no address found"):
        platform.request("GET", "http://msp.example/", ids=IDS)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "ftp://127.0.0.1/", "127.0.0.1", "http:///x"])
def test_what_nobody_can_connect_to_is_a_permanent_failure(platform: PlatformClient, url: str) -> None:
    with pytest.raises(Unreachable) as failed:
        platform.request("GET", url, ids=IDS)

    assert failed.value.permanent


def test_something_that_is_not_tls_is_unreachable(platform: PlatformClient, port: int) -> None:
    with pytest.raises(Unreachable):
        platform.request("GET", f"https://127.0.0.1:{port}/", ids=IDS)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_private_address_is_not_called(port: int, host: str) -> None:
    with PlatformClient("secret.B") as client, pytest.raises(RefusedAddress) as failed:
        client.request("GET", f"http://{host}:{port}/", ids=IDS)

    assert failed.value.permanent


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Looking up any name gives these; the list tells what was looked up."""
    seen: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host in addresses or host == "127.0.0.1":
            return real(host, port, *args, **kwargs)
        seen.append(host)
        if not addresses:
            raise socket.gaierror("no such host")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return seen


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "8.8.8.8", "10.0.0.1")

    with PlatformClient("secret.B") as client, pytest.raises(RefusedAddress, match=r"msp\.example"):
        client.request("GET", "http://msp.example/", ids=IDS)


def test_a_name_is_looked_up_once_and_the_next_address_is_tried(
    platform: PlatformClient, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = resolve_to(monkeypatch, "127.9.9.9", "127.0.0.1")

    assert platform.request("GET", f"http://msp.example:{port}/", ids=IDS).ok
    assert seen == ["msp.example"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::8.8.8.8", False),
        ("2002:a00:1::", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("fe80::1%1", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("2001:db8::1", False),
    ],
)
def test_only_public_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_clients_share_one_tls_context() -> None:
    assert network.tls() is network.tls()


@pytest.fixture
def tls_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A partner whose certificate says msp.example, which we trust; every name leads to it."""
    certificate = self_signed("msp.example", tmp_path)
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(network, "tls", lambda: trusting)
    resolve_to(monkeypatch, "127.0.0.1")
    presenting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    presenting.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Partner) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes are the point
        server.socket = presenting.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def self_signed(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.row("TRN-09")
def test_tls_verifies_the_name_although_an_address_is_dialled(tls_port: int) -> None:
    with PlatformClient("secret.B", allow_private=True, total_timeout=10) as client:
        assert client.request("GET", f"https://msp.example:{tls_port}/", ids=IDS).ok

        with pytest.raises(Unreachable, match="certificate verify failed"):
            client.request("GET", f"https://other.example:{tls_port}/", ids=IDS)
