import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpi_hub import embedded
from ocpi_hub.processes import Service, tail
from ocpi_hub.supervisor import AlreadyRunning, Child, Supervisor, lock
from tests.ocpi_hub.machine import ROOT, alive, free_port, spawn, until, with_argument

ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


class Troupe:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "said").open("wb") as out:
            self.process = spawn([sys.executable, "-m", "tests.ocpi_hub.troupe", str(folder)], out)
        until(lambda: "everything runs" in self.said())

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"{name} +started \(process (\d+)\)", self.said())]

    def members(self) -> set[int]:
        return with_argument(str(self.folder)) - {self.process.pid}


@pytest.fixture
def troupe(tmp_path: Path) -> Iterator[Troupe]:
    troupe = Troupe(tmp_path)
    yield troupe
    troupe.process.kill()
    troupe.process.wait()


@pytest.mark.journey
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signal_stops_everything_in_reverse(troupe: Troupe, ending: signal.Signals) -> None:
    troupe.process.send_signal(ending)

    assert troupe.process.wait(30) == 0
    assert not troupe.members()
    said = troupe.said()
    assert f"stopping ({ending.name})" in said
    assert said.index("parent     ended with code 0") < said.index("data       ended with code 0")


@pytest.mark.journey
def test_what_dies_comes_back_and_nothing_of_it_stays(troupe: Troupe) -> None:
    first = troupe.pids("parent")[0]
    descendants = until(
        lambda: {pid for pid in troupe.members() if pid != first and group_or_session_of(pid, first)}
    )

    os.kill(first, signal.SIGKILL)
    until(lambda: len(troupe.pids("parent")) == 2)

    assert not any(alive(pid) for pid in {first, *descendants})
    assert alive(troupe.pids("parent")[1])
    assert re.search(r"parent +was ended by SIGKILL after \d+ s; starts again in 0.5 s", troupe.said())


def group_or_session_of(pid: int, leader: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) == leader or int(fields[2]) == leader


@pytest.mark.journey
def test_who_fails_again_and_again_is_shown_with_its_last_lines(troupe: Troupe) -> None:
    until(lambda: troupe.said().count("failing    ended with code 4") >= 3)

    pauses = re.findall(r"failing +ended with code 4 after 0 s; starts again in (\S+) s", troupe.said())
    assert pauses[:3] == ["0.5", "2", "5"]
    assert "| oh no" in troupe.said()


def test_who_was_at_work_for_a_while_starts_again_at_once_however_often_it_dies(tmp_path: Path) -> None:
    supervisor = Supervisor([])
    died = subprocess.Popen(["false"])
    died.wait()
    child = Child(Service("web", ["web"], tmp_path / "web.log"), died, started=0.0)

    for lived, pause in [(1.0, 0.5), (9.0, 2.0), (9.0, 5.0), (11.0, 0.2), (11.0, 0.2), (1.0, 0.5)]:
        child.started = time.monotonic() - lived
        supervisor.bury(child)
        assert child.due == pytest.approx(time.monotonic() + pause, abs=0.1)


@pytest.mark.journey
def test_the_children_end_with_a_supervisor_that_is_killed(troupe: Troupe) -> None:
    kept = [*troupe.pids("data"), *troupe.pids("parent")]

    troupe.process.kill()
    troupe.process.wait()

    until(lambda: not any(alive(pid) for pid in kept))


def test_only_what_the_present_process_wrote_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("an older failure\n")
    service = Service("one", ["sh", "-c", "echo oh no; exit 3"], tmp_path / "log")
    silent = Service("two", ["true"], tmp_path / "log")

    service.spawn().wait()
    said = service.last_words()
    silent.spawn().wait()

    assert said == f"Its last lines ({tmp_path}/log):\n  oh no"
    assert silent.last_words() == f"It said nothing ({tmp_path}/log)"
    assert tail(tmp_path / "log", 9, begins=10_000) == ["an older failure", "oh no"]


