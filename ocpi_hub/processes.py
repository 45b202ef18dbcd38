"""Child processes that never outlive who started them (Linux; elsewhere without the kernel's help)."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOG_LIMIT = 10_000_000

# Loaded before any fork: a child between fork and exec must not import or open libraries.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class NotReady(Exception):
    """A service ended or stayed silent instead of becoming ready; the message shows what it said last."""


def identity(pid: int) -> str:
    """What a living process of this machine is known by, equal for no other one; empty when there is none."""
    try:
        state, *more = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{pid}:{more[18]}"


def machine() -> str:
    """Where the numbers of processes mean the same ones: the machine since it was started, or a container of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:
        return ""


def nothing() -> None:
    """Prepares nothing."""


def always() -> bool:
    """Is ready as soon as it runs."""
    return True


@dataclass
class Service:
    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    user: tuple[int, int] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    # Our own processes and Redis are safe to kill at any moment, so nothing lingers when we vanish.
    death_signal: signal.Signals = signal.SIGKILL
    once: bool = False  # is done when it has ended with code 0
    prepare: Callable[[], None] = field(default=nothing)
    ready: Callable[[], bool] = field(default=always)
    begins: int = field(default=0, init=False)  # where in the log the present process began

    def spawn(self) -> "subprocess.Popen[bytes]":
        """A foreground child in its own process group, writing to its log; call it from the main thread,
        because the kernel sends the parent-death signal when the starting *thread* ends."""
        self.prepare()
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        rotate(self.log)
        self.begins = self.log.stat().st_size if self.log.exists() else 0
        uid, gid = self.user or (None, None)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                list(self.argv),
                env=None if self.env is None else dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                process_group=0,
                preexec_fn=dying_with(os.getpid(), self.death_signal),
            )

    def wait_ready(
        self,
        process: "subprocess.Popen[bytes]",
        timeout: float,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Waits until the service answers; `pause` may raise to give up earlier."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            if process.poll() is not None:
                raise NotReady(
                    f"{self.name} {ending(process.returncode)} while starting. {self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready after {timeout:.0f} s. {self.last_words()}")
            pause(0.05)

    def last_words(self, lines: int = 10) -> str:
        said = self.tail(lines)
        return (
            "\n  ".join([f"Its last lines ({self.log}):", *said]) if said else f"It said nothing ({self.log})"
        )

    def tail(self, lines: int) -> list[str]:
        """The last lines of the present process, none of an earlier one."""
        return tail(self.log, lines, self.begins)


def dying_with(parent: int, death_signal: int) -> Callable[[], None]:
    """What a child runs before exec so that the kernel ends it when its parent ends, however that happens."""

    def bind() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            # The parent may have died before the line above; then no signal would ever come.
            if os.getppid() != parent:
                os._exit(1)

    return bind


def adopt_orphans() -> None:
    """Makes us the parent of grandchildren whose parent dies, so that `children` finds them."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(parent: int | None = None) -> set[int]:
    """The direct children of a process, zombies included."""
    wanted = str(parent or os.getpid())
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything, so the fields are counted from the last bracket.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == wanted:
            found.add(int(stat.parent.name))
    return found


def kill_group(process: "subprocess.Popen[bytes]", number: int = signal.SIGKILL) -> None:
    """Signals the child's whole process group, also after the child itself is gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # The group is empty, or (on some systems) holds only zombies.
        return


def kill_orphans(known: set[int]) -> set[int]:
    """Kills and reaps adopted processes; answers those that still live. PostgreSQL's backends come here
    when their postmaster was killed: each has a session of its own, so that no group signal reaches it."""
    orphans = children() - known
    for pid in sorted(orphans):
        try:
            os.kill(pid, signal.SIGKILL)
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                orphans.discard(pid)
        except (ProcessLookupError, ChildProcessError):
            orphans.discard(pid)
    return orphans


def ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with code {returncode}"
    return f"was ended by {signal.Signals(-returncode).name}"


def rotate(log: Path, limit: int = LOG_LIMIT) -> None:
    """Keeps one older log. The file is emptied in place because a running child goes on appending to it."""
    if log.exists() and log.stat().st_size > limit:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)


def tail(log: Path, lines: int, begins: int = 0) -> list[str]:
    if not log.exists():
        return []
    size = log.stat().st_size
    with log.open("rb") as file:
        # A log that is shorter now was emptied meanwhile.
        file.seek(max(begins if begins <= size else 0, size - 500 * lines))
        return file.read().decode(errors="replace").splitlines()[-lines:]
