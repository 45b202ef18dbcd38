"""What a partner may not do to the hub, or to the others: large, slow, many and malformed requests."""

import selectors
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from ocpi_hub.embedded import database_url
from simulator import ocpi
from tests import examples
from tests.journeys.hub import Hub, Simulated, accepted, refusal
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey

MakeParty = Callable[[str], str]
DRIPPING = 200


@pytest.fixture(scope="module")
def cpo(hub: Hub, party: MakeParty) -> Simulated:
    return hub.simulated("cpo", party("NL"), "--count", "0")


def location(cpo: Simulated, number: int = 1, **changes: object) -> dict[str, object]:
    owner = {"country_code": cpo.party.country_code, "party_id": cpo.party.party_id}
    return examples.location(**owner, id=f"LOC{number}", **changes)


def times(act: Callable[[int], object], count: int) -> list[float]:
    spent = []
    for number in range(count):
        began = time.perf_counter()
        act(number)
        spent.append(time.perf_counter() - began)
    return spent


# ---------------------------------------------------------------------------------------------- large, chunked
def test_a_body_of_ten_megabytes_is_refused_and_the_next_request_served(cpo: Simulated) -> None:
    large = ocpi.encode(location(cpo, name="x" * 10_000_000))

    assert refusal(cpo.call("PUT", cpo.path("LOC1"), large)) == (413, 2000)

    assert refusal(cpo.call("GET", cpo.path("LOC1"))) == (404, 2003)
    cpo.push(location(cpo))
    assert ocpi.decode(cpo.call("GET", cpo.path("LOC1")).content)["data"] == location(cpo)


def test_a_chunked_body_arrives_whole(cpo: Simulated) -> None:
    body = ocpi.encode(location(cpo, 2))
    chunks = (body[start : start + 7] for start in range(0, len(body), 7))

    accepted(cpo.http.request("PUT", cpo.path("LOC2"), content=chunks, headers=cpo.headers))

    assert ocpi.decode(cpo.call("GET", cpo.path("LOC2")).content)["data"] == location(cpo, 2)


# ---------------------------------------------------------------------------------------------------- slow
class Drips:
    """Connections that send a byte a second; half of them never end their headers, half their body."""

    def __init__(self, cpo: Simulated, count: int) -> None:
        self.host, self.path = f"127.0.0.1:{cpo.hub.port}", f"/ocpi/2.2.1/{cpo.path('SLOW')}"
        self.authorization = cpo.headers["Authorization"]
        self.answers: dict[socket.socket, bytes] = {}
        self.ended: list[tuple[bool, bytes]] = []
        self.selector = selectors.DefaultSelector()
        for number in range(count):
            self.open(cpo.hub.port, slow_body=bool(number % 2))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.drip)

    def open(self, port: int, slow_body: bool) -> None:
        head = f"PUT {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: {self.authorization}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 1000\r\n"
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(f"{head}\r\n".encode() if slow_body else f"{head}X-Slow: ".encode())
        connection.setblocking(False)
        self.answers[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ, slow_body)

    @property
    def waiting(self) -> int:
        return len(self.answers)

    def drip(self) -> None:
        while not self.over.is_set() and self.answers:
            for connection in [*self.answers]:
                try:
                    connection.send(b"x")
                except OSError:
                    self.end(connection)
            until = time.monotonic() + 1
            while (left := until - time.monotonic()) > 0 and self.answers:
                for key, _ in self.selector.select(left):
                    self.read(key.fileobj)

    def read(self, connection: socket.socket) -> None:
        try:
            part = connection.recv(65_536)
        except OSError:
            part = b""
        self.answers[connection] += part
        if not part:
            self.end(connection)

    def end(self, connection: socket.socket) -> None:
        slow_body = self.selector.unregister(connection).data
        self.ended.append((slow_body, self.answers.pop(connection)))
        connection.close()

    def __enter__(self) -> "Drips":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        for connection in [*self.answers]:
            self.end(connection)
        self.selector.close()


