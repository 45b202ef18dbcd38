"""`make demo`: a hub, a simulated CPO and a simulated eMSP, and what happens between them."""

import fcntl
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx

from simulator import files, ports, report
from simulator.day import Day
from simulator.ocpi import Party
from simulator.processes import Child, Signals, dying_with, stop
from simulator.simulated import Arrival, Simulated
from simulator.story import Story
from simulator.terminal import Failed, Terminal
from simulator.variables import given_parties, number

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 240.0
NEWS_EVERY = 10.0
PULL_TRIES = 10
MOST = 1_000_000  # Locations that a CPO invents, and charges in a day
CHARGES_A_DAY = 10  # that a Location has, on average
REQUESTS = 20  # that a charge takes at most, of either side
QUOTA = 6000  # requests a minute that the hub allows a partner when nobody says otherwise
BUSY = "already"  # in the error of a pull: the hub was reading the same list by itself


class Demo:
    def __init__(self, environment: dict[str, str], terminal: Terminal) -> None:
        self.terminal = terminal
        self.var = Path(environment.get("HUB_VAR") or "var").absolute()
        self.port = number(environment, "HUB_PORT", 8000, 1, 65535)
        host = environment.get("HUB_HOST") or "127.0.0.1"
        self.host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        self.listens = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        self.url = (environment.get("HUB_BASE_URL") or self.listens).rstrip("/")
        self.locations = Path(environment["LOCATIONS"]).absolute() if environment.get("LOCATIONS") else None
        self.given = given_parties(environment)
        self.rate = number(environment, "RATE", 0, 0, MOST)
        self.minutes = number(environment, "DAY_MINUTES", 10, 1, 24 * 60)
        self.count = number(environment, "COUNT", max(200, self.rate // CHARGES_A_DAY), 0, MOST)
        self.env = {
            **environment,
            "HUB_VAR": str(self.var),
            "HUB_PORT": str(self.port),
            "HUB_BASE_URL": self.url,
            "HUB_ALLOW_PRIVATE_URLS": "1",
        }
        requests = self.rate * REQUESTS // self.minutes
        if requests > QUOTA:
            self.env.setdefault("HUB_REQUESTS_PER_MINUTE", str(requests))
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
        refused = self.pull(cpo) if self.locations or self.has_others(cpo) else 0
        self.await_objects(cpo, emsp, refused)
        cpo.record["read"] = self.offered()
        self.save()
        self.terminal.line(f"Admin: {self.url}/admin/  login {login['login']}  password {login['password']}")
        now = "EVSEs change their status now" if cpo.can_change() else "No EVSE can change its status"
        self.terminal.line(f"{now}. Ctrl-C stops everything and keeps the state.")
        self.charges(cpo, emsp)
        if self.rate:
            say, look = self.terminal.line, self.check_children
            Day(cpo, emsp, self.rate, self.minutes, say, look).tell()
        self.news(cpo, emsp)

    def charges(self, cpo: Simulated, emsp: Simulated) -> None:
        """With a feed the story may end early: what the hub made of the feed is still to be looked at."""
        try:
            Story(cpo, emsp, self.terminal.line, self.terminal.progress, self.check_children).tell()
        except Failed as failed:
            if not self.locations:
                raise
            self.terminal.line(f"The story ends here: {failed}")
            self.check_children()

    def parties(self) -> list[Party]:
        if self.locations is None:
            return self.given or [Party("NL", "ABC")]
        try:
            found = files.parties(self.locations, self.given)
        except files.Unreadable as error:
            hint = str(error).replace("--party", "PARTY=NL-ABC")
            raise Failed(hint) from error
        if not found:
            raise Failed(f"{self.locations} holds no Location")
        return found

    def offered(self) -> str:
        """Where the CPO's Locations come from; other ones are not what the hub has read."""
        if self.locations is None:
            return f"{self.count} invented"
        found = self.locations.stat()
        return f"{self.locations} {found.st_size} {found.st_mtime_ns}"

    def has_others(self, cpo: Simulated) -> bool:
        """Whether the hub read other Locations than the CPO has now; a pull of its own would be an hour away."""
        others = not cpo.fresh and cpo.record.get("read") != self.offered()
        if others:
            self.terminal.line("The CPO has other Locations than the hub has read: the hub pulls them now")
        return others

    def lock(self) -> None:
        """One demo on one state folder, on a port that nobody else has; refused, it leaves no new folder."""
        if not self.var.exists():
            self.look_at_port()
        try:
            self.var.mkdir(parents=True, exist_ok=True)
            self.lock_file = (self.var / "demo.lock").open("a")
        except OSError as error:
            reason = f"is not a folder that the demo can use: {error.strerror}"
            raise Failed(f"HUB_VAR={self.var} {reason}") from error
        try:
            fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"A demo runs on {self.var} already; give this one another HUB_VAR") from None
        self.look_at_port()

    def look_at_port(self) -> None:
        if problem := ports.problem(self.host, self.port):
            raise Failed(problem)

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
            answer = self.http.get(f"{self.listens}/readyz", timeout=5)
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

    def command(self) -> str:
        """How our user reaches this hub's commands, in the project's folder."""
        program = Path(sys.executable)
        if program.is_relative_to(ROOT):
            program = program.relative_to(ROOT)
        var = f"HUB_VAR={shlex.quote(str(self.var))} " if self.var != ROOT / "var" else ""
        return f"{var}{shlex.quote(str(program))} manage.py"

    def pull(self, cpo: Simulated) -> int:
        """Let the hub take the whole file, and show what became of it; answers how many it refused."""
        mine = {str(party) for party in cpo.parties}
        pulls: list[dict[str, Any]] = []
        for _ in range(PULL_TRIES):
            cpo.await_quiet()
            text = self.manage("pull", "--module", "locations", "--full", "--json", waiting=cpo.read_progress)
            pulls = [pull for pull in json.loads(text) if pull["party"] in mine]
            if not any(BUSY in (pull["error"] or "") for pull in pulls):
                break
        for line in report.lines(pulls, self.command()):
            self.terminal.line(line)
        return sum(pull["refused"] for pull in pulls)

    def cpo_options(self) -> list[str]:
        if self.locations is None:
            return ["--count", str(self.count)]
        return ["--locations", str(self.locations)]

    # -- what happens

    def await_objects(self, cpo: Simulated, emsp: Simulated, refused: int) -> None:
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

    def news(self, cpo: Simulated, emsp: Simulated) -> NoReturn:
        """A line now and then on what has happened since the last one; silence while nothing does."""
        before, told = cpo.status()["changes"], ""
        while True:
            until = time.monotonic() + NEWS_EVERY
            while time.monotonic() < until:
                self.check_children()
                time.sleep(0.2)
            status = cpo.status()
            text = report.news(status, emsp.status(), before)
            if text != told:
                self.terminal.line(f"{time.strftime('%H:%M:%S')}  {text}")
            before, told = status["changes"], text

    def check_children(self) -> None:
        for child in self.children:
            if not child.alive:
                code = child.process.returncode
                raise Failed(f"{child.name} ended by itself ({code}). Its last words:\n{child.last_words()}")


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
    if demo and demo.children:
        terminal.line("All processes have ended")
    elif not code:
        terminal.line("Nothing was started")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
