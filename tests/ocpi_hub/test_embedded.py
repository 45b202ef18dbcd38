import base64
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from ocpi_hub import embedded
from ocpi_hub.embedded import EmbeddedError, PostgreSQL, Redis
from ocpi_hub.processes import NotReady, Service, kill_group, rotate, tail
from tests.ocpi_hub.machine import until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to itself and others")


@pytest.fixture
def var() -> Iterator[Path]:
    """As long as they get, with spaces, and open to the user that PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="ocpi hub ") as folder:
        Path(folder).chmod(0o755)
        deep = Path(folder) / ("a long name " * 12).strip()
        yield deep
        embedded.remove(deep)
        assert not embedded.socket_folder(deep).exists()


@pytest.fixture
def start() -> Iterator[Callable[[Service], "subprocess.Popen[bytes]"]]:
    running: list[tuple[Service, subprocess.Popen[bytes]]] = []

    def start(service: Service) -> "subprocess.Popen[bytes]":
        process = service.spawn()
        running.append((service, process))
        service.wait_ready(process, 60)
        return process

    yield start
    for service, process in reversed(running):
        kill_group(process, service.stop_signal)
        process.wait(30)


def test_addresses_are_short_and_differ_by_folder(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200)

    assert embedded.database_url(long).startswith("postgresql://hub@/hub?host=/")
    assert embedded.redis_url(long) == f"unix://{embedded.socket_folder(long)}/redis.sock"
    assert len(f"{embedded.socket_folder(long)}/.s.PGSQL.5432") < 60
    assert embedded.database_url(long) != embedded.database_url(tmp_path)
    assert not long.exists()


def test_everyone_who_starts_at_once_gets_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: embedded.secrets(tmp_path / "var"), range(64)))

    assert all(answer == answers[0] for answer in answers)
    assert len(base64.urlsafe_b64decode(answers[0]["HUB_KEYS"][0])) == 32
    assert len(answers[0]["SECRET_KEY"]) >= 50
    assert [file.name for file in (tmp_path / "var").iterdir()] == ["keys.json"]
    assert (tmp_path / "var" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_socket_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "open")

    for name in ("open", "link"):
        with pytest.raises(EmbeddedError, match="not a private folder"):
            embedded.private_folder(tmp_path / name, None)


def test_an_old_redis_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, said in (("redis-server", "Redis server v=6.0.16"), ("valkey-server", "Valkey server v=8.0.1")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said} sha=0'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert embedded.redis_server() == str(tmp_path / "valkey-server")

    (tmp_path / "valkey-server").unlink()

    assert embedded.redis_version(embedded.redis_server()) >= (6, 2)


def test_a_log_is_cut_in_place_and_its_end_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))

    assert tail(log, 2) == ["line 98", "line 99"]

    rotate(log, limit=100)

    assert log.read_text() == ""
    assert (tmp_path / "web.log.1").read_text().endswith("line 99\n")


@pytest.mark.journey
def test_what_fails_to_start_shows_its_last_words(tmp_path: Path) -> None:
    service = Service(
        "broken", ["sh", "-c", "echo no such luck; exit 3"], tmp_path / "b.log", ready=lambda: False
    )

    with pytest.raises(NotReady, match=r"broken ended with code 3 (.|\n)*no such luck"):
        service.wait_ready(service.spawn(), 10)


@pytest.mark.journey
def test_postgresql_keeps_its_data_when_it_is_killed(
    var: Path, start: Callable[[Service], "subprocess.Popen[bytes]"]
) -> None:
    database = PostgreSQL(var)
    process = start(database.service())
    with psycopg.connect(embedded.database_url(var)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        settings = connection.execute(
            "SELECT current_setting('fsync'), current_setting('max_connections'),"
            " current_setting('server_version_num')::int / 10000, datlocprovider, datlocale"
            " FROM pg_database WHERE datname = 'hub'"
        ).fetchone()

    process.kill()
    process.wait()
    # A pid that any other process has now must not keep PostgreSQL from starting.
    for file in (var / "postgresql" / "postmaster.pid", database.sockets / ".s.PGSQL.5432.lock"):
        file.write_text(file.read_text().replace(str(process.pid), str(os.getpid()), 1))
    until_started(database, start)

    assert settings == ("on", "300", 18, "b", "C.UTF-8")
    with psycopg.connect(embedded.database_url(var)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def until_started(database: PostgreSQL, start: Callable[[Service], "subprocess.Popen[bytes]"]) -> None:
    """The killed server's backends notice by themselves; until then their shared memory is in the way."""

    def started() -> bool:
        try:
            start(database.service())
        except NotReady:
            return False
        return True

    until(started)


@pytest.mark.journey
def test_redis_keeps_its_data_when_it_is_killed(
    var: Path, start: Callable[[Service], "subprocess.Popen[bytes]"]
) -> None:
    process = start(Redis(var).service())
    with redis.Redis.from_url(embedded.redis_url(var)) as client:
        client.set("kept", "7")
        # The port is closed to the network.
        assert client.config_get("port") == {b"port": b"0"} or client.config_get("port") == {"port": "0"}

    process.kill()
    process.wait()
    start(Redis(var).service())

    with redis.Redis.from_url(embedded.redis_url(var)) as client:
        assert client.get("kept") == b"7"


@pytest.mark.journey
def test_both_end_with_whoever_started_them(var: Path) -> None:
    service = PostgreSQL(var).service()
    reader, writer = os.pipe()
    starter = os.fork()
    if starter == 0:
        os.write(writer, str(service.spawn().pid).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(starter, 0)
    pid = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)

    until(lambda: embedded.postmaster(var / "postgresql") is None)
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


@as_root
@pytest.mark.journey
def test_root_may_keep_the_hub_in_a_folder_that_only_root_may_enter(
    start: Callable[[Service], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    var = closed / "var"
    database = PostgreSQL(var)

    process = start(database.service())
    outside = (var / "postgresql").readlink()
    kill_group(process, signal.SIGINT)
    process.wait(30)

    assert closed.stat().st_mode & 0o777 == 0o700
    assert not outside.is_relative_to(closed)
    assert (outside / "PG_VERSION").read_text().strip() == "18"

    embedded.remove(var)

    assert not outside.exists()
    assert not var.exists()


def test_state_of_a_running_hub_is_not_removed(tmp_path: Path) -> None:
    var = Path(os.environ["HUB_VAR"])
    if not (var / "postgresql").exists():
        pytest.skip("the tests run on a database of somebody else")

    with pytest.raises(EmbeddedError, match="still runs"):
        embedded.remove(var)

    assert (var / "postgresql" / "PG_VERSION").exists()


def test_the_command_names_its_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()

    assert embedded.main(["remove", str(tmp_path / "var")]) == 0
    assert not (tmp_path / "var").exists()
    assert str(embedded.main([])).startswith("usage: ")


def test_keys_that_were_written_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"SECRET_KEY": "s", "HUB_KEYS": ["a", "b"]}))

    assert embedded.secrets(tmp_path) == {"SECRET_KEY": "s", "HUB_KEYS": ["a", "b"]}
