"""What an operator does: two hubs on one machine, a backup and its restore, the demo."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub
from tests.journeys.processes import Process, clean_environment, free_port, mentioning, wait_until

pytestmark = pytest.mark.journey

# Uses up transaction ids, so that the old database has counted further than the new one.
BUSY_YEARS = "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


def test_two_hubs_side_by_side_do_not_see_each_other(new_hub: MakeHub) -> None:
    one, other = new_hub(), new_hub()
    cpos = [hub.simulated("cpo", "NL-ABC", "--count", "0") for hub in (one, other)]
    emsps = [hub.simulated("emsp", "DE-MSP", "--tokens", "0") for hub in (one, other)]

    cpos[0].push(examples.location(id="ONLY-HERE"))

    wait_until(lambda: list(emsps[0].objects("locations")) == ["NL/ABC/ONLY-HERE"], 10, "it arrives")
    assert [item["id"] for item in emsps[0].list("locations")] == ["ONLY-HERE"]
    assert emsps[1].list("locations") == []
    assert emsps[1].status()["pushes_received"] == 0
    # A token of one hub opens nothing at the other.
    stranger = other.http.get("/ocpi/2.2.1/sender/locations", headers=emsps[0].headers)
    assert (stranger.status_code, stranger.json()["status_code"]) == (401, 2000)

    assert one.refused("up") == (
        f"CommandError: A hub already runs on {one.var} (process {one.process.pid}): stop it first, or choose"
        " another HUB_VAR"
    )
    assert one.ready()
    assert one.stop() == 0
    assert other.ready()


def test_a_restored_hub_goes_on_where_the_backup_was_made(new_hub: MakeHub, folder: Path) -> None:
    old = new_hub()
    cpo = old.simulated("cpo", "NL-ABC", "--count", "40")
    emsp = old.simulated("emsp", "DE-MSP", "--tokens", "10")
    wait_until(lambda: len(emsp.list("locations")) == 40, 20, "the hub has all Locations")
    wait_until(lambda: len(cpo.list("tokens")) == 10, 20, "the hub has all Tokens")
    old.sql(BUSY_YEARS)
    cpo.push(examples.location(id="LAST"))
    old.settle()
    locations, tokens = emsp.list("locations"), cpo.list("tokens")
    file = folder / "hub.backup"

    old.manage("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert old.stop() == 0
    hub = Hub(folder, port=old.port)
    hub.manage("restore", str(file))
    hub.start()

    try:
        assert emsp.list("locations") == locations
        assert cpo.list("tokens") == tokens
        arrived = emsp.status()["pushes_received"]
        cpo.push(examples.location(id="AFTERWARDS"))
        wait_until(lambda: emsp.status()["pushes_received"] > arrived, 10, "the hub pushes on")
        assert emsp.objects("locations")["NL/ABC/AFTERWARDS"] == examples.location(id="AFTERWARDS")
        assert [item["id"] for item in emsp.list("locations")][-2:] == ["LAST", "AFTERWARDS"]
        assert hub.pull("locations")["state"] == "done"
    finally:
        hub.end()


def test_the_demo_tells_when_all_has_arrived_and_leaves_nothing_behind(folder: Path) -> None:
    var = folder / "var"
    environment = clean_environment(HUB_VAR=str(var), HUB_PORT=str(free_port()), COUNT="20")
    demo = Process("hub", [sys.executable, "-m", "simulator.demo"], environment, folder / "demo.log")

    arrived = "Locations at the eMSP: 20 of 20, Tokens at the CPO: 100 of 100"
    wait_until(lambda: arrived in demo.said() or not demo.alive, 60, arrived)
    assert arrived in demo.said()
    assert len(mentioning(var)) > 7

    assert demo.stop(signal.SIGINT) == 0
    assert "All processes have ended" in demo.said()
    assert mentioning(var) == {}


def test_with_json_logs_every_line_of_every_process_is_an_object(new_hub: MakeHub) -> None:
    hub = new_hub(HUB_LOG_FORMAT="json")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "0")
    emsp.misbehave(answer=500)
    cpo.push(examples.location())
    wait_until(lambda: " to DE*MSP: HTTP 500" in hub.log("worker"), 20, "a line with ids")

    said = {
        name: [json.loads(line) for line in hub.log(name).splitlines()] for name in ("web", "worker", "beat")
    }

    fields = ["time", "level", "logger", "message", "request_id", "correlation_id"]
    assert all(list(line)[:6] == fields for lines in said.values() for line in lines)
    loggers = {name: {line["logger"] for line in lines} for name, lines in said.items()}
    assert {"_granian", "credentials.handshake"} <= loggers["web"]
    assert {"celery.apps.worker", "ocpi_hub.exchange.deliveries.lanes"} <= loggers["worker"]
    assert "celery.beat" in loggers["beat"]
    assert all(line["correlation_id"] for line in said["worker"] if line["message"].startswith("delivery "))
