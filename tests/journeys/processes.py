"""Real processes for the stories: on ports of their own, watched without bare sleeps, gone when we are gone."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ocpi_hub.processes import dying_with, tail

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")

# What tests.services set for the unit tests must not reach a hub of a story.
OURS = (
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "TRUSTED_PROXIES"),
    *(name for name in os.environ if name.startswith("HUB_")),
)


def clean_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def wait_until(condition: Callable[[], T], timeout: float, what: str) -> T:
    """The first true answer of the condition, asked again and again."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"after {timeout:g} s still not so: {what}"
        time.sleep(0.05)
    return answer


def wait_while_moving(
    condition: Callable[[], T], progress: Callable[[], object], patience: float, what: str
) -> T:
    """As wait_until, for as long as the progress has another value at least every `patience` seconds."""
    before, since = progress(), time.monotonic()
    while not (answer := condition()):
        time.sleep(0.05)
        now = progress()
        if now != before:
            before, since = now, time.monotonic()
        assert time.monotonic() < since + patience, f"nothing moves for {patience:g} s, and not so: {what}"
    return answer


def free_port() -> int:
    """Below the ports that the kernel gives to outgoing connections: to a closed port among those a client
    can connect to itself. Each test process has a range of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 20
    while True:
        port = 20_000 + 500 * worker + random.randrange(500)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Process:
    """A child in a session of its own, which ends when we end, however that happens."""

    living: "list[Process]" = []

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(argv),
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dying_with(os.getpid(), signal.SIGKILL),
            )
        self.living.append(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM, patience: float = 45) -> int:
        """Its exit code; who does not end in time is killed and the story fails."""
        if self.alive:
            self.process.send_signal(number)
        try:
            return self.process.wait(patience)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait(10)
        if self in self.living:
            self.living.remove(self)


def run(*argv: str, env: Mapping[str, str], timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """A command in the foreground; its output is kept apart from its errors."""
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        preexec_fn=dying_with(os.getpid(), signal.SIGKILL),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def mentioning(place: Path) -> dict[int, str]:
    """The processes that work on a folder: by their arguments, their folder or their HUB_VAR."""
    found = {}
    for proc in Path("/proc").glob("[0-9]*"):
        pid = int(proc.name)
        try:
            words = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (proc / "environ").read_bytes().split(b"\0")
            folder = os.readlink(proc / "cwd")
        except OSError:
            continue
        named = f"HUB_VAR={place}".encode() in environment
        if pid != os.getpid() and (named or str(place) in words or folder.startswith(str(place))):
            found[pid] = words.strip()[:80]
    return found


def last_words(lines: int = 25) -> str:
    """The ends of the logs of everything that runs, for the report of a failure."""
    parts = []
    for process in Process.living:
        logs = sorted((process.log.parent / "var" / "log").glob("*.log")) if process.name == "hub" else []
        for log in [process.log, *logs]:
            parts += [f"--- {process.name}: {log}", *tail(log, lines)]
    return "\n".join(parts)
