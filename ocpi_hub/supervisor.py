"""Runs the processes of one machine for `manage.py up`, and brings back what dies."""

import fcntl
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from ocpi_hub.embedded import EmbeddedError, unusable
from ocpi_hub.processes import (
    NotReady,
    Service,
    adopt_orphans,
    ending,
    kill_group,
    kill_orphans,
    nothing,
    rotate,
)

GRACE = 35.0
START_SECONDS = 120.0
BACK_OFF = (0.2, 0.5, 2.0, 5.0, 10.0, 30.0)
QUICK_DEATH = 10.0  # who lived longer than so many seconds starts again with the first pause
HOUSEKEEPING = 30.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class AlreadyRunning(Exception):
    """Another supervisor has this HUB_VAR."""


class Stopped(Exception):
    """A signal asked us to stop while something was starting."""


@dataclass
class Child:
    service: Service
    process: "subprocess.Popen[bytes]"
    started: float
    quick_deaths: int = 0
    due: float | None = None  # when it starts again, if it is dead

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Supervisor:
    """Starts the stages one after the other, each when the one before is ready, and stops them in reverse."""

    def __init__(
        self, stages: Sequence[Sequence[Callable[[], Service]]], welcome: Callable[[], None] = nothing
    ) -> None:
        self.stages = stages
        self.welcome = welcome
        self.running: list[list[Child]] = []
        self.signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.hurry = False

    def run(self) -> int:
        """Returns when everything has ended; 0 when that was asked for."""
        adopt_orphans()
        self.listen()
        try:
            for stage in self.stages:
                self.start(stage)
            say("everything runs; Ctrl-C stops it")
            self.welcome()
            while True:
                self.pause(self.until_due())
                self.look_after()
        except Stopped:
            return 0
        except NotReady as problem:
            say(str(problem))
            return 1
        finally:
            self.stop()

    def listen(self) -> None:
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            # Whoever starts us with nohup wants HUP to stay ignored. (A shell script ignores INT for what it
            # starts in the background; sent by name it still means us.)
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                # Putting into a SimpleQueue is safe in a signal handler, whatever was interrupted.
                signal.signal(number, lambda caught, _: self.signals.put(caught))

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until a child ends; raises when we are asked to stop."""
        with suppress(queue.Empty):
            number = self.signals.get(timeout=seconds)
            if number in STOP_SIGNALS:
                say(f"stopping ({signal.Signals(number).name})")
                raise Stopped

    def start(self, stage: Sequence[Callable[[], Service]]) -> None:
        children: list[Child] = []
        self.running.append(children)
        for make in stage:
            service = make()
            if service.once:
                self.complete(service)
            else:
                children.append(Child(service, *self.spawn(service)))
        for child in children:
            child.service.wait_ready(child.process, START_SECONDS, self.pause)

    def complete(self, service: Service) -> None:
        process = service.spawn()
        try:
            while process.poll() is None:
                self.pause(HOUSEKEEPING)
        finally:
            kill_group(process)
        if process.wait():
            raise NotReady(f"{service.name} {ending(process.returncode)}. {service.last_words()}")
        say(f"{service.name:<10} done")

    def spawn(self, service: Service) -> "tuple[subprocess.Popen[bytes], float]":
        process = service.spawn()
        say(f"{service.name:<10} started (process {process.pid})")
        return process, time.monotonic()

    def until_due(self) -> float:
        """How long nothing needs us, unless a child ends."""
        dues = [child.due for child in self.children() if child.due is not None]
        return max(0.0, min([time.monotonic() + HOUSEKEEPING, *dues]) - time.monotonic())

    def children(self) -> list[Child]:
        return [child for stage in self.running for child in stage]

    def look_after(self) -> None:
        for child in self.children():
            rotate(child.service.log)
            if child.due is None and not child.alive:
                self.bury(child)
            if child.due is not None and child.due <= time.monotonic():
                self.respawn(child)

    def bury(self, child: Child) -> None:
        """Nothing of the dead child may run beside the next one, so its whole group goes."""
        kill_group(child.process)
        lived = time.monotonic() - child.started
        child.quick_deaths = child.quick_deaths + 1 if lived < QUICK_DEATH else 0
        wait = BACK_OFF[min(child.quick_deaths, len(BACK_OFF) - 1)]
        child.due = time.monotonic() + wait
        how = f"{ending(child.process.returncode)} after {lived:.0f} s"
        say(f"{child.service.name:<10} {how}; starts again in {wait:g} s")
        if child.process.returncode > 0:
            show(child.service.tail(10 if child.quick_deaths > 1 else 1))

    def respawn(self, child: Child) -> None:
        if self.orphans():
            child.due = time.monotonic() + 0.1
            return
        try:
            child.process, child.started = self.spawn(child.service)
            child.due = None
        except (NotReady, EmbeddedError, OSError) as problem:
            say(f"{child.service.name:<10} cannot start: {problem}")
            child.due = time.monotonic() + BACK_OFF[-1]

    def orphans(self) -> set[int]:
        """PostgreSQL's backends outlive a killed postmaster, and their shared memory bars the next one."""
        return kill_orphans({child.process.pid for child in self.children()})

    def stop(self) -> None:
        for stage in reversed(self.running):
            self.hurry = False
            deadline = time.monotonic() + GRACE
            living = [child for child in reversed(stage) if child.alive]
            for child in living:
                child.process.send_signal(child.service.stop_signal)
            for child in living:
                self.see_off(child, deadline)
        deadline = time.monotonic() + GRACE
        while self.orphans() and time.monotonic() < deadline:
            time.sleep(0.05)

    def see_off(self, child: Child, deadline: float) -> None:
        while child.alive and time.monotonic() < deadline and not self.hurry:
            with suppress(queue.Empty):
                # Who asks a second time does not want to wait.
                self.hurry = self.signals.get(timeout=0.2) in STOP_SIGNALS
        if child.alive:
            say(f"{child.service.name:<10} did not end in time and is killed")
        kill_group(child.process)
        child.process.wait()
        say(f"{child.service.name:<10} {ending(child.process.returncode)}")


def say(text: str) -> None:
    # The terminal may be gone; that must not keep us from stopping what we started.
    with suppress(OSError):
        sys.stdout.write(f"{datetime.now():%H:%M:%S} {text}\n")  # noqa: DTZ005 - the operator's own clock
        sys.stdout.flush()


def show(lines: Sequence[str]) -> None:
    for line in lines:
        say(f"           | {line}")


def lock(var: Path) -> IO[str]:
    """Holds HUB_VAR as long as the file is open; the kernel lets go of it however we end."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        file = (var / "up.lock").open("a+")
    except OSError as error:
        raise EmbeddedError(unusable(var, error)) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(
            f"A hub already runs on {var} (process {owner}): stop it first, or choose another HUB_VAR"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
