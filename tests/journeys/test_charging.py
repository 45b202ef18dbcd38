"""A charge from the card or the app to the CDR, on real processes, with a provider that is away for a while."""

import os
import signal
from typing import Any

import pytest

from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey


def order(simulated: Simulated, name: str, **what: Any) -> dict[str, Any]:
    answer = simulated.control.post(name, json=what)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def of(simulated: Simulated, module: str) -> dict[str, Any]:
    return {key.rpartition("/")[2]: found for key, found in simulated.objects(module).items()}


def commands(hub: Hub) -> list[tuple[Any, ...]]:
    return hub.sql("SELECT command, state, led_to_id FROM commands_command ORDER BY requested_at")


def test_from_the_card_and_from_the_app_to_the_cdr(new_hub: MakeHub) -> None:
    hub = new_hub()
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "20", "--speed", "3000")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "20")
    other = hub.simulated("emsp", "FR-OTH", "--tokens", "1")
    wait_until(lambda: len(emsp.list("tariffs")) > 0, 30, "the hub has the Tariffs")
    wait_until(lambda: len(cpo.list("tokens")) == 21, 30, "the hub has the Tokens")
    hub.settle()
    cpo.pull()
    emsp.pull()

    by_card = order(cpo, "charge", minutes=20)
    assert by_card["allowed"] == "ALLOWED", by_card
    # The provider may not know yet where the card charges.
    place = cpo.control.get("free").json()[0]
    where = {"location": place["location"], "evse": place["evse"]}
    by_app = order(emsp, "command", command="start", wait=10, **where)
    assert by_app["response"]["result"] == "ACCEPTED", by_app
    assert [result["result"] for result in by_app["results"]] == ["ACCEPTED"]
    started = wait_until(
        lambda: set(of(emsp, "sessions")) == set(of(cpo, "sessions")) and of(cpo, "sessions"),
        30,
        "both Sessions are at the provider",
    )
    assert len(started) == 2
    (remote,) = set(started) - {by_card["session"]}
    wait_until(
        lambda: len(of(emsp, "sessions")[remote].get("charging_periods") or []) > 1,
        30,
        "the app shows energy",
    )
    stopped = order(emsp, "command", command="stop", session=remote, wait=10)
    assert [result["result"] for result in stopped["results"]] == ["ACCEPTED"]

    wait_until(lambda: len(of(emsp, "cdrs")) == 2, 60, "both CDRs are at the provider")
    hub.settle()
    for module in ("sessions", "cdrs"):
        assert emsp.objects(module) == cpo.objects(module)
        assert other.objects(module) == {}
        assert other.list(module) == []
    cdrs = {cdr["session_id"]: cdr for cdr in of(emsp, "cdrs").values()}
    assert cdrs[remote]["auth_method"] == "COMMAND"
    # A card that is answered from the hub's list has none, in the answer as in the CDR.
    given = by_card.get("authorization_reference")
    assert cdrs[by_card["session"]].get("authorization_reference") == given
    assert {session["status"] for session in of(emsp, "sessions").values()} == {"COMPLETED"}
    assert hub.sql("SELECT findings FROM cdrs_cdr WHERE findings <> '{}'") == []
    # Each command has one traced state, up to the Session it led to.
    wait_until(
        lambda: commands(hub) == [("START_SESSION", "SESSION", remote), ("STOP_SESSION", "SESSION", remote)],
        20,
        "the commands lead to their Session",
    )


def test_a_result_reaches_a_provider_that_was_away_and_outlives_the_hub(new_hub: MakeHub) -> None:
    hub = new_hub(HUB_TOTAL_TIMEOUT="8")  # a lane whose worker was killed is free after twice as long
    hub.simulated("cpo", "NL-ABC", "--count", "5", "--speed", "3000")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "5")
    wait_until(lambda: len(emsp.list("locations")) == 5, 30, "the hub has the Locations")
    hub.settle()
    emsp.pull()
    emsp.misbehave(answer=503, on="sender", module="commands")

    sent = order(emsp, "command", command="start")
    assert sent["response"]["result"] == "ACCEPTED", sent
    waiting = "SELECT count(*) FROM exchange_delivery WHERE module = 'callbacks' AND tries > 0 AND state = 'PENDING'"
    wait_until(lambda: hub.sql(waiting) == [(1,)], 30, "the result was refused and waits")
    for child in ("worker", "web"):
        os.kill(hub.pid(child), signal.SIGKILL)
    emsp.behave()

    wait_until(hub.ready, 60, "the hub is back")
    (command,) = wait_until(
        lambda: [one for one in emsp.control.get("commands").json() if one["results"]],
        60,
        "the result arrives",
    )
    assert [result["result"] for result in command["results"]] == ["ACCEPTED"]
    assert not command["enveloped"]
    wait_until(lambda: commands(hub)[0][1] == "SESSION", 30, "the start led to its Session")
