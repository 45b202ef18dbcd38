"""Starting real processes for tests, waiting for what they do, and seeing that they are gone."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from ocpi_hub.processes import dying_with

ROOT = Path(__file__).resolve().parent.parent.parent


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Polls, and fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.02)
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(argv: Sequence[str], out: IO[bytes] | None = None, **environment: str) -> "subprocess.Popen[bytes]":
    """A child in a group of its own that dies with the tests; the tests' services are not passed on."""
    ours = ("DATABASE_URL", "REDIS_URL", "HUB_VAR", "HUB_PORT", "SECRET_KEY", "HUB_KEYS", "HUB_DB_POOL")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.Popen(
        list(argv),
        cwd=ROOT,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT if out else None,
        process_group=0,
        preexec_fn=dying_with(os.getpid(), 9),
    )


def alive(pid: int) -> bool:
    """A zombie is not alive; it only waits for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def with_argument(text: str) -> set[int]:
    """The living processes that have the text in their command line or their environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in words and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    return found
