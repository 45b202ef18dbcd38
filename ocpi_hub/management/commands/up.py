"""`manage.py up`: everything the hub needs on one machine, in the foreground."""

import os
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import ERROR, CheckMessage, run_checks
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ocpi_hub import metrics
from ocpi_hub.embedded import EmbeddedError, PostgreSQL, Redis
from ocpi_hub.processes import NotReady, Service
from ocpi_hub.server import port_problem
from ocpi_hub.supervisor import AlreadyRunning, Supervisor, lock, say


class Command(BaseCommand):
    help = "Runs the hub on this machine: PostgreSQL and Redis unless they are set, web, worker and beat."
    # We tell in our own lines what is wrong with the settings; `migrate` checks the database.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        look_at_settings()
        try:
            held = lock(settings.HUB_VAR)
        except (AlreadyRunning, EmbeddedError) as error:
            raise CommandError(str(error)) from None
        with held:
            if problem := port_problem(settings.HUB_HOST, settings.HUB_PORT):
                raise CommandError(problem)
            look_for_redis()
            metrics.clear(settings.HUB_METRICS_FOLDER)
            try:
                code = Supervisor(stages(), welcome).run()
            except (EmbeddedError, NotReady) as error:
                raise CommandError(str(error)) from None
        sys.exit(code)


def look_at_settings() -> None:
    """Before anything starts: warnings are told, errors end the command."""
    found = [message for message in run_checks() if not message.is_silenced()]
    errors = [line(message) for message in found if message.is_serious(ERROR)]
    for message in found:
        if not message.is_serious(ERROR):
            say(f"warning: {line(message)}")
    if errors:
        raise CommandError("\n  ".join(errors if len(errors) == 1 else ["The settings are wrong:", *errors]))


def line(message: CheckMessage) -> str:
    return " ".join(f"{message.msg.rstrip('.')}. {message.hint or ''}".split())


def look_for_redis() -> None:
    """PostgreSQL is the truth and Redis only the doorbell, so that the hub runs without it, but slower."""
    if settings.EMBEDDED_REDIS:
        return
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        try:
            client.ping()
        except redis.RedisError:
            place = client.connection_pool.connection_kwargs
            where = place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}"
            say(
                f"warning: Redis at {where} does not answer; pushes are delivered by the sweep meanwhile, a few"
                " seconds later"
            )


def welcome() -> None:
    """The first thing to do when everything runs."""
    say(f"The admin: {settings.HUB_BASE_URL}/admin/")
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        say(f"No admin user yet: make one with {manage('createsuperuser')}")
    connection.close()


def manage(command: str) -> str:
    """As it is to be typed in the project's folder, for the same HUB_VAR."""
    program = Path(sys.executable)
    if program.is_relative_to(settings.BASE_DIR):
        program = program.relative_to(settings.BASE_DIR)
    var = f"HUB_VAR={shlex.quote(str(settings.HUB_VAR))} " if os.environ.get("HUB_VAR") else ""
    return f"{var}{shlex.quote(str(program))} manage.py {command}"


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
        *("-q", "-A", "ocpi_hub", "worker", "-P", "threads", "-c", threads, *quiet),
    )


def beat() -> Service:
    scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    # No pid file: the supervisor knows its children, and a stale file would keep beat from starting.
    return python("beat", "celery", "-q", "-A", "ocpi_hub", "beat", "--scheduler", scheduler, "--pidfile=")


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
