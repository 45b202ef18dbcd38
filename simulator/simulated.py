"""The two platforms of the demo as their story sees them: one, and how its objects come to the other."""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from simulator import ocpi, ports
from simulator.ocpi import Party
from simulator.processes import Child
from simulator.terminal import Failed, counted

if TYPE_CHECKING:
    from simulator.demo import Demo

ROOT = Path(__file__).resolve().parent.parent
QUIET = 2.0  # seconds without a request, after which the hub has read everything


class Simulated:
    """One simulated platform: invited once, then started with what it remembers."""

    fresh = False  # registers now for the first time, so that the hub reads all it has by itself

    def __init__(
        self, demo: "Demo", role: str, name: str, parties: Sequence[Party], options: list[str]
    ) -> None:
        self.demo, self.role, self.name, self.parties, self.options = demo, role, name, list(parties), options
        names = " ".join(f"{one.country_code}-{one.party_id}" for one in parties)
        key = f"{role}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        self.record: dict[str, Any] = demo.memory["platforms"].setdefault(key, {"parties": names})
        self.state, self.log = demo.var / f"demo-{key}.json", demo.var / f"demo-{key}.log"

    def invite(self) -> None:
        """Ask the hub for a token A, unless there are credentials or a token that was not used yet."""
        registered = self.state.exists() and json.loads(self.state.read_text()).get("hub")
        self.fresh = not registered
        if self.fresh and "token" not in self.record:
            parties = [f"{one.country_code}-{one.party_id}-{self.role.upper()}" for one in self.parties]
            flags = [part for party in parties for part in ("--party", party)]
            self.record.update(json.loads(self.demo.manage("invite", "--name", self.name, *flags)))
        port = self.record.get("port")
        if port is None or not ports.free("127.0.0.1", port):
            self.record["port"] = ports.free_port()
        self.demo.save()

    def start(self) -> None:
        argv = [sys.executable, "-m", "simulator", self.role, "--port", str(self.record["port"])]
        argv += ["--name", self.name, "--state", str(self.state), "--pull-interval", "2", *self.options]
        for party in self.parties:
            argv += ["--party", f"{party.country_code}-{party.party_id}"]
        env = {**self.demo.env, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        if "token" in self.record:
            argv += ["--hub-versions-url", self.record["versions_url"]]
            env["SIMULATOR_TOKEN"] = self.record["token"]
        self.demo.children.append(Child(self.name, argv, env, self.log))

    def await_registration(self) -> None:
        while not (status := self.status(patient=True)).get("registered"):
            self.demo.check_children()
            self.demo.terminal.progress(f"{self.name} is registering")
            time.sleep(0.1)
        self.record.pop("token", None)
        self.demo.save()
        module, count = next(iter(status["own"].items()))
        parties = status["parties"]
        who = parties[0] if len(parties) == 1 else f"{parties[0]} and {len(parties) - 1} more parties"
        self.demo.terminal.line(f"{self.name} is registered as {who}; it has {counted(count, module)}")

    def get(self, path: str) -> Any:
        return self.demo.http.get(self.url(path)).json()

    def post(self, path: str, **order: Any) -> Any:
        answer = self.demo.http.post(self.url(path), content=ocpi.encode(order), timeout=60)
        told = answer.json()
        if answer.status_code != 200:
            raise Failed(f"{self.name}, {path}: {told.get('error')}")
        return told

    def raw(self, module: str, key: str) -> bytes | None:
        """One object as it was written; None when it is not there."""
        answer = self.demo.http.get(self.url(f"objects/{module}/{key}"))
        return answer.content if answer.status_code == 200 else None

    def document(self, module: str, key: str) -> dict[str, Any] | None:
        raw = self.raw(module, key)
        return dict(ocpi.decode(raw)) if raw else None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.record['port']}/simulator/{path}"

    def can_change(self) -> bool:
        """Whether any of its objects can change; one does, if none has yet."""
        if not self.status()["changes"]:
            self.post("change")
        return bool(self.status()["changes"])

    def status(self, patient: bool = False) -> dict[str, Any]:
        try:
            return dict(self.get("status"))
        except httpx.HTTPError as error:
            if patient:
                return {}
            self.demo.check_children()
            raise Failed(f"{self.name} does not answer: {error}") from error

    def await_quiet(self) -> None:
        """Until the hub asks nothing for a while: it reads everything by itself after a registration."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET:
            self.demo.check_children()
            self.read_progress()
            requests = self.status()["requests"]
            if requests != seen:
                seen, since = requests, time.monotonic()
            time.sleep(0.2)

    def read_progress(self) -> None:
        status = self.status(patient=True)
        if status:
            total = status["own"]["locations"]
            self.demo.terminal.progress(f"The hub pulls: {status['served']} of {total} Locations read")


class Arrival:
    """How many of one party's objects have come to the other."""

    def __init__(self, module: str, owner: Simulated, receiver: Simulated, refused: int) -> None:
        self.module, self.owner, self.receiver, self.refused = module, owner, receiver, refused
        self.counts: tuple[int, int] = (-1, -1)
        self.arrived = self.expected = 0

    def look(self) -> bool:
        counts = (
            self.owner.status()["own"][self.module],
            self.receiver.status()["received"][self.module],
        )
        if counts != self.counts:
            self.counts = counts
            own = set(self.owner.get(f"keys/{self.module}"))
            self.arrived = len(own & set(self.receiver.get(f"keys/{self.module}")))
            self.expected = max(0, len(own) - self.refused)
        return self.arrived >= self.expected

    def __str__(self) -> str:
        return f"{self.arrived} of {self.expected}"
