"""Kills what `manage.py up` runs, by chance and without warning; the supervisor brings it back."""

import os
import random
import signal
import sys
import time
from collections import Counter
from typing import Self

from tests.journeys.hub import CHILDREN, Hub
from tests.journeys.processes import Process

WORKER = (
    "celery",
    "-A",
    "ocpi_hub",
    "worker",
    "-P",
    "threads",
    "-c",
    "8",
    "--without-gossip",
    "--without-mingle",
)


class Killer:
    def __init__(self, hub: Hub, seed: object) -> None:
        self.hub, self.chance = hub, random.Random(f"{seed}/kills")
        self.kills: Counter[str] = Counter()

    def kill(self) -> str:
        """One of the hub's processes, alone or with its whole group."""
        living = [name for name in CHILDREN if is_alive(self.hub.pid(name))]
        if not living:
            return ""
        name = self.chance.choice(living)
        how = self.chance.choice((os.kill, os.killpg))
        how(self.hub.pid(name), signal.SIGKILL)
        self.kills[name] += 1
        return name


class SecondWorker:
    """A worker beside the supervisor's, as on another machine, which stops for longer than its claims live."""

    def __init__(self, hub: Hub) -> None:
        argv = [sys.executable, "-m", *WORKER]
        self.process = Process("second worker", argv, hub.env, hub.folder / "second.log")
        self.stops = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It is nobody's child but ours: the hub that it works for leaves it behind."""
        self.process.kill()

    def stop_for(self, seconds: float) -> None:
        self.stops += 1
        os.kill(self.process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.process.pid, signal.SIGCONT)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
