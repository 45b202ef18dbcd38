"""Hubs for the stories: one that is shared by all that leave it as it was, others for those that break things."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from ocpi_hub.embedded import socket_folder
from tests.journeys.hub import Hub
from tests.journeys.processes import Process, last_words, mentioning, wait_until
from tests.journeys.redisserver import Redis

MakeHub = Callable[..., Hub]
_parties = count(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        report.sections.append(("the ends of the logs", last_words()))
    return report


@pytest.fixture(scope="session")
def folders() -> Iterator[Callable[[], Path]]:
    """Makes folders that PostgreSQL's user can enter when root runs the tests; pytest's own are closed."""
    made: list[Path] = []

    def make() -> Path:
        folder = Path(tempfile.mkdtemp(prefix="ocpi-hub-journey-"))
        folder.chmod(0o755)
        made.append(folder)
        return folder

    yield make
    for process in [*Process.living]:
        process.kill()
    for folder in made:
        wait_until(lambda folder=folder: not mentioning(folder), 30, f"nothing works on {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(socket_folder(folder / "var"), ignore_errors=True)


@pytest.fixture
def folder(folders: Callable[[], Path]) -> Path:
    return folders()


@pytest.fixture(scope="session")
def shared_hub(folders: Callable[[], Path]) -> Iterator[Hub]:
    hub = Hub(folders()).start()
    yield hub
    code = hub.stop()
    hub.end()
    assert code == 0


@pytest.fixture(scope="module")
def hub(shared_hub: Hub) -> Iterator[Hub]:
    """For stories that disturb nobody: each registers parties of its own."""
    yield shared_hub
    # Partners that are gone would look like an outage to the stories after this one.
    gone = [partner.platform_id for partner in shared_hub.partners]
    shared_hub.sql("UPDATE partners_platform SET status = 'SUSPENDED' WHERE id = ANY(%s)", gone)
    shared_hub.end_partners()


@pytest.fixture
def new_hub(folders: Callable[[], Path]) -> Iterator[MakeHub]:
    """Starts hubs that belong to one story."""
    hubs: list[Hub] = []

    def make(**environment: str) -> Hub:
        hubs.append(Hub(folders(), **environment))
        return hubs[-1].start()

    yield make
    for hub in hubs:
        hub.end()


@pytest.fixture(scope="session")
def party() -> Callable[[str], str]:
    """A party that no other story has: party("NL") is NL-B00, then NL-B01, and so on."""
    return lambda country: f"{country}-{next(_parties) + 0xB00:03X}"


@pytest.fixture
def redis(folder: Path) -> Iterator[Redis]:
    redis = Redis(folder)
    redis.start()
    yield redis
    redis.kill()
