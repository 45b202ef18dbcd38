"""Where a message went: web and worker write down their hops by themselves, and the operator finds them."""

import json
from collections.abc import Callable

import pytest

from tests.journeys.hub import Hub, accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey
CORRELATION = "where-did-it-go"


def test_a_push_is_followed_from_its_sender_to_its_receiver(hub: Hub, party: Callable[[str], str]) -> None:
    cpo = hub.simulated("cpo", party("NL"), "--count", "1")
    emsp = hub.simulated("emsp", party("DE"), "--tokens", "1")
    location = next(iter(cpo.objects("locations").values()))
    changed = location | {"name": "Where it went", "last_updated": "2026-10-01T12:00:00Z"}

    accepted(cpo.call("PUT", cpo.path(location["id"]), changed, **{"X-Correlation-ID": CORRELATION}))
    query = "SELECT count(*) FROM journal_hop WHERE correlation_id = %s AND platform_id = ANY(%s)"
    both = [cpo.platform_id, emsp.platform_id]
    wait_until(lambda: hub.sql(query, CORRELATION, both) == [(2,)], 30, "both hops are in the journal")

    told = json.loads(hub.manage("journey", CORRELATION, "--json"))

    hops = [step for step in told["steps"] if step["what"] in ("came in", "went out")]
    assert told["correlation_id"] == CORRELATION
    assert hops[0]["what"] == "came in"
    assert {step["tone"] for step in hops} == {"good"}
    assert all(json.loads(step["bodies"]["request"]) == changed for step in hops)
    assert tuple(step["what"] for step in told["steps"][1:3]) == ("stored", "delivery")
