"""What the processes of the hub count for Prometheus; how things stand is read where they stand (scrape.py).

Each process counts in its own memory and every few seconds writes its figures into a file of the folder of all of them
(HUB_VAR/metrics), so that whichever web process is asked answers for every one. Files mapped into memory, as
prometheus_client has them, would be current at once, and would end the process when the disk is full. The figures of
a process that has ended are added to those of the ended ones: a counter never falls while the hub runs.
"""

import atexit
import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric

logger = logging.getLogger(__name__)

WRITE_EVERY = 5.0  # seconds; Prometheus comes every fifteen or less often
ENDED = "ended.json"  # the figures of processes that are no more

registry = CollectorRegistry()

# A partner is named by its number, which stays, and by its name, which people read.
PARTNER = ("platform", "partner")
PAUSES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

requests = Counter(
    "hub_requests",
    "Requests that the hub answered, by HTTP status and OCPI status code.",
    ("module", "method", "status", "ocpi_status"),
    registry=registry,
)
request_duration = Histogram(
    "hub_request_duration_seconds",
    "How long the hub took to answer a request, the wait for a partner included.",
    ("module",),
    buckets=PAUSES,
    registry=registry,
)
attempts = Counter(
    "hub_delivery_attempts",
    "Tries of deliveries: delivered, refused (for good), temporary (tried again), gone (nothing to send any more).",
    (*PARTNER, "module", "result"),
    registry=registry,
)
attempt_duration = Histogram(
    "hub_delivery_attempt_duration_seconds",
    "How long a partner took to answer a delivery.",
    PARTNER,
    buckets=PAUSES,
    registry=registry,
)
relays = Counter(
    "hub_relays",
    "Requests for another party: answered, unanswered, unusable (an answer that cannot go back), full (no place or"
    " an open breaker, told 4003 at once).",
    (*PARTNER, "module", "result"),
    registry=registry,
)
relay_duration = Histogram(
    "hub_relay_duration_seconds",
    "How long a receiver took to answer a relayed request, or the hub waited in vain.",
    PARTNER,
    buckets=PAUSES,
    registry=registry,
)
relay_breaker_openings = Counter(
    "hub_relay_breaker_openings",
    "How often a web process stopped relaying to a partner that left requests unanswered.",
    PARTNER,
    registry=registry,
)
pulls = Counter(
    "hub_pulls",
    "Runs through partners' lists: done, failed, or waiting because the partner asked to be called later.",
    (*PARTNER, "module", "result"),
    registry=registry,
)
dropped_rows = Counter(
    "hub_background_rows_dropped",
    "Rows that tell of the work (error reports, the journal) and could not be written in time.",
    ("writer",),
    registry=registry,
)
left_out_bodies = Counter(
    "hub_journal_bodies_left_out",
    "Bodies that the journal did not keep, because their platform's were above HUB_JOURNAL_MB in a minute.",
    ("platform",),
    registry=registry,
)

# An app adds what it reads from PostgreSQL in AppConfig.ready(): Metric families, by a few indexed queries.
states: list[Callable[[], Iterable[Metric]]] = []

Key = tuple[str, str, tuple[tuple[str, str], ...]]  # metric, sample, labels
Figures = dict[Key, float]


def figures() -> Figures:
    """What this process has counted."""
    return {
        (metric.name, sample.name, tuple(sample.labels.items())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def gauge(name: str, text: str, rows: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A gauge and its values, each with its labels."""
    family = Metric(name, text, "gauge")
    for labels, value in rows:
        family.add_sample(name, labels, float(value))
    return family


def summed(*parts: Figures) -> Figures:
    sums: Figures = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0.0) + value
    return sums


class Everybody:
    """A collector: the sums over all processes of this folder, or of this process where there is no folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterator[Metric]:
        sums = summed(figures(), *self._others())
        for metric in registry.collect():
            metric.samples = []
            for (name, sample, labels), value in sums.items():
                if name == metric.name:
                    metric.add_sample(sample, dict(labels), value)
            yield metric

    def _others(self) -> list[Figures]:
        mine = _writing.file.name if _writing else ""
        if not self.folder.is_dir():
            return []
        with _locked(self.folder, fcntl.LOCK_SH):
            return [_read(file) for file in sorted(self.folder.glob("*.json")) if file.name != mine]


# --------------------------------------------------------------------------------------------------- the files
class _Writing:
    """The figures of this process in their file. It is locked as long as the process lives, however it ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = folder / f"{secrets.token_hex(8)}.json"
        with _locked(
            folder, fcntl.LOCK_EX
        ):  # or it could be taken for that of a dead one before it is locked
            self.sign_of_life = os.open(_sign_of_life(self.file), os.O_WRONLY | os.O_CREAT, 0o600)
            fcntl.flock(self.sign_of_life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.owner = os.getpid()
        self.failed = False

    def run(self) -> None:
        pause = threading.Event()
        while not pause.wait(WRITE_EVERY):
            self.write()

    def write(self) -> None:
        """What cannot be written is counted on, and written once it can be."""
        try:
            _write(self.file, figures())
            self.failed = False
        except OSError as error:
            if not self.failed:
                logger.warning("the figures for /metrics cannot be written: %s", error.strerror)
            self.failed = True


_writing: _Writing | None = None


def publish(folder: Path) -> None:
    """Have this process's figures in every answer, from now on; for a process that serves, works or beats."""
    global _writing  # one for each process
    if _writing and _writing.owner == os.getpid():
        return
    try:
        _writing = _Writing(folder)
        bury(folder)
    except OSError as error:
        logger.warning("the figures of this process are missing in /metrics: %s", error)
        return
    threading.Thread(target=_writing.run, name="metrics", daemon=True).start()
    atexit.register(_writing.write)


def bury(folder: Path) -> None:
    """Add what processes that have ended counted to one file, so that a thousand restarts make no thousand files."""
    with _locked(folder, fcntl.LOCK_EX):
        for file in folder.glob("*.json"):
            if file.name == ENDED or _lives(file):
                continue
            _write(folder / ENDED, summed(_read(folder / ENDED), _read(file)))
            file.unlink()
        for sign in folder.glob("*.json-lives"):  # of those that never came to write as well
            file = sign.with_suffix(".json")
            if not file.exists() and not _lives(file):
                file.with_suffix(".json-new").unlink(missing_ok=True)
                sign.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Begin at nought: for whoever starts all processes anew."""
    for file in folder.glob("*.json*") if folder.is_dir() else ():
        file.unlink(missing_ok=True)


def _sign_of_life(file: Path) -> Path:
    return file.with_suffix(".json-lives")


def _lives(file: Path) -> bool:
    with suppress(FileNotFoundError), _sign_of_life(file).open() as sign:
        try:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _read(file: Path) -> Figures:
    """None of a file that is gone, or that a power cut left half written."""
    try:
        rows = msgspec.json.decode(file.read_bytes(), type=list[tuple[Key, float]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("the figures in %s cannot be read: %s", file.name, error)
        return {}
    return dict(rows)


def _write(file: Path, counted: Figures) -> None:
    """Whole or not at all."""
    new = file.with_suffix(".json-new")
    new.write_bytes(msgspec.json.encode(list(counted.items())))
    new.replace(file)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[IO[str]]:
    """While figures move from one file to the other, nobody reads them twice or not at all."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, how)
        yield lock
