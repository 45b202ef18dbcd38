"""Pushes to the hub that are due: one per changed part, and what has waited is sent in its current state."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from simulator.hub import Reply, Unreachable, retry_after

SLOWEST = 60.0
Part = tuple[str, ...]  # the key of an object, then ids of a child in it


@dataclass(slots=True)
class Due:
    method: str
    body: bytes | None  # None: the current state, when it is sent
    at: float
    tries: int = 0


class Pushes:
    """`send(method, part, body)` pushes one part; `state(part)` is what it looks like now."""

    def __init__(
        self,
        send: Callable[[str, Part, bytes], Reply],
        state: Callable[[Part], bytes],
        tell: Callable[[str], None],
        whole: str = "PUT",
    ) -> None:
        self.send, self.state, self.tell = send, state, tell
        self.whole = whole  # the method that brings the current state
        self.lock = threading.Lock()
        self.due: dict[Part, Due] = {}
        self.busy: set[Part] = set()  # being sent now; what follows for the same part waits
        self.sent = self.refused = self.failed = 0

    def add(self, part: Part, method: str = "", body: bytes | None = None) -> None:
        """What is pending already becomes a push of the current state."""
        with self.lock:
            pending = self.due.get(part)
            if pending:
                pending.method, pending.body = self.whole, None
            else:
                self.due[part] = Due(method or self.whole, body, monotonic())

    def waiting(self, part: Part) -> bool:
        with self.lock:
            return part in self.due or part in self.busy

    def counts(self) -> dict[str, int]:
        pending = len(self.due) + len(self.busy)
        return {"sent": self.sent, "pending": pending, "refused": self.refused, "failed": self.failed}

    def work(self, clock: float) -> None:
        """Try everything that is due at this moment, once; from any number of threads."""
        with self.lock:
            ready = [part for part, due in self.due.items() if due.at <= clock]
        for part in ready:
            due = self.claim(part)
            if due is None:
                continue
            try:
                going = self.attempt(part, due, clock)
            finally:
                with self.lock:
                    self.busy.discard(part)
            if not going:
                return

    def claim(self, part: Part) -> Due | None:
        """Take one part, unless another thread has it; then its next change waits until that is done."""
        with self.lock:
            if part in self.busy or part not in self.due:
                return None
            self.busy.add(part)
            return self.due.pop(part)

    def attempt(self, part: Part, due: Due, clock: float) -> bool:
        """Send one part. False when the hub cannot be spoken to now and the others may wait as well."""
        body = due.body if due.body is not None else self.state(part)
        try:
            reply = self.send(due.method, part, body)
        except Unreachable as error:
            self.postpone(part, due, clock, str(error))
            return False
        if reply.success:
            with self.lock:
                self.sent += 1
        elif reply.temporary:
            self.postpone(part, due, clock, f"HTTP {reply.status}, {reply.code} {reply.message}", reply)
            return reply.status != 429
        else:
            self.mend(part, due, reply)
        return True

    def postpone(self, part: Part, due: Due, clock: float, reason: str, reply: Reply | None = None) -> None:
        with self.lock:
            self.failed += 1
        self.tell(f"{due.method} {'/'.join(part)} is tried again later: {reason}")
        delay = min(2.0 * 2**due.tries, SLOWEST)
        if reply is not None:
            delay = retry_after(reply, delay)
        with self.lock:
            if part not in self.due:
                self.due[part] = Due(self.whole, None, clock + delay, due.tries + 1)

    def mend(self, part: Part, due: Due, reply: Reply) -> None:
        """A change was refused. What the hub does not have it gets whole (MET-04); else that is final."""
        whole = part[:1]
        if (len(part) > 1 or due.method == "PATCH") and self.missing(whole):
            self.add(whole)
            return
        self.refused += 1
        self.tell(f"{due.method} {'/'.join(part)} refused: HTTP {reply.status}, {reply.code} {reply.message}")

    def missing(self, whole: Part) -> bool:
        try:
            return self.send("GET", whole, b"").status == 404
        except Unreachable:
            return True
