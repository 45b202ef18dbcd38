"""How fast a hub takes in and serves a file of Locations: `python -m tests.journeys.measure FILE`.

They are pulled by the worker, by `manage.py pull` again with nothing changed, and by it into an empty hub.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ocpi_hub.embedded import socket_folder
from simulator import files, ocpi
from simulator.ocpi import Party
from tests.journeys.hub import Hub, Simulated
from tests.journeys.processes import wait_until

PULLS = (
    "SELECT count(*), sum(received), sum(new), sum(unchanged), sum(refused), max(error),"
    " EXTRACT(EPOCH FROM max(finished_at) - min(started_at)) FROM exchange_pull WHERE id > %s"
)


def through_the_worker(hub: Hub, file: Path) -> None:
    register(hub, file)
    total = len(list(files.locations(file)))
    wait_until(lambda: (pulled(hub)[1] or 0) >= total, 600, "the worker has pulled all")
    wait_until(lambda: not hub.sql("SELECT FROM exchange_pull WHERE state = 'RUNNING'"), 60, "pulls end")
    tell("through the worker", pulled(hub), f"peak memory of the worker {memory(hub.pid('worker'))} MB")
    by_command(hub, "manage.py pull, nothing changed")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "0")
    serve(emsp)
    began = time.perf_counter()
    count = emsp.pull()
    print(f"pulled by the simulated eMSP: {count} objects, {count / (time.perf_counter() - began):.0f}/s")


def into_an_empty_hub(hub: Hub, file: Path) -> None:
    # The worker would pull as soon as the CPO is registered.
    os.kill(hub.pid("worker"), signal.SIGSTOP)
    register(hub, file)
    by_command(hub, "manage.py pull into an empty hub")


def register(hub: Hub, file: Path) -> None:
    parties = [f"{one.country_code}-{one.party_id}" for one in files.parties(file, [Party("NL", "ABC")])]
    hub.simulated("cpo", parties[0], "--locations", str(file), "--page-size", "200", more=tuple(parties[1:]))


def by_command(hub: Hub, how: str) -> None:
    ((last,),) = hub.sql("SELECT coalesce(max(id), 0) FROM exchange_pull")
    began = time.perf_counter()
    command = ["manage.py", "pull", "--module", "locations", "--full"]
    pid = os.posix_spawn(sys.executable, [sys.executable, *command], hub.env)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    assert status == 0
    tell(how, pulled(hub, last), f"{seconds:.1f} s with its start; peak memory {usage.ru_maxrss // 1024} MB")


def pulled(hub: Hub, since: int = 0) -> tuple[Any, ...]:
    return hub.sql(PULLS, since)[0]


def tell(how: str, row: tuple[Any, ...], more: str) -> None:
    parties, received, new, unchanged, refused, error, seconds = row
    print(
        f"{how}: {received} received of {parties} parties ({new} new, {unchanged} unchanged, {refused} refused)"
        f" in {seconds:.1f} s, {received / seconds:.0f} objects/s; {more} {error}",
        flush=True,
    )


def serve(emsp: Simulated) -> None:
    """The hub's list read to its end, nothing done with it."""
    began, count, size, url = time.perf_counter(), 0, 0, "sender/locations"
    while url:
        answer = emsp.call("GET", url)
        count += len(ocpi.decode(answer.content)["data"])
        size += len(answer.content)
        url = ocpi.next_link(answer.headers.get("Link")) or ""
    seconds = time.perf_counter() - began
    print(f"served by one connection: {count} objects, {size / 1e6:.0f} MB, {count / seconds:.0f} objects/s")


def memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    file = Path(sys.argv[1])
    for story in (through_the_worker, into_an_empty_hub):
        folder = Path(tempfile.mkdtemp(prefix="ocpi-hub-measure-"))
        folder.chmod(0o755)
        hub = Hub(folder).start()
        try:
            story(hub, file)
        finally:
            hub.end()
            wait_until(lambda hub=hub: not hub.processes(), 30, "everything has ended")
            shutil.rmtree(folder)
            shutil.rmtree(socket_folder(folder / "var"), ignore_errors=True)


if __name__ == "__main__":
    main()
