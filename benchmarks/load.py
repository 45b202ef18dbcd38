"""Load from a process of its own: keep-alive connections, each with one request under way, as fast as answers come.

`run()` asks this module as a process and returns what became of the requests. One thread and epoll: a client of
many threads would measure its own interpreter lock.
"""

import json
import math
import re
import selectors
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from statistics import median
from typing import Any, Self

from benchmarks.figures import amount
from benchmarks.processes import ROOT, BadRun, cpu_milliseconds, environment
from ocpi_hub.processes import kill_group

# Written in the place of these when a request is sent; the time is as long as its mark.
NOW = "<-- time of the request>"
REQUEST_ID = "<request-id>"

SUCCESS = rb'"status_code": ?1000'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def raw(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"X-Request-ID: {REQUEST_ID}", f"X-Correlation-ID: {REQUEST_ID}"]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body.encode())}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


@dataclass(frozen=True)
class Outcome:
    """What became of the requests of one run."""

    count: int  # answered with success
    seconds: float
    failed: int
    outcomes: dict[str, int]  # by HTTP status and OCPI status code
    sample: str  # of an answer that was none of success
    p50: float  # milliseconds
    p95: float
    longest: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def without_failures(self) -> Self:
        if self.failed or not self.count:
            raise BadRun(
                f"{self.failed} of {self.count + self.failed} requests failed: {self.outcomes}; {self.sample}"
            )
        return self


# ------------------------------------------------------------------------------------------ asked for a run
def run(
    port: int,
    streams: Sequence[Sequence[Request]],
    seconds: float,
    *,
    connections: int = 16,
    pause: float = 0,
) -> Outcome:
    """Each connection repeats one of the streams, in order. Raises BadRun when any request fails."""
    with started(port, streams, seconds, connections=connections, pause=pause) as load:
        return load.outcome().without_failures()