def test_a_state_folder_that_cannot_be_used_is_named() -> None:
    with pytest.raises(
        embedded.EmbeddedError, match=r"^HUB_VAR=/proc/none is not a folder that the hub can use"
    ):
        lock(Path("/proc/none"))


def test_a_second_start_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    held = lock(tmp_path)

    with pytest.raises(AlreadyRunning, match=rf"{tmp_path} \(process {os.getpid()}\).*another HUB_VAR"):
        lock(tmp_path)

    held.close()
    lock(tmp_path).close()


@pytest.fixture
def hub() -> Iterator[tuple[Path, dict[str, str]]]:
    """Where a whole hub may run, and the environment that it needs for that."""
    with tempfile.TemporaryDirectory(prefix="ocpi hub ") as folder:
        Path(folder).chmod(0o755)
        var = Path(folder) / "var"
        yield var, {"HUB_VAR": str(var), "HUB_PORT": str(free_port())}
        embedded.remove(var)


def up(var: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    var.mkdir(exist_ok=True)
    with (var / "said").open("wb") as out:
        process = spawn([sys.executable, "manage.py", "up"], out, **environment)
    until(lambda: b"everything runs" in (var / "said").read_bytes() or process.poll() is not None, 120)
    assert process.poll() is None, (var / "said").read_text()
    return process


def ready(environment: dict[str, str]) -> bool:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{environment['HUB_PORT']}/readyz", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.journey
def test_the_hub_survives_the_death_of_each_of_its_processes(hub: tuple[Path, dict[str, str]]) -> None:
    var, environment = hub
    process = up(var, environment)
    names = ["web", "worker", "beat", "redis", "postgresql"]

    for name in names:
        said = (var / "said").read_text()
        os.kill(int(re.findall(rf"{name} +started \(process (\d+)\)", said)[-1]), signal.SIGKILL)
        until(lambda name=name: len(re.findall(rf"{name} +started", (var / "said").read_text())) == 2)  # type: ignore[misc]  # bound now
        until(lambda: ready(environment))
    process.terminate()

    assert process.wait(60) == 0
    assert not with_argument(str(var))
    # One that had just started again may end by the signal itself instead of with code 0.
    ends = re.findall(
        r"(\w+) +(?:ended with code|was ended by)", (var / "said").read_text().split("stopping")[1]
    )
    assert ends == ["beat", "worker", "web", "redis", "postgresql"]


@pytest.mark.journey
def test_the_hub_leaves_nothing_behind_and_starts_again_at_once(hub: tuple[Path, dict[str, str]]) -> None:
    var, environment = hub
    killed = up(var, environment)

    killed.kill()
    process = up(var, environment)

    assert ready(environment)

    process.kill()

    until(lambda: not with_argument(str(var)))
    assert (killed.wait(), process.wait()) == (-signal.SIGKILL, -signal.SIGKILL)


@pytest.mark.journey
def test_the_hub_ends_with_its_terminal(hub: tuple[Path, dict[str, str]]) -> None:
    var, environment = hub
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HUB_KEYS", "HUB_DB_POOL"):
            os.environ.pop(name, None)
        os.environ.update(environment)
        os.execv(sys.executable, [sys.executable, "manage.py", "up"])
    said = b""
    while b"everything runs" not in said:
        said += os.read(terminal, 4096)

    os.close(terminal)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not with_argument(str(var))


@pytest.mark.journey
def test_a_taken_port_is_told_before_anything_starts(hub: tuple[Path, dict[str, str]]) -> None:
    var, environment = hub
    with socket.create_server(("127.0.0.1", int(environment["HUB_PORT"]))):
        process = spawn([sys.executable, "manage.py", "up"], subprocess.PIPE, **environment)  # type: ignore[arg-type]  # Popen takes it
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert out.decode().count("\n") == 1
    assert "choose another one with HUB_PORT" in out.decode()
    assert not (var / "postgresql").exists()
