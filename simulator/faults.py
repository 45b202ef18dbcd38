"""What tests ask of a platform: to misbehave in a given way, and to tell which requests it has seen."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from simulator import ocpi
from simulator.server import Answer, Request

LONGEST_BODY = 65_536  # a longer one is not kept in the log
LARGEST_LOG = 200_000_000  # bytes of bodies kept
ROUTING = ("to-country-code", "to-party-id", "from-country-code", "from-party-id")


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One way to misbehave. `on` says where: receiver, sender, versions, credentials or all; `module` in which."""

    answer: int | None = None  # an HTTP status, such as 500
    status_code: int | None = None  # an OCPI status code
    retry_after: int | None = None  # seconds, with answer 429 or 503
    delay: float = 0  # seconds before the answer
    drip: float = 0  # seconds between the bytes of the answer
    silent: bool = False  # never answer
    # Hang up instead of answering; "after": do what was asked, then hang up; "half": answer one half before that.
    cut: bool | str = False
    away: float = 0  # be gone for so many seconds: nobody listens
    result: str | float | None = None  # of a command: "never", "enveloped", or seconds late
    location: bool = True  # False: a CDR is answered without the header that says where it is
    times: int | None = None  # how many requests; without it until cleared
    on: str = "receiver"
    module: str | None = None

    @property
    def title(self) -> str:
        """Such as `429`, `cut after` or `silent`."""
        if self.cut:
            return "cut" if self.cut is True else f"cut {self.cut}"
        if self.answer or self.status_code:
            return str(self.answer or self.status_code)
        names = ("away", "silent", "drip", "delay")
        return next((name for name in names if getattr(self, name)), "other")


def no_server(seconds: float) -> None:
    """Nobody serves this platform, so it cannot leave."""


class Faults:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fault: Fault | None = None
        self.over = threading.Event()
        self.met: Counter[str] = Counter()  # requests that met a fault, by its name
        self.leave: Callable[[float], None] = no_server

    def set(self, body: bytes) -> Fault | None:
        fault = msgspec.json.decode(body or b"{}", type=Fault)
        with self.lock:
            self.over.set()
            self.over = threading.Event()
            self.fault = (
                fault if fault != Fault(on=fault.on, module=fault.module) and not fault.away else None
            )
        if fault.away:
            self.met["away"] += 1
            self.leave(fault.away)
        return self.fault

    def take(self, interface: str, module: str = "") -> Fault | None:
        """The fault that this request meets; each taking uses up one of its times."""
        with self.lock:
            fault = self.fault
            if fault is None or fault.on not in (interface, "all") or fault.module not in (None, module):
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.fault = None
            self.met[fault.title] += 1
            return fault

    def before(self, fault: Fault) -> Answer | None:
        """The answer in place of the right one, if the fault has one."""
        if fault.delay:
            time.sleep(fault.delay)
        if fault.silent:
            self.over.wait(600)
            return Answer(cut=True)
        if fault.cut is True:
            return Answer(cut=True)
        if fault.answer is None and fault.status_code is None:
            return None
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        code = fault.status_code or (1000 if (fault.answer or 200) < 400 else 3000)
        return Answer(
            fault.answer or 200, ocpi.envelope(code=code, message="Asked of the simulator"), headers
        )

    def after(self, fault: Fault, answer: Answer) -> Answer:
        answer.cut, answer.half = fault.cut == "after", fault.cut == "half"
        answer.drip = fault.drip
        if not fault.location:
            answer.headers.pop("Location", None)
        return answer


class RequestLog:
    """The last 50,000 requests, without any token: no Authorization header, no credentials body."""

    def __init__(self, length: int = 50_000) -> None:
        self.lock = threading.Lock()
        self.entries: deque[dict[str, Any]] = deque()
        self.length, self.count, self.bytes = length, 0, 0

    def add(self, request: Request, secret: bool) -> dict[str, Any]:
        keep = not secret and 0 < len(request.body) <= LONGEST_BODY
        body = request.body if keep else b""
        entry: dict[str, Any] = {
            "at": ocpi.format_time(ocpi.now()),
            "method": request.method,
            "path": request.target,
            "routing": {name: request.headers.get(f"OCPI-{name}") for name in ROUTING},
            "request_id": request.headers.get("X-Request-ID"),
            "correlation_id": request.headers.get("X-Correlation-ID"),
            "body": body,
            "body_bytes": len(request.body),
            "status": None,
        }
        with self.lock:
            self.count += 1
            self.bytes += len(body)
            entry["n"] = self.count
            self.entries.append(entry)
            while len(self.entries) > self.length or self.bytes > LARGEST_LOG:
                self.bytes -= len(self.entries.popleft()["body"])
        return entry

    def since(self, number: int) -> list[dict[str, Any]]:
        with self.lock:
            found = [dict(entry) for entry in self.entries if entry["n"] > number]
        for entry in found:
            entry["body"] = readable(entry["body"])
        return found


def readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return ocpi.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return body.decode(errors="replace")
