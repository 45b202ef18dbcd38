"""Real-time authorization on real processes: who hangs costs the common time, and nobody else anything."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Simulated, accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey

DEADLINE = 5  # HUB_AUTHORIZE_DEADLINE
RELAYS = 8  # HUB_CONCURRENT_RELAYS


def ask(cpo: Simulated, uid: str) -> tuple[int, int, float]:
    """HTTP status, status code and seconds of the question whether somebody may charge."""
    began = time.monotonic()
    answer = cpo.call("POST", f"sender/tokens/{uid}/authorize", {"location_id": "LOC1"})
    return answer.status_code, answer.json()["status_code"], time.monotonic() - began


def test_providers_are_asked_whose_a_token_is_and_one_that_hangs_keeps_nobody(new_hub: MakeHub) -> None:
    hub = new_hub()
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "1")
    silent = hub.simulated("emsp", "DE-MUM", "--tokens", "1")
    well = hub.simulated("emsp", "DE-MSP", "--tokens", "3")
    wait_until(lambda: len(cpo.list("tokens")) == 4, 30, "the hub has every token")
    hub.settle()
    uid = next(iter(well.objects("tokens").values()))["uid"]
    hub.sql("DELETE FROM tokens_token")  # as if nobody had ever told the hub of them
    hub.sql("UPDATE partners_platform SET asked_about_unknown_tokens = true")
    silent.misbehave(silent=True, on="sender")

    # Whoever knows it is heard, however long the other one is silent.
    answer = cpo.call("POST", f"sender/tokens/{uid}/authorize", {"location_id": "LOC1"})
    data = accepted(answer)["data"]
    assert (data["allowed"], data["token"]["uid"]) == ("ALLOWED", uid)
    assert answer.headers["OCPI-from-party-id"] == "MSP"
    assert answer.elapsed.total_seconds() < 2

    # Many at once, of a token that only the silent one could know: it takes its own places and no more.
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(ask, cpo, "NOBODYS1") for _ in range(20)]
        wait_until(lambda: sum(one.done() for one in asking) >= 20 - RELAYS, 10, "those without a place")
        listed = [cpo.call("GET", "sender/tokens").elapsed.total_seconds() for _ in range(5)]
        outcomes = [one.result() for one in asking]
    assert {outcome[:2] for outcome in outcomes} == {(404, 2004)}
    assert max(seconds for *_, seconds in outcomes) < DEADLINE + 2
    assert max(listed) < 1

    # And afterwards nothing is stuck.
    silent.behave()
    wait_until(lambda: ask(cpo, "NOBODYS1")[2] < 1, 30, "both answer at once")
    rows = hub.sql("SELECT decided, count(*) FROM tokens_authorization GROUP BY decided ORDER BY decided")
    assert rows[0] == ("BROADCAST", 1)
    assert rows[1][0] == "NOBODY"
    assert uid not in hub.log("web")
