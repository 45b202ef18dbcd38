"""A partner that goes away without a word is found missing, and the others hear of it and of its return."""

import pytest

from simulator import ocpi
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated, accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey


def told(partner: Simulated) -> list[str]:
    """The statuses of NL*ABC that the hub pushed to a partner, in order."""
    requests = [one for one in partner.requests() if one["path"].endswith("/hubclientinfo/NL/ABC")]
    # Now and then the hub asks a partner whether it still has the list as it is.
    return [one["body"]["status"] for one in requests if one["method"] == "PUT"]


def listed(partner: Simulated) -> str:
    (entry,) = partner.list("hubclientinfo")
    return str(entry["status"])


def misses(hub: Hub) -> list[int]:
    """Calls of their versions endpoints in a row that partners did not answer, by name."""
    return [missed for (missed,) in hub.sql("SELECT missed_probes FROM partners_platform ORDER BY name")]


def test_a_partner_that_falls_silent_is_offline_for_the_others_and_connected_when_it_is_back(
    new_hub: MakeHub,
) -> None:
    hub = new_hub(HUB_SILENCE="2")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "0")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "0")
    wait_until(lambda: told(emsp)[-1:] == ["CONNECTED"], 20, "it is told to be connected")

    cpo.stop()
    wait_until(lambda: told(emsp)[-1:] == ["OFFLINE"], 60, "it is told to be offline")
    assert listed(emsp) == "OFFLINE"
    assert misses(hub)[0] == 0  # whoever answers is left alone, however silent it is
    assert misses(hub)[1] >= 3
    asked = emsp.call("GET", "sender/locations?limit=1", **ocpi.routing(cpo.party, emsp.party))
    assert asked.json()["status_code"] == 4003

    cpo.start()
    wait_until(lambda: told(emsp)[-1:] == ["CONNECTED"], 60, "it is told to be back")
    assert listed(emsp) == "CONNECTED"
    accepted(emsp.call("GET", "sender/locations?limit=1", **ocpi.routing(cpo.party, emsp.party)))
    # Whoever answers is left alone, however silent it is.
    assert told(cpo) == []
    assert (
        hub.sql("SELECT status, missed_probes FROM partners_platform ORDER BY id") == [("CONNECTED", 0)] * 2
    )
