"""PUT Session through the full stack, beside a bare view that checks and upserts, and the usual nested serializer.

The full stack: authentication, routing, validation, store and outbox; once with the worker at rest, and once while it
delivers to the providers on the same machine. What is still to be delivered after such a round is waited for, so that
the worker takes nothing from the other side.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks import documents, load
from benchmarks.figures import Figure, at_least, compared, side_by_side
from benchmarks.hub import Hub, Registered
from benchmarks.load import Request, Side, cpu_of
from benchmarks.processes import ROOT, BadRun, environment, free_port, serving
from benchmarks.relay import partners
from ocpi_hub.embedded import socket_folder
from ocpi_hub.processes import children

NAME = "sessions"
SESSIONS = 200  # of each operator; each is created once and then updated


def measure(quick: bool) -> list[Figure]:
    seconds, rounds = (1.0, 1) if quick else (6.0, 5)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        port, rival = free_port(), free_port()
        stack.enter_context(serving("receiver", port, hub.folder, "benchmarks.receiver", str(port)))
        other = Side(rival, stack.enter_context(rivals(hub, rival)))
        full = Side(hub.port, hub.web)
        operators, providers = partners(hub, f"http://127.0.0.1:{port}")
        pushes = [pushing(one, to) for one, to in zip(operators, providers, strict=True)]

        same = {
            name: [[at(name, one) for one in stream] for stream in pushes] for name in ("bare", "framework")
        }

        def through_the_hub() -> float:
            pushed = full.run(pushes, seconds)
            hub.settle()
            return pushed

        # The first round creates, all others update.
        through_the_hub(), other.run(same["bare"], seconds), other.run(same["framework"], seconds)
        delivering = beside(through_the_hub, full, other, same, seconds, rounds)
        with paused(hub.pid("worker")):
            alone = beside(partial(full.run, pushes, seconds), full, other, same, seconds, rounds)
        return [
            *(figure._replace(name="PUT Session, worker paused") for figure in alone),
            *(
                figure._replace(note=f"{figure.note}; the worker delivers meanwhile on the same machine")
                for figure in delivering
            ),
        ]


def beside(
    through_the_hub: Callable[[], float],
    full: Side,
    other: Side,
    same: dict[str, list[list[Request]]],
    seconds: float,
    rounds: int,
) -> list[Figure]:
    """The hub in turn with each of the two rivals."""
    figures = []
    for name, against, target in (
        ("bare", "bare view: Struct and upsert", at_least(0.5)),
        ("framework", "nested serializer, update_or_create", at_least(4)),
    ):
        full.begin_anew()
        other.begin_anew()
        sides = side_by_side(through_the_hub, partial(other.run, same[name], seconds), rounds)
        figures.append(compared("PUT Session", "requests/s", against, sides, target, cpu_of(full, other)))
    return figures


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
def rivals(hub: Hub, port: int) -> Iterator[int]:
    """The process of their Django, with a database of its own on the hub's PostgreSQL server."""
    hub.sql("CREATE DATABASE rivals")
    env = environment(
        DJANGO_SETTINGS_MODULE="benchmarks.rivals.settings", RIVALS_HOST=str(socket_folder(hub.var))
    )
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadRun(f"the rivals have no tables: {done.stderr[-2000:]}")
    server = ("benchmarks.rivals.server", "benchmarks.rivals.wsgi:application", str(port))
    with serving("rivals", port, hub.folder, *server, env=env) as process:
        yield max(children(process.pid))


@contextmanager
def paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
