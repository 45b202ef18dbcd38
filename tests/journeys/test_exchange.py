"""A CPO and an eMSP meet through the hub: registration, pulls, pushes, a restart."""

import pytest

from tests.journeys.conftest import MakeHub
from tests.journeys.hub import accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey


@pytest.mark.parametrize("hub_starts", [False, True], ids=["the partners start", "the hub starts"])
def test_locations_and_tokens_flow_and_survive_a_restart(new_hub: MakeHub, hub_starts: bool) -> None:
    hub = new_hub()

    cpo = hub.simulated("cpo", "NL-ABC", "--count", "30", hub_starts=hub_starts)
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "20", hub_starts=hub_starts)

    # The hub pulls each after its registration; who comes later than the objects fetches them itself.
    wait_until(lambda: len(emsp.list("locations")) == 30, 20, "the hub has all Locations")
    wait_until(lambda: len(cpo.list("tokens")) == 20, 20, "the hub has all Tokens")
    hub.settle()
    assert emsp.pull() == 30
    assert cpo.pull() == 20
    assert emsp.objects("locations") == cpo.objects("locations")
    assert cpo.objects("tokens") == emsp.objects("tokens")

    location = next(iter(cpo.objects("locations").values()))
    evse = location["evses"][0]
    status = "BLOCKED" if evse["status"] != "BLOCKED" else "AVAILABLE"
    change = {"status": status, "last_updated": "2026-10-01T12:00:00.5Z"}
    seen = emsp.status()["requests"]
    accepted(cpo.call("PATCH", cpo.path(location["id"], evse["uid"]), change))
    (arrived,) = wait_until(lambda: emsp.requests(seen), 20, "the status arrives")
    assert (arrived["method"], arrived["body"]) == ("PATCH", change)
    assert arrived["path"] == f"/ocpi/2.2.1/receiver/locations/NL/ABC/{location['id']}/{evse['uid']}"
    assert arrived["routing"] == {
        "to-country-code": "DE",
        "to-party-id": "MSP",
        "from-country-code": "NL",
        "from-party-id": "HUB",
    }

    if hub_starts:
        return  # One restart is enough; it does not depend on who started.
    kept = emsp.list("locations")
    assert hub.stop() == 0
    assert hub.processes() == {}
    hub.start()
    assert emsp.list("locations") == kept
    assert len(cpo.list("tokens")) == 20
    seen = emsp.status()["requests"]
    later = {"status": "CHARGING", "last_updated": "2026-10-01T12:00:01Z"}
    accepted(cpo.call("PATCH", cpo.path(location["id"], evse["uid"]), later))
    arrived = wait_until(
        lambda: [r for r in emsp.requests(seen) if r["method"] == "PATCH"], 20, "it flows on"
    )
    assert arrived[0]["body"] == later
