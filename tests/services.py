"""Starts PostgreSQL and Redis for the tests, before Django's settings are read (`-p tests.services`)."""

import os
import shutil
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from ocpi_hub.embedded import PostgreSQL, Redis, database_url, redis_url, socket_folder
from ocpi_hub.processes import Service, kill_group

# One for each test process; the controller itself uses number 0.
REDIS_DATABASES = 256


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        start_all(early_config)
    else:
        os.environ["REDIS_URL"] = numbered(os.environ["REDIS_URL"], int(worker.removeprefix("gw")) + 1)
    return (yield)


def start_all(config: pytest.Config) -> None:
    forget_settings()
    var = Path(tempfile.mkdtemp(prefix="ocpi-hub-tests-"))
    config.add_cleanup(remover(var))
    # As root, PostgreSQL runs as `nobody` and must be able to enter.
    var.chmod(0o755)
    if "DATABASE_URL" not in os.environ:
        # Nobody keeps these data: speed matters, a power cut does not.
        start(PostgreSQL(var, durable=False).service(), config)
    if "REDIS_URL" not in os.environ:
        start(Redis(var, databases=REDIS_DATABASES).service(), config)
    os.environ.setdefault("DATABASE_URL", database_url(var))
    os.environ.setdefault("REDIS_URL", redis_url(var))
    os.environ.update(
        HUB_VAR=str(var),
        SECRET_KEY=urlsafe_b64encode(os.urandom(48)).decode(),
        HUB_KEYS=urlsafe_b64encode(os.urandom(32)).decode(),
        HUB_DB_POOL="0",
        HUB_ALLOW_PRIVATE_URLS="1",
    )


def forget_settings() -> None:
    """The tests are about the defaults, whatever hub the shell they run in is set up for."""
    for name in [
        name for name in os.environ if name.startswith("HUB_") and not name.startswith("HUB_JOURNEY_")
    ]:
        del os.environ[name]
    os.environ.pop("TRUSTED_PROXIES", None)
    os.environ.pop("SENTRY_DSN", None)


def start(service: Service, config: pytest.Config) -> None:
    process = service.spawn()

    def stop() -> None:
        kill_group(process, service.stop_signal)
        process.wait(30)

    config.add_cleanup(stop)
    service.wait_ready(process, 60)


def remover(var: Path) -> Callable[[], None]:
    """Removes the folders when we end, however we end: it sees its standard input close."""
    folders = [str(var), str(socket_folder(var))]
    process = subprocess.Popen(
        ["sh", "-c", 'cat; for _ in 1 2 3 4 5; do rm -rf -- "$@" && exit; sleep 1; done', "sh", *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def remove() -> None:
        process.communicate(timeout=30)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    return remove


def numbered(url: str, number: int) -> str:
    """The same Redis, another of its databases."""
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={number}"
    return f"{url.rsplit('/', 1)[0]}/{number}" if url.count("/") > 2 else f"{url}/{number}"
