"""`make demo`: a hub, a simulated CPO and a simulated eMSP, and what happens between them."""

import fcntl
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import httpx

from simulator import files, report
from simulator.ocpi import Party
from simulator.processes import Child, dying_with, stop
from simulator.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 240.0
NEWS_EVERY = 10.0
QUIET = 2.0  # seconds without a request, after which the hub has read everything
PULL_TRIES = 10
BUSY = "already"  # in the error of a pull: the hub was reading the same list by itself


class Failed(Exception):
    """The demo cannot go on; the message is for its user."""


class Demo:
    def __init__(self, environment: dict[str, str], terminal: Terminal) -> None:
        self.terminal = terminal
        self.var = Path(environment.get("HUB_VAR") or "var").absolute()
        self.port = int(environment.get("HUB_PORT") or 8000)
        host = environment.get("HUB_HOST") or "127.0.0.1"
        self.host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        self.url = (environment.get("HUB_BASE_URL") or f"http://{self.host}:{self.port}").rstrip("/")
        self.locations = Path(environment["LOCATIONS"]).absolute() if environment.get("LOCATIONS") else None
        self.given = [Party.parse(text) for text in environment.get("PARTY", "").replace(",", " ").split()]
        self.count = int(environment.get("COUNT") or 200)
        self.env = {
            **environment,
            "HUB_VAR": str(self.var),
            "HUB_PORT": str(self.port),
            "HUB_ALLOW_PRIVATE_URLS": "1",
        }
        self.children: list[Child] = []
        self.memory: dict[str, Any] = {}
        self.http = httpx.Client(trust_env=False, timeout=30)

    # -- the story

    def tell(self) -> None:
        parties = self.parties()
        self.lock()
        self.remember()
        self.start_hub()
        login = self.admin()
        cpo = Simulated(self, "cpo", "Demo CPO", parties, self.cpo_options())
        emsp = Simulated(self, "emsp", "Demo eMSP", [Party("DE", "MSP")], ["--tokens", "100"])
        for simulated in (cpo, emsp):
            simulated.invite()
        for simulated in (cpo, emsp):
            simulated.start()
        for simulated in (cpo, emsp):
            simulated.await_registration()
        refused = self.pull(cpo) if self.locations else 0
        self.await_objects(cpo, emsp, refused)
        self.terminal.line(f"Admin: {self.url}/admin/  login {login['login']}  password {login['password']}")
        self.terminal.line("EVSEs change their status now. Ctrl-C stops everything and keeps the state.")
        self.news(cpo, emsp)

    def parties(self) -> list[Party]:
        if self.locations is None:
            return self.given or [Party("NL", "ABC")]
        try:
            return files.parties(self.locations, self.given)
        except files.Unreadable as error:
            hint = str(error).replace("--party", "PARTY=NL-ABC")
            raise Failed(hint) from error

    def lock(self) -> None:
        """One demo on one state folder, on a port that nobody else has."""
        self.var.mkdir(parents=True, exist_ok=True)
        self.lock_file = (self.var / "demo.lock").open("a")
        try:
            fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"A demo runs on {self.var} already; give this one another HUB_VAR") from None
        if not free(self.host, self.port):
            raise Failed(f"Port {self.port} is taken; choose another: make demo HUB_PORT={self.port + 10}")

    def remember(self) -> None:
        path = self.var / "demo.json"
        self.memory = json.loads(path.read_text()) if path.exists() else {}
        self.memory.setdefault("platforms", {})

    def save(self) -> None:
        draft = self.var / "demo.json.part"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.memory, file, indent=1)
        draft.replace(self.var / "demo.json")

    # -- the hub

    def start_hub(self) -> None:
        log = self.var / "demo-hub.log"
        self.terminal.line(f"Starting the hub at {self.url} (its log: {log})")
        hub = Child("The hub", [sys.executable, str(ROOT / "manage.py"), "up"], self.env, log)
        self.children.append(hub)
        began = time.monotonic()
        while not self.ready():
            self.check_children()
            if time.monotonic() - began > READY_WITHIN:
                raise Failed(f"The hub is not ready after {READY_WITHIN:.0f} s:\n{hub.last_words()}")
            time.sleep(0.2)
        self.terminal.line(f"The hub is ready after {time.monotonic() - began:.0f} s")

    def ready(self) -> bool:
        try:
            answer = self.http.get(f"http://{self.host}:{self.port}/readyz", timeout=5)
        except httpx.HTTPError:
            self.terminal.progress("Waiting for the hub to listen")
            return False
        if answer.status_code != 200:
            self.terminal.progress(f"Waiting for the hub: {' '.join(answer.text.split())[:100]}")
        return answer.status_code == 200

    def manage(self, *arguments: str, waiting: Callable[[], None] | None = None, **extra: str) -> str:
        """Run one management command; its standard output, or Failed with what it said."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *arguments],
                env={**self.env, **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                preexec_fn=dying_with(os.getpid()),
            )
            try:
                while process.poll() is None:
                    self.check_children()
                    if waiting:
                        waiting()
                    time.sleep(0.1)
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            errors.seek(0)
            text, said = output.read(), errors.read().strip()
        if process.returncode and not text.startswith(("[", "{")):
            raise Failed(f"manage.py {arguments[0]} failed: {said or text or process.returncode}")
        return text

    def admin(self) -> dict[str, str]:
        """The login of the admin, made once."""
        if "admin" not in self.memory:
            login = {"login": "admin", "password": secrets.token_urlsafe(12)}
            self.manage(
                "createsuperuser",
                "--noinput",
                DJANGO_SUPERUSER_USERNAME=login["login"],
                DJANGO_SUPERUSER_PASSWORD=login["password"],
                DJANGO_SUPERUSER_EMAIL="admin@hub.example",
            )
            self.memory["admin"] = login
            self.save()
        return dict(self.memory["admin"])

    def pull(self, cpo: "Simulated") -> int:
        """Let the hub take the whole file, and show what became of it; answers how many it refused."""
        mine = {str(party) for party in cpo.parties}
        pulls: list[dict[str, Any]] = []
        for _ in range(PULL_TRIES):
            cpo.await_quiet()
            text = self.manage("pull", "--module", "locations", "--full", "--json", waiting=cpo.read_progress)
            pulls = [pull for pull in json.loads(text) if pull["party"] in mine]
            if not any(BUSY in (pull["error"] or "") for pull in pulls):
                break
        for line in report.lines(pulls):
            self.terminal.line(line)
        return sum(pull["refused"] for pull in pulls)

    def cpo_options(self) -> list[str]:
        if self.locations is None:
            return ["--count", str(self.count)]
        return ["--locations", str(self.locations)]

    # -- what happens

    def await_objects(self, cpo: "Simulated", emsp: "Simulated", refused: int) -> None:
        locations = Arrival("locations", cpo, emsp, refused)
        tokens = Arrival("tokens", emsp, cpo, 0)
        while True:
            self.check_children()
            arrived = [locations.look(), tokens.look()]
            text = f"Locations at the eMSP: {locations}, Tokens at the CPO: {tokens}"
            if all(arrived):
                self.terminal.line(text)
                return
            self.terminal.progress(text)
            time.sleep(0.5)

    def news(self, cpo: "Simulated", emsp: "Simulated") -> NoReturn:
        """A line now and then on what has happened since the last one; silence while nothing does."""
        before, told = cpo.status()["changes"], ""
        while True:
            until = time.monotonic() + NEWS_EVERY
            while time.monotonic() < until:
                self.check_children()
                time.sleep(0.2)
            status = cpo.status()
            text = news_of(status, emsp.status(), before)
            if text != told:
                self.terminal.line(f"{time.strftime('%H:%M:%S')}  {text}")
            before, told = status["changes"], text

    def check_children(self) -> None:
        for child in self.children:
            if not child.alive:
                code = child.process.returncode
                raise Failed(f"{child.name} ended by itself ({code}). Its last words:\n{child.last_words()}")


class Simulated:
    """One simulated platform: invited once, then started with what it remembers."""

    def __init__(
        self, demo: Demo, role: str, name: str, parties: Sequence[Party], options: list[str]
    ) -> None:
        self.demo, self.role, self.name, self.parties, self.options = demo, role, name, list(parties), options
        names = " ".join(f"{one.country_code}-{one.party_id}" for one in parties)
        key = f"{role}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        self.record: dict[str, Any] = demo.memory["platforms"].setdefault(key, {"parties": names})
        self.state, self.log = demo.var / f"demo-{key}.json", demo.var / f"demo-{key}.log"

    def invite(self) -> None:
        """Ask the hub for a token A, unless there are credentials or a token that was not used yet."""
        registered = self.state.exists() and json.loads(self.state.read_text()).get("hub")
        if not registered and "token" not in self.record:
            parties = [f"{one.country_code}-{one.party_id}-{self.role.upper()}" for one in self.parties]
            flags = [part for party in parties for part in ("--party", party)]
            self.record.update(json.loads(self.demo.manage("invite", "--name", self.name, *flags)))
        port = self.record.get("port")
        if port is None or not free("127.0.0.1", port):
            self.record["port"] = free_port()
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
        self.demo.terminal.line(f"{self.name} is registered as {who}; it has {count} {module.capitalize()}")

    def get(self, path: str) -> Any:
        return self.demo.http.get(f"http://127.0.0.1:{self.record['port']}/simulator/{path}").json()

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
            total = sum(status["own"].values())
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


def news_of(cpo: dict[str, Any], emsp: dict[str, Any], before: int) -> str:
    text = f"{cpo['changes'] - before} status changes"
    if cpo["last_change"]:
        text += f", the latest {cpo['last_change']}"
    pushes = cpo["pushes"]
    text += f"; pushes: {pushes['sent']} sent by the CPO, {emsp['pushes_received']} received by the eMSP"
    if pushes["pending"] or pushes["refused"]:
        text += f", {pushes['pending']} waiting, {pushes['refused']} refused"
    if cpo["errors"]:
        text += f"; the CPO says: {cpo['errors'][-1]['error']}"
    return text


def free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Signals:
    """The first INT, TERM or HUP ends the story; a second one, while processes end, hurries."""

    def __init__(self) -> None:
        self.count = 0
        self.raising = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.came)

    def came(self, *_: Any) -> None:
        self.count += 1
        if self.raising:
            self.raising = False
            raise KeyboardInterrupt


def main() -> int:
    terminal, signals, code = Terminal(sys.stdout), Signals(), 0
    demo: Demo | None = None
    try:
        demo = Demo(dict(os.environ), terminal)
        demo.tell()
    except KeyboardInterrupt:
        terminal.line("Stopping")
    except (Failed, ValueError) as error:
        terminal.line(str(error))
        code = 1
    finally:
        signals.raising = False
        already = signals.count
        if demo:
            stop(demo.children[::-1], hurry=lambda: signals.count > already)
    terminal.line("All processes have ended" if demo and demo.children else "Nothing was started")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
