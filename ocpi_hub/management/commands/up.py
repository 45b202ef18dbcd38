"""`manage.py up`: everything the hub needs on one machine, in the foreground."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ocpi_hub.embedded import EmbeddedError, PostgreSQL, Redis
from ocpi_hub.processes import NotReady, Service
from ocpi_hub.server import port_problem
from ocpi_hub.supervisor import AlreadyRunning, Supervisor, lock


class Command(BaseCommand):
    help = "Runs the hub on this machine: PostgreSQL and Redis unless they are set, web, worker and beat."
    # The checks need a database, which only starts here; `migrate` runs them all.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            held = lock(settings.HUB_VAR)
        except (AlreadyRunning, OSError) as error:
            raise CommandError(str(error)) from None
        with held:
            if problem := port_problem(settings.HUB_HOST, settings.HUB_PORT):
                raise CommandError(problem)
            try:
                code = Supervisor(stages()).run()
            except (EmbeddedError, NotReady) as error:
                raise CommandError(str(error)) from None
        sys.exit(code)


def stages() -> list[list[Callable[[], Service]]]:
    var: Path = settings.HUB_VAR
    data: list[list[Callable[[], Service]]] = []
    if settings.EMBEDDED_POSTGRESQL:
        data.append([PostgreSQL(var).service])
    if settings.EMBEDDED_REDIS:
        data.append([Redis(var).service])
    return [*data, [migrate], [web], [worker, beat]]


def migrate() -> Service:
    return python("migrate", "manage", "migrate", "--noinput", once=True)


def web() -> Service:
    return python("web", "ocpi_hub.server", ready=web_answers)


def worker() -> Service:
    threads = str(settings.HUB_WORKER_THREADS)
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return python(
        "worker",
        "celery",
        *("-A", "ocpi_hub", "worker", "-P", "threads", "-c", threads, *quiet, "--loglevel", "INFO"),
    )


def beat() -> Service:
    scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    # No pid file: the supervisor knows its children, and a stale file would keep beat from starting.
    return python("beat", "celery", "-A", "ocpi_hub", "beat", "--scheduler", scheduler, "--pidfile=")


def python(name: str, module: str, *arguments: str, **options: Any) -> Service:
    return Service(
        name=name,
        argv=[sys.executable, "-m", module, *arguments],
        log=settings.HUB_VAR / "log" / f"{name}.log",
        # The children start in the project's folder, where a relative HUB_VAR could mean another place.
        env={**os.environ, "HUB_VAR": str(settings.HUB_VAR), "PYTHONUNBUFFERED": "1"},
        cwd=settings.BASE_DIR,
        **options,
    )


def web_answers() -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.HUB_HOST, settings.HUB_HOST)  # noqa: S104
    try:
        socket.create_connection((host, settings.HUB_PORT), timeout=1).close()
    except OSError:
        return False
    return True
