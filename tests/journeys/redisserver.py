"""A Redis that belongs to a story, which lets it go away, fall silent and come back."""

import os
import signal
from pathlib import Path

from ocpi_hub.embedded import redis_server
from tests.journeys.processes import Process, clean_environment


class Redis:
    """A Redis that belongs to the story, not to the hub's supervisor."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "redis.sock"
        self.url = f"unix://{self.socket}"

    def start(self) -> None:
        settings = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder))
        argv = (redis_server(), *settings)
        self.process = Process("redis", argv, clean_environment(), self.folder / "redis.log")

    def kill(self) -> None:
        self.process.kill()

    def fall_silent(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)
