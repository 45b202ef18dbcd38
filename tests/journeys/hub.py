"""A hub as its operator runs it (`manage.py up`), and platforms that are registered with it."""

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg

from ocpi_hub.embedded import database_url
from simulator import ocpi
from simulator.ocpi import Party
from tests.journeys.processes import Process, clean_environment, free_port, mentioning, run, wait_until

CHILDREN = ("postgresql", "redis", "web", "worker", "beat")


class Hub:
    """`manage.py up` on a folder of its own. Calls are made with `http`, OCPI calls by its partners."""

    def __init__(self, folder: Path, port: int | None = None, **environment: str) -> None:
        self.folder, self.var = folder, folder / "var"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = clean_environment(
            HUB_VAR=str(self.var),
            HUB_PORT=str(self.port),
            **{"HUB_RETRY_SCHEDULE": "1,1,2,2,2,2,2,2,2,2", "HUB_PULL_JITTER": "0", **environment},
        )
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=20)
        self.partners: list[Simulated] = []

    # ------------------------------------------------------------------------------------------ processes
    def start(self) -> "Hub":
        log = self.folder / "up.log"
        log.touch()
        self.told_before = log.stat().st_size
        self.process = Process("hub", [sys.executable, "manage.py", "up"], self.env, log)
        wait_until(lambda: "everything runs" in self.said() or not self.process.alive, 90, "everything runs")
        assert self.process.alive, self.said()
        wait_until(self.ready, 20, "the hub is ready")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        return self.process.stop(number)

    def end(self) -> None:
        """Nothing of it stays: partners, processes, connections."""
        self.end_partners()
        self.process.kill()
        self.http.close()

    def end_partners(self) -> None:
        while self.partners:
            self.partners.pop().end()

    def said(self) -> str:
        """What `manage.py up` printed since it was started last."""
        return (self.folder / "up.log").read_bytes()[self.told_before :].decode()

    def log(self, name: str) -> str:
        return (self.var / "log" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The process id that a child has now."""
        return int(re.findall(rf"{name} +started \(process (\d+)\)", self.said())[-1])

    def ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def processes(self) -> dict[int, str]:
        return mentioning(self.var)

    # ----------------------------------------------------------------------------------------- operating
    def manage(self, *arguments: str, timeout: float = 60, **environment: str) -> str:
        """The output of a management command that succeeds."""
        done = run("manage.py", *arguments, env={**self.env, **environment}, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str, **environment: str) -> str:
        """What a management command says that fails as an operator expects it: code 1, one line."""
        done = run("manage.py", *arguments, env={**self.env, **environment})
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        return lines[0]

    def invite(self, name: str, *parties: str) -> dict[str, Any]:
        named = [part for party in parties for part in ("--party", party)]
        return dict(json.loads(self.manage("invite", "--name", name, *named)))

    def pull(self, module: str, *more: str) -> dict[str, Any]:
        (report,) = json.loads(self.manage("pull", "--module", module, "--json", *more))
        return dict(report)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_url(self.var), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def open_deliveries(self) -> int:
        """What is still under way: messages not yet expanded, and deliveries not yet made."""
        ((waiting,),) = self.sql("SELECT count(*) FROM exchange_message WHERE expanded_at IS NULL")
        return int(waiting) + len(self.under_way())

    def under_way(self) -> list[tuple[Any, ...]]:
        """The deliveries not yet made; what waits for partners of earlier stories, who are suspended, waits on."""
        return self.sql(
            "SELECT platform_id, status, module, path, state, tries, reason FROM exchange_delivery"
            " JOIN partners_platform ON partners_platform.id = platform_id"
            " WHERE state IN ('PENDING', 'SENDING') AND status <> 'SUSPENDED'"
        )

    def settle(self, timeout: float = 60) -> None:
        try:
            wait_until(lambda: self.open_deliveries() == 0, timeout, "nothing is under way any more")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.under_way()[:10]}") from None

    def has_read_all(self) -> bool:
        """Whether every list that is to be read has been, but for those that their partners fail to show."""
        asked_for = "SELECT count(*) FROM exchange_pullplan WHERE wanted <> '' AND failures < 3"
        return self.sql(asked_for) == [(0,)]

    # ------------------------------------------------------------------------------------------- partners
    def simulated(
        self,
        role: str,
        party: str,
        *options: str,
        hub_starts: bool = False,
        more: tuple[str, ...] = (),
        announce: tuple[str, ...] = (),
    ) -> "Simulated":
        """A simulated platform in its own process, registered by whichever side starts the handshake.

        `more` are further parties that it speaks for; `announce` are other roles than that of an emsp, of each.
        """
        simulated = Simulated(self, role, party, options, announce)
        self.partners.append(simulated)
        if hub_starts:
            simulated.start("--wait-for-hub")
            invitation = wait_until(simulated.invitation, 20, "the simulator prints its invitation")
            flags = ("--name", party, "--party", *simulated.named(party))
            url, token = invitation["versions_url"], invitation["token"]
            said = json.loads(self.manage("register", *flags, "--versions-url", url, "--token", token))
        else:
            said = self.invite(party, *simulated.named(party, *more))
            simulated.start("--hub-versions-url", said["versions_url"], "--token", said["token"])
        simulated.platform_id = said["platform_id"]
        wait_until(simulated.registered, 30, f"{party} is registered")
        return simulated


class Simulated:
    """`python -m simulator` and its control endpoints; `call` speaks to the hub with its credentials."""

    platform_id: int

    def __init__(
        self, hub: Hub, role: str, party: str, options: tuple[str, ...], announce: tuple[str, ...] = ()
    ) -> None:
        self.hub, self.role, self.party = hub, role, Party.parse(party)
        self.options = (*options, *(part for one in announce for part in ("--announce", one)))
        self.businesses = announce or (role.upper(),)
        self.owns, self.takes = ("locations", "tokens") if role == "cpo" else ("tokens", "locations")
        self.port = free_port()
        self.state = hub.folder / f"{party}-{self.port}.json"
        self.control = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/simulator/", trust_env=False, timeout=60
        )
        self.http = httpx.Client(base_url=f"{hub.url}/ocpi/2.2.1/", trust_env=False, timeout=20)

    def start(self, *more: str) -> None:
        quiet = ("--pull-interval", "0", "--status-interval", "0", "--token-interval", "0")
        self.process = Process(
            f"simulator {self.party}",
            [
                *(sys.executable, "-m", "simulator", self.role, "--port", str(self.port)),
                *("--party", f"{self.party.country_code}-{self.party.party_id}", "--state", str(self.state)),
                *(*quiet, *self.options, *more),
            ],
            clean_environment(),
            self.state.with_suffix(".log"),
        )

    def named(self, *parties: str) -> list[str]:
        """With the role of each, such as DE-MSP-EMSP; the last role is that of all that follow."""
        roles = self.businesses + self.businesses[-1:] * len(parties)
        return [f"{party}-{role}" for party, role in zip(parties, roles, strict=False)]

    def stop(self) -> None:
        self.process.stop()

    def end(self) -> None:
        self.process.kill()
        self.control.close()
        self.http.close()

    def invitation(self) -> dict[str, Any] | None:
        line = self.process.said().partition("\n")[0]
        return json.loads(line) if line.startswith("{") else None

    def registered(self) -> bool:
        assert self.process.alive, self.process.said()
        try:
            return bool(self.status()["registered"])
        except httpx.HTTPError:
            return False

    # -------------------------------------------------------------------------------------- its own side
    def status(self) -> dict[str, Any]:
        return dict(self.control.get("status").json())

    def objects(self, module: str) -> dict[str, Any]:
        """Its own objects or those that it received, by key, every number as it was written."""
        return dict(ocpi.decode(self.control.get(f"objects/{module}").content))

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """What the hub asked of it."""
        return list(self.control.get("requests", params={"since": since}).json())

    def pull(self) -> int:
        answer = self.control.post("pull", content=b"{}", timeout=600)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["received"])

    def misbehave(self, **fault: Any) -> None:
        """In a way that simulator/faults.py knows, until `behave`."""
        answer = self.control.post("faults", json=fault)
        assert answer.status_code == 200, answer.text

    def behave(self) -> None:
        self.misbehave()

    # ------------------------------------------------------------------------------------- towards the hub
    @cached_property
    def token(self) -> str:
        """The credentials token that the hub gave it."""
        # It is registered a moment before it has written that down.
        hub = wait_until(self.remembered_hub, 10, "the token is kept")
        return str(hub["token"])

    def remembered_hub(self) -> dict[str, Any] | None:
        hub: dict[str, Any] | None = (
            json.loads(self.state.read_text()).get("hub") if self.state.exists() else None
        )
        return hub

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Authorization": ocpi.authorization(self.token),
            "Content-Type": "application/json",
            **ocpi.routing(None, self.party),
            **ocpi.message_ids(),
        }

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else None if body is None else ocpi.encode(body)
        return self.http.request(method, path, content=content, headers={**self.headers, **headers})

    def path(self, *segments: str) -> str:
        return "/".join(("receiver", self.owns, *self.party, *segments))

    def push(self, document: dict[str, Any]) -> None:
        """PUT one of its objects; the hub must take it."""
        id_field = "uid" if self.owns == "tokens" else "id"
        accepted(self.call("PUT", self.path(document[id_field]), document))

    def list(self, module: str) -> "list[dict[str, Any]]":
        """The hub's list of a module, by its Link headers."""
        return [item for page in self.pages(f"sender/{module}") for item in page]

    def pages(self, url: str | None) -> "Iterator[list[dict[str, Any]]]":
        while url:
            answer = self.call("GET", url)
            yield accepted(answer)["data"]
            url = ocpi.next_link(answer.headers.get("Link"))


def accepted(answer: httpx.Response) -> dict[str, Any]:
    """The envelope of an answer that says success."""
    envelope = dict(ocpi.decode(answer.content))
    assert (answer.status_code // 100, envelope["status_code"]) == (2, 1000), answer.text
    return envelope


def refusal(answer: httpx.Response) -> tuple[int, int]:
    """HTTP status and OCPI status code of an answer that has an envelope, as every refusal must."""
    assert answer.headers["Content-Type"].startswith("application/json"), answer.text
    envelope = answer.json()
    assert envelope["status_message"], answer.text
    assert envelope["timestamp"], answer.text
    return answer.status_code, envelope["status_code"]


@contextmanager
def measured() -> Iterator[list[float]]:
    """Puts the seconds that the block took into the list."""
    spent: list[float] = []
    began = time.perf_counter()
    yield spent
    spent.append(time.perf_counter() - began)
