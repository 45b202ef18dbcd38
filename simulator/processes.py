"""Child processes of the demo: each a group of its own, none left behind, however the demo ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

GRACE = 40.0  # a little more than the supervisor of the hub gives its own children
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def dying_with(parent: int) -> Callable[[], None]:
    """Run in the child before it starts: TERM when the parent dies, even by kill -9 (Linux)."""

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


class Child:
    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.start_of_log = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dying_with(os.getpid()),
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_words(self, lines: int = 12) -> str:
        with self.log.open("rb") as log:
            log.seek(max(self.start_of_log, self.log.stat().st_size - 8_000))
            return "\n".join(log.read().decode(errors="replace").rstrip().splitlines()[-lines:])

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def stop(children: Sequence[Child], hurry: Callable[[], bool], grace: float = GRACE) -> None:
    """TERM for all, then patience, then KILL; at once when the user is in a hurry."""
    for child in children:
        if child.alive:
            child.process.terminate()
    until = time.monotonic() + grace
    while any(child.alive for child in children) and time.monotonic() < until and not hurry():
        time.sleep(0.05)
    for child in children:
        if child.alive:
            child.kill()
        child.process.wait()


class Signals:
    """The first INT, TERM or HUP ends the story; a second one, while processes end, hurries."""

    def __init__(self) -> None:
        self.count = 0
        self.raising = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.came)

    def came(self, *_: Any) -> None:
        self.count += 1
        if self.raising:
            self.raising = False
            raise KeyboardInterrupt
