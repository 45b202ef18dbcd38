"""PUT Session through the full stack, beside a bare view that checks and upserts, and the usual nested serializer.

The full stack: authentication, routing, validation, store and outbox, while the worker delivers to the providers.
What is still to be delivered after a round is waited for, so that the worker takes nothing from the other side.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks import documents, load
from benchmarks.figures import Figure, at_least, compared, side_by_side
from benchmarks.hub import Hub, Registered
from benchmarks.load import Request
from benchmarks.processes import ROOT, BadRun, environment, free_port, serving
from benchmarks.relay import CONNECTIONS, partners
from ocpi_hub.embedded import socket_folder

NAME = "sessions"
SESSIONS = 200  # of each operator; each is created once and then updated


def measure(quick: bool) -> list[Figure]:
    seconds, rounds = (1.0, 1) if quick else (6.0, 5)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        port, rival = free_port(), free_port()
        stack.enter_context(serving("receiver", port, hub.folder, "benchmarks.receiver", str(port)))
        stack.enter_context(rivals(hub, rival))
        operators, providers = partners(hub, f"http://127.0.0.1:{port}")
        pushes = [pushing(one, to) for one, to in zip(operators, providers, strict=True)]

        def through_the_hub() -> float:
            pushed = load.run(hub.port, pushes, seconds, connections=CONNECTIONS).per_second
            hub.settle()
            return pushed

        def by(name: str) -> float:
            streams = [[at(name, request) for request in stream] for stream in pushes]
            return load.run(rival, streams, seconds, connections=CONNECTIONS).per_second

        through_the_hub(), by("bare"), by("framework")  # the first round creates, all others update
        bare = side_by_side(through_the_hub, lambda: by("bare"), rounds)
        framework = side_by_side(through_the_hub, lambda: by("framework"), rounds)
        with paused(hub.pid("worker")):
            alone = side_by_side(
                lambda: load.run(hub.port, pushes, seconds, connections=CONNECTIONS).per_second,
                lambda: by("bare"),
                rounds,
            )
        note = f"{CONNECTIONS} connections; the worker delivers meanwhile on the same machine"
        unit = "requests/s"
        return [
            compared("PUT Session", unit, "bare view: Struct and upsert", bare, at_least(0.5), note),
            compared(
                "PUT Session", unit, "nested serializer, update_or_create", framework, at_least(4), note
            ),
            compared("PUT Session, worker paused", unit, "bare view: Struct and upsert", alone),
        ]


def pushing(operator: Registered, provider: Registered) -> list[Request]:
    country_code, party_id = operator.parties[0].split("-")[:2]
    path = f"/ocpi/2.2.1/receiver/sessions/{country_code}/{party_id}/"
    named = provider.parties[0].rpartition("-")[0], operator.parties[0].rpartition("-")[0]
    return [
        Request("PUT", f"{path}S{n:08d}", operator.headers(), documents.session(n, load.NOW, *named))
        for n in range(SESSIONS)
    ]


def at(name: str, request: Request) -> Request:
    return Request(
        request.method, f"/{name}{request.path.removeprefix('/ocpi/2.2.1/receiver')}", body=request.body
    )


@contextmanager
def rivals(hub: Hub, port: int) -> Iterator[None]:
    """Their Django, with a database of its own on the hub's PostgreSQL server."""
    hub.sql("CREATE DATABASE rivals")
    env = environment(
        DJANGO_SETTINGS_MODULE="benchmarks.rivals.settings", RIVALS_HOST=str(socket_folder(hub.var))
    )
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadRun(f"the rivals have no tables: {done.stderr[-2000:]}")
    server = ("benchmarks.rivals.server", "benchmarks.rivals.wsgi:application", str(port))
    with serving("rivals", port, hub.folder, *server, env=env):
        yield


@contextmanager
def paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
