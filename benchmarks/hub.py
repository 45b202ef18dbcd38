"""A hub to be measured: `manage.py up` with its own state on its own port, gone afterwards.

    with Hub() as hub:
        cpo, emsp = hub.register([Partner("cpo", url, ("NL-ABC-CPO",)), Partner("emsp", url, ("DE-MSP-EMSP",))])
        …

One web process, one worker, everything else as an operator has it, except what would be measured instead of the
hub: the quota of requests per minute.
"""

import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from benchmarks.processes import ROOT, answer_of, environment, free_port, running, wait_until
from ocpi_hub.embedded import database_url, socket_folder
from ocpi_hub.processes import Service, children
from ocpi_hub.protocol.headers import authorization

NO_QUOTA = 100_000_000  # requests a minute; the load of a measurement comes from few partners


@dataclass(frozen=True)
class Partner:
    """A platform that is to be registered, without a handshake: its endpoints are `url`/sender|receiver/module."""

    name: str
    url: str
    parties: tuple[str, ...]  # such as NL-ABC-CPO
    modules: tuple[str, ...] = ()  # empty: all of the hub's
    roles: tuple[str, ...] = ("SENDER", "RECEIVER")  # of its interfaces
    pull_only: bool = False


@dataclass(frozen=True)
class Registered:
    """A partner of the hub, with the credentials token that the hub knows it by."""

    platform_id: int
    name: str
    token: str
    parties: tuple[str, ...]

    def headers(self, to: str = "") -> dict[str, str]:
        """For a request of its first party, to the hub or to another party such as DE-MSP."""
        country_code, party_id = self.parties[0].split("-")[:2]
        headers = {
            "Authorization": authorization(self.token),
            "OCPI-from-country-code": country_code,
            "OCPI-from-party-id": party_id,
        }
        if to:
            country_code, party_id = to.split("-")[:2]
            headers |= {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id}
        return headers


class Hub:
    """To be entered from the main thread; the environment is added to that of its processes."""

    def __init__(self, **more: str) -> None:
        self.more = more

    # ------------------------------------------------------------------------------------------ processes
    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="ocpi-hub-benchmarks-"))
            stack.callback(self.remove)
            # As root, PostgreSQL runs as `nobody` and must be able to enter.
            self.folder.chmod(0o755)
            self.var, self.port = self.folder / "var", free_port()
            self.url = f"http://127.0.0.1:{self.port}"
            self.env = environment(
                HUB_VAR=str(self.var),
                HUB_PORT=str(self.port),
                HUB_REQUESTS_PER_MINUTE=str(NO_QUOTA),
                **self.more,
            )
            stack.enter_context(running(self.service()))
            self.ends = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.close()

    def service(self) -> Service:
        return Service(
            name="hub",
            argv=[sys.executable, "manage.py", "up"],
            log=self.folder / "up.log",
            env=self.env,
            cwd=ROOT,
            ready=self.is_ready,
            death_signal=signal.SIGTERM,
        )

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(socket_folder(self.var), ignore_errors=True)

    def is_ready(self) -> bool:
        if "everything runs" not in self.said():
            return False
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        log = self.folder / "up.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def log(self, name: str) -> str:
        return (self.var / "log" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The process id of web, worker, beat, postgresql or redis."""
        return int(re.findall(rf"{name} +started \(process (\d+)\)", self.said())[-1])

    @property
    def web(self) -> int:
        """The process that answers requests: a child of the web server's own."""
        return max(children(self.pid("web")))

    # ----------------------------------------------------------------------------------------- operating
    def register(self, partners: Sequence[Partner]) -> list[Registered]:
        """Written as rows, 1,000 in a second or two; the tokens are as real as any."""
        said = answer_of("benchmarks.partners", [asdict(partner) for partner in partners], env=self.env)
        return [
            Registered(one["platform_id"], partner.name, one["token"], partner.parties)
            for one, partner in zip(said, partners, strict=True)
        ]

    @property
    def database_url(self) -> str:
        return database_url(self.var)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def open_work(self) -> int:
        """What is still under way: messages not yet expanded, and deliveries not yet made."""
        ((waiting, deliveries),) = self.sql(
            "SELECT (SELECT count(*) FROM exchange_message WHERE expanded_at IS NULL),"
            " (SELECT count(*) FROM exchange_delivery WHERE state IN ('PENDING', 'SENDING'))"
        )
        return int(waiting + deliveries)

    def settle(self, timeout: float = 300) -> float:
        """Waits until nothing is under way any more; how many seconds that took."""
        began = time.monotonic()
        wait_until(lambda: self.open_work() == 0, timeout, "nothing is under way any more")
        return time.monotonic() - began