def test_two_hundred_dripping_connections_leave_others_served(
    cpo: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    def push(number: int) -> None:
        stamp = ocpi.format_time(ocpi.now())
        cpo.push(location(cpo, number % 20, name=f"Push {number}", last_updated=stamp))

    times(push, 20)
    before = times(push, 150)
    with Drips(cpo, DRIPPING) as drips:
        during = times(push, 150)
        assert drips.waiting == DRIPPING
        wait_until(lambda: not drips.waiting, 40, "the hub ends every dripping connection")
    after = times(push, 150)

    medians = [1000 * statistics.median(spent) for spent in (before, during, after)]
    worst = 1000 * max(during)
    with capsys.disabled():
        print(
            f"\nA push takes {medians[0]:.1f} ms, with {DRIPPING} dripping connections {medians[1]:.1f} ms"
            f" (at most {worst:.1f} ms), afterwards {medians[2]:.1f} ms (medians of 150)"
        )
    assert medians[1] < 3 * max(medians[0], medians[2]) + 20
    bodies = [answer for slow_body, answer in drips.ended if slow_body]
    assert {answer.split(b"\r\n")[0] for answer in bodies} == {b"HTTP/1.1 408 Request Timeout"}
    assert {b'"status_code": 2000' in answer for answer in bodies} == {True}
    assert refusal(cpo.call("GET", cpo.path("SLOW"))) == (404, 2003)


# ---------------------------------------------------------------------------------------------------- many
def test_the_quota_of_one_partner_is_not_the_quota_of_another(
    hub: Hub, cpo: Simulated, party: MakeParty
) -> None:
    eager = hub.simulated("cpo", party("NL"), "--count", "0")
    hub.sql("UPDATE partners_platform SET requests_per_minute = 5 WHERE id = %s", eager.platform_id)

    # The minute may end while we count, so there are tries for two of them.
    answers = [eager.call("GET", "sender/tokens") for _ in range(12)]

    codes = Counter(answer.status_code for answer in answers)
    assert set(codes) == {200, 429}
    assert codes[200] <= 10
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refusal(refused)[0] == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert [cpo.call("GET", "sender/tokens").status_code for _ in range(12)] == [200] * 12


def test_a_flood_of_one_partner_does_not_starve_another(
    hub: Hub, cpo: Simulated, party: MakeParty, capsys: pytest.CaptureFixture[str]
) -> None:
    other = hub.simulated("cpo", party("NL"), "--count", "0")
    cpo.push(location(cpo))
    before = statistics.median(times(lambda number: other.push(location(other, number % 5)), 30))

    # All these changes of one Location wait for each other, because somebody holds its row.
    with ThreadPoolExecutor(60) as threads, locked_location(hub, cpo):
        flood = [threads.submit(change, cpo, number) for number in range(60)]
        wait_until(lambda: sum(one.done() for one in flood) >= 30, 10, "the hub refuses what is too much")
        during = times(lambda number: other.push(location(other, number % 5)), 30)
        waiting = sum(not one.done() for one in flood)
        assert waiting > 5
    answers = [one.result() for one in flood]

    with capsys.disabled():
        print(
            f"\nA push takes {1000 * before:.1f} ms, during the flood of another partner"
            f" {1000 * statistics.median(during):.1f} ms (at most {1000 * max(during):.1f} ms);"
            f" of the flood {waiting} waited and {len(flood) - waiting} were refused"
        )
    assert statistics.median(during) < 5 * before + 0.05
    assert max(during) < 2
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refusal(refused)[0] == 429
    assert refused.headers["Retry-After"] == "1"


@contextmanager
def locked_location(hub: Hub, cpo: Simulated) -> Iterator[None]:
    with psycopg.connect(database_url(hub.var)) as connection:
        connection.execute(
            "SELECT id FROM locations_location WHERE party_id = %s FOR UPDATE", [cpo.party.party_id]
        )
        yield
        connection.rollback()


def change(cpo: Simulated, number: int) -> httpx.Response:
    body = ocpi.encode({"name": f"Change {number}", "last_updated": ocpi.format_time(ocpi.now())})
    with httpx.Client(base_url=cpo.http.base_url, trust_env=False, timeout=30) as http:
        return http.request("PATCH", cpo.path("LOC1"), content=body, headers=cpo.headers)


# ----------------------------------------------------------------------------------------------- malformed
WRONG = [
    ("GET", "/ocpi", 404),
    ("GET", "/ocpi/9.9", 404),
    ("GET", "/ocpi/2.2.1/receiver/sausages/NL/ABC/1", 404),
    ("GET", "/ocpi/2.2.1/nothing", 404),
    ("GET", "/ocpi/2.2.1/sender/locations/%00", 200),
    ("POST", "/ocpi/versions", 405),
    ("DELETE", "/ocpi/2.2.1/sender/locations", 405),
    ("OPTIONS", "/ocpi/2.2.1/sender/locations", 405),
    ("TRACE", "/ocpi/2.2.1/sender/locations", 405),
    ("BREW", "/ocpi/2.2.1/sender/locations", 405),
    ("BREW", "/ocpi/2.2.1/nothing", 404),
    ("GET", "/nothing", 404),
    ("GET", "/wp-login.php", 404),
    ("POST", "/healthz", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), WRONG)
def test_an_unknown_path_or_method_gets_no_page(
    hub: Hub, cpo: Simulated, method: str, path: str, status: int
) -> None:
    answer = hub.http.request(method, path, headers=cpo.headers)

    assert answer.status_code == status
    assert b"<html" not in answer.content.lower()
    if path.startswith("/ocpi"):
        assert 2000 <= refusal(answer)[1] < 3000
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "request_text",
    [
        b"hello hub\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 2_000_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["no HTTP", "no Host", "no length", "long header", "TLS"],
)
def test_what_is_no_http_is_refused_and_does_no_harm(hub: Hub, request_text: bytes) -> None:
    """The server refuses it before anyone can put it into an envelope; that is a limit of the hub."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=30) as connection:
        try:
            connection.sendall(request_text)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        except OSError:
            answer = b""

    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer
    assert hub.http.get("/healthz").status_code == 200
