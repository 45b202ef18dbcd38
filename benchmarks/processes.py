"""Child processes of a measurement: they end with it, however it ends."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ocpi_hub.processes import Service, dying_with, kill_group

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 45.0  # a little more than the supervisor of the hub gives its own children
T = TypeVar("T")


class BadRun(Exception):
    """What was measured is no measurement: something failed meanwhile."""


def environment(**more: str) -> dict[str, str]:
    """Ours, without what the shell was set up with for another hub."""
    named = {
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "DJANGO_SETTINGS_MODULE",
        "TRUSTED_PROXIES",
        "WEB_PROCESSES",
    }
    kept = {
        name: value for name, value in os.environ.items() if name not in named and not name.startswith("HUB_")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    """Below the ports that the kernel gives to outgoing connections: to a closed port among those a client
    can connect to itself."""
    while True:
        port = random.randrange(12_000, 20_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], T], timeout: float, what: str) -> T:
    """The first true answer of the condition, asked again and again."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise BadRun(f"after {timeout:g} s still not so: {what}")
        time.sleep(0.05)
    return answer


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(service: Service, stop_signal: int = signal.SIGTERM) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is ready; it has ended afterwards. To be started from the main thread."""
    process = service.spawn()
    try:
        service.wait_ready(process, 120)
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            print(f"{service.name} did not end in time and is killed", file=sys.stderr)
        finally:
            kill_group(process)
            process.wait(10)


@contextmanager
def serving(
    name: str, port: int, folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m …`, listening on the port; its log is in the folder."""
    service = Service(
        name=name,
        argv=[sys.executable, "-m", *arguments],
        log=folder / f"{name}.log",
        env=env or environment(),
        cwd=ROOT,
        ready=lambda: listens(port),
    )
    with running(service) as process:
        yield process


def answer_of(
    module: str, question: Any, *, env: Mapping[str, str] | None = None, timeout: float = 900
) -> Any:
    """What `python -m module` prints as JSON when it gets the question as JSON on its input."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=dict(env or environment()),
        input=json.dumps(question),
        preexec_fn=dying_with(os.getpid(), signal.SIGKILL),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise BadRun(f"python -m {module} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def memory_peak(pid: int) -> float:
    """Megabytes that a process had at the most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def threads(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("Threads:")[2].split()[0])


def cpu_milliseconds(pid: int) -> float:
    """Of all its threads, in itself and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