class Side:
    """One side of a comparison: a server of one process, and what its CPU spends on a request."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.spent: list[float] = []

    def run(self, streams: Sequence[Sequence[Request]], seconds: float, *, connections: int = 16) -> float:
        """Requests per second."""
        before = cpu_milliseconds(self.pid)
        outcome = run(self.port, streams, seconds, connections=connections)
        self.spent.append((cpu_milliseconds(self.pid) - before) / outcome.count)
        return outcome.per_second

    def warm_up(self, streams: Sequence[Sequence[Request]], seconds: float) -> None:
        """Connections, pools and caches are there before anything counts."""
        self.run(streams, min(1.0, seconds))
        self.begin_anew()

    def begin_anew(self) -> None:
        self.spent.clear()

    @property
    def cpu(self) -> float:
        """Milliseconds of one request, the median of its runs."""
        return median(self.spent)


def cpu_of(side: Side, other: Side) -> str:
    """For a note."""
    return f"CPU of the server's process: {amount(side.cpu)} ms a request, against {amount(other.cpu)} ms"


class Load:
    """A load that is under way."""

    def __init__(self, process: "subprocess.Popen[bytes]", seconds: float) -> None:
        self.process, self.seconds = process, seconds

    def outcome(self) -> Outcome:
        """When it is over."""
        said, told = self.process.communicate(timeout=self.seconds + 120)
        if self.process.returncode:
            raise BadRun(f"the load ended with code {self.process.returncode}: {told[-2000:].decode()}")
        return Outcome(**json.loads(said))


@contextmanager
def started(
    port: int,
    streams: Sequence[Sequence[Request]],
    seconds: float,
    *,
    connections: int,
    pause: float = 0,
    patience: float = 60,
) -> Iterator[Load]:
    """The same without waiting for its end, and without a verdict; it is over when the block ends.

    Connections wait for the pause after each answer, and at the end for `patience` for what is under way. With
    no seconds each sends a single request.
    """
    question = {
        "port": port,
        "streams": [[asdict(request) for request in stream] for stream in streams],
        "seconds": seconds,
        "connections": connections,
        "pause": pause,
        "patience": patience,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        yield Load(process, seconds + patience)
    finally:
        kill_group(process)
        process.wait(10)


# -------------------------------------------------------------------------------------------- in the process
class Connection:
    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.port, self.requests = port, requests
        self.began = 0.0
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        raw = next(self.requests)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        raw = raw.replace(NOW.encode(), now.encode()).replace(REQUEST_ID.encode(), uuid.uuid4().hex.encode())
        self.received = bytearray()
        self.size: int | None = None  # of the whole answer, once its head is there
        self.began = time.perf_counter()
        self.socket.sendall(raw)

    def receive(self) -> bool:
        """Whether the answer is whole. Raises OSError when the connection ends before."""
        part = self.socket.recv(262_144)
        if not part:
            raise ConnectionError("the connection was closed before the answer was whole")
        self.received += part
        if self.size is None and (head := self.received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.received, 0, head)
            if length is None:
                raise ConnectionError("an answer without Content-Length")
            self.size = head + 4 + int(length[1])
        return self.size is not None and len(self.received) >= self.size

    def outcome(self) -> str:
        code = re.search(rb'"status_code": ?(\d+)', self.received)
        return f"{self.received[9:12].decode()}/{code[1].decode() if code else '-'}"


class Tally:
    def __init__(self) -> None:
        self.times: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.failed = 0
        self.sample = ""

    def answered(self, connection: Connection) -> None:
        outcome = connection.outcome()
        self.outcomes[outcome] += 1
        if outcome[0] == "2" and outcome.endswith("/1000"):
            self.times.append((time.perf_counter() - connection.began) * 1000)
        else:
            self.fail(bytes(connection.received[-600:]).decode(errors="replace"))

    def broke(self, problem: str) -> None:
        self.outcomes[problem] += 1
        self.fail(problem)

    def fail(self, sample: str) -> None:
        self.failed += 1
        self.sample = self.sample or sample

    def told(self, seconds: float) -> Outcome:
        times = sorted(self.times) or [math.inf]
        return Outcome(
            count=len(self.times),
            seconds=seconds,
            failed=self.failed,
            outcomes=dict(self.outcomes),
            sample=self.sample,
            p50=times[len(times) // 2],
            p95=times[int(len(times) * 0.95)],
            longest=times[-1],
        )


class Run:
    """All connections of a load."""

    def __init__(self, seconds: float, pause: float, patience: float) -> None:
        self.seconds, self.pause, self.patience = seconds, pause, patience
        self.tally, self.selector = Tally(), selectors.DefaultSelector()
        self.resting: list[tuple[float, Connection]] = []  # by when they send again, the next first
        self.began = time.perf_counter()

    @property
    def goes_on(self) -> bool:
        return time.perf_counter() - self.began < self.seconds

    def begin(self, connection: Connection) -> None:
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()

    def end(self, connection: Connection) -> None:
        self.selector.unregister(connection.socket)
        connection.socket.close()

    def work(self) -> Outcome:
        while self.selector.get_map():
            rest = self.resting[0][0] - time.perf_counter() if self.resting else 0.1
            for key, _ in self.selector.select(min(0.1, max(0.0, rest))):
                self.read(key.data)
            self.wake()
            if not self.goes_on:
                self.give_up()
        return self.tally.told(time.perf_counter() - self.began)

    def read(self, connection: Connection) -> None:
        try:
            if not connection.receive():
                return
            self.tally.answered(connection)
        except OSError as error:
            self.tally.broke(str(error))
            self.end(connection)
            if self.goes_on:
                connection.connect()
                self.begin(connection)
            return
        if not self.goes_on:
            self.end(connection)
        elif self.pause:
            self.resting.append((time.perf_counter() + self.pause, connection))
        else:
            connection.send()

    def wake(self) -> None:
        while self.resting and (self.resting[0][0] <= time.perf_counter() or not self.goes_on):
            _, connection = self.resting.pop(0)
            if self.goes_on:
                connection.send()
            else:
                self.end(connection)

    def give_up(self) -> None:
        for key in list(self.selector.get_map().values()):
            if time.perf_counter() - key.data.began > self.patience:
                self.tally.broke("no answer")
                self.end(key.data)


def load(
    port: int,
    streams: list[list[dict[str, Any]]],
    seconds: float,
    connections: int,
    pause: float,
    patience: float,
) -> Outcome:
    """Sends for so many seconds, then waits for what is still under way."""
    host = f"127.0.0.1:{port}"
    raw = [cycle([Request(**request).raw(host) for request in stream]) for stream in streams]
    run = Run(seconds, pause, patience)
    for number in range(connections):
        run.begin(Connection(port, raw[number % len(raw)]))
    return run.work()


if __name__ == "__main__":
    json.dump(asdict(load(**json.loads(sys.stdin.readline()))), sys.stdout)
