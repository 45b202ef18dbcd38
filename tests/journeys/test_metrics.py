"""What Prometheus reads is of all processes, whichever of the web processes answers."""

import os
import re
import signal

import httpx
import pytest

from ocpi_hub.processes import children
from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey


def total(hub: Hub, name: str, **labels: str) -> float:
    """The sum of the samples of that name with these labels, asked on a connection of its own."""
    text = httpx.get(f"{hub.url}/metrics", trust_env=False, timeout=20).text
    lines = [line for line in text.splitlines() if re.split("[{ ]", line)[0] == name]
    fitting = [line for line in lines if all(f'{label}="{value}"' in line for label, value in labels.items())]
    return sum(float(line.rpartition(" ")[2]) for line in fitting)


def test_all_processes_count_and_a_killed_one_takes_nothing_with_it(new_hub: MakeHub) -> None:
    hub = new_hub(WEB_PROCESSES="2")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    hub.simulated("emsp", "DE-MSP", "--tokens", "0")

    for number in range(20):
        cpo.push(examples.location(id=f"LOC{number}"))
    hub.settle()

    def puts() -> float:
        return total(hub, "hub_requests_total", module="locations", method="PUT", ocpi_status="1000")

    def delivered() -> float:
        return total(hub, "hub_delivery_attempts_total", module="locations", result="delivered")

    # Counted by two web processes and by a worker, and asked for one or the other of the former.
    wait_until(lambda: [puts() for _ in range(5)] == [20] * 5, 10, "every web process answers for both")
    wait_until(lambda: delivered() == 20, 10, "what the worker counted")
    assert total(hub, "hub_queue_length") == 0
    assert total(hub, "hub_up_database") == 1

    killed = [hub.pid("worker"), hub.pid("web")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: [hub.pid("worker"), hub.pid("web")] != killed and hub.ready(), 60, "they are back")
    cpo.push(examples.location(id="AFTERWARDS"))
    hub.settle()

    wait_until(lambda: (puts(), delivered()) == (21, 21), 20, "the counters go on")
    own = re.compile(
        "[0-9a-f]{16}.json"
    )  # the file of one process; those of dead ones are summed up elsewhere
    wait_until(
        lambda: len([one for one in (hub.var / "metrics").iterdir() if own.fullmatch(one.name)]) == 4,
        20,
        "two web processes, worker and beat have a file each",
    )


def test_without_postgresql_a_scrape_still_answers(new_hub: MakeHub) -> None:
    hub = new_hub()
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    cpo.push(examples.location())
    wait_until(lambda: total(hub, "hub_requests_total", module="locations") == 1, 10, "it is counted")

    postmaster = hub.pid("postgresql")
    stopped = [postmaster, *children(postmaster)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "hub_up_database 0.0" in hub.http.get("/metrics").text, 20, "it is told")
        assert total(hub, "hub_requests_total", module="locations") == 1
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: "hub_up_database 1.0" in hub.http.get("/metrics").text, 20, "it is told again")
