"""What a platform tells its hub of its own accord: pushes, and pulls of what the hub has."""

import json
import random

import pytest

from simulator import ocpi
from simulator.platforms import Platform
from simulator.pulling import Watch
from simulator.pushing import SLOWEST
from tests.simulator.conftest import ask, registered
from tests.simulator.fake_hub import FakeHub, envelope

AFTER = 1e9  # a clock by which everything is due


@pytest.fixture
def pushing(cpo: Platform) -> Platform:
    cpo.chance = random.Random(4)
    return registered(cpo)


def test_a_status_change_is_patched_from_the_owner_to_the_hub(pushing: Platform, hub: FakeHub):
    pushing.change()
    pushing.pushes.work(AFTER)

    method, path, body = hub.pushes[0]
    _, location_id, evse_uid, status = pushing.last_change.split(" ")
    location = pushing.own.find(location_id).document
    evse = next(evse for evse in location["evses"] if evse["uid"] == evse_uid)
    assert (method, path) == ("PATCH", f"locations/NL/ABC/{location_id}/{evse_uid}")
    assert json.loads(body) == {"status": status, "last_updated": evse["last_updated"]}
    assert location["last_updated"] == evse["last_updated"]
    request = hub.requests[-1].headers
    assert (request["OCPI-from-party-id"], request["OCPI-to-party-id"]) == ("ABC", "HUB")
    assert (request["OCPI-from-country-code"], request["OCPI-to-country-code"]) == ("NL", "NL")
    assert request["Content-Type"] == "application/json"


def test_last_updated_always_rises():
    moment = ocpi.parse_time("2026-06-01T12:00:00Z")

    first = ocpi.later("2026-06-01T11:00:00", moment)
    second = ocpi.later(first, moment)
    third = ocpi.later("2030-01-01T00:00:00Z", moment)

    assert (first, second) == ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00.001Z")
    assert third == "2030-01-01T00:00:00.001Z"


@pytest.mark.parametrize(
    "answer", [envelope(status=503, code=3000), envelope(code=3000), envelope(code=4002)]
)
def test_after_a_temporary_failure_the_current_state_is_put_once(pushing: Platform, hub: FakeHub, answer):
    hub.push_answers = [answer]
    pushing.change()
    part = next(iter(pushing.pushes.due))
    pushing.pushes.work(AFTER)
    pushing.pushes.add(part, "PATCH", b"{}")
    pushing.pushes.work(AFTER + SLOWEST)

    assert [method for method, _, _ in hub.pushes] == ["PATCH", "PUT"]
    assert hub.pushes[1][2].encode() == pushing.current(pushing.owns[0], part)
    assert pushing.status()["pushes"] == {"sent": 1, "pending": 0, "refused": 0, "failed": 1}


def test_when_the_hub_asks_for_time_it_gets_it(pushing: Platform, hub: FakeHub):
    hub.push_answers = [envelope(status=429, code=2000, **{"Retry-After": "7"})]
    pushing.change()
    pushing.pushes.work(AFTER)

    pushing.pushes.work(AFTER + 6)
    assert len(hub.pushes) == 1
    pushing.pushes.work(AFTER + 7)
    assert len(hub.pushes) == 2


def test_a_hub_that_does_not_have_the_location_gets_all_of_it(pushing: Platform, hub: FakeHub):
    hub.push_answers = [envelope(status=404, code=2003), envelope(status=404, code=2003)]
    pushing.change()
    pushing.pushes.work(AFTER)
    pushing.pushes.work(AFTER)

    assert [method for method, _, _ in hub.pushes] == ["PATCH", "GET", "PUT"]
    location_id = pushing.last_change.split(" ")[1]
    assert hub.pushes[2][1] == f"locations/NL/ABC/{location_id}"
    assert hub.pushes[2][2].encode() == pushing.own.find(location_id).raw


def test_a_refusal_is_final_and_told(pushing: Platform, hub: FakeHub):
    hub.push_answers = [envelope(code=2001)]
    pushing.change()
    pushing.pushes.work(AFTER)

    assert [method for method, _, _ in hub.pushes] == ["PATCH", "GET"]
    assert pushing.status()["pushes"] == {"sent": 0, "pending": 0, "refused": 1, "failed": 0}
    assert "2001" in pushing.status()["errors"][0]["error"]


def test_locations_that_a_hub_could_not_find_do_not_change(pushing: Platform):
    pushing.own = type(pushing.own)(pushing.owns[0], ocpi.Party("NL", "ABC"))
    owner = '"country_code": "NL", "party_id": "ABC"'
    faulty = (
        f'{{"id": 1, {owner}, "evses": [{{"uid": "1", "status": "AVAILABLE"}}]}}',
        '{"id": "A", "evses": [{"uid": "1", "status": "AVAILABLE"}]}',
        f'{{"id": "B", {owner}, "evses": [{{"uid": 2, "status": "AVAILABLE"}}]}}',
        f'{{"id": "C", {owner}, "evses": [{{"uid": "1", "status": "WORKING"}}]}}',
        f'{{"id": "D", {owner}, "evses": null}}',
        '"text"',
    )
    pushing.own.load(text.encode() for text in faulty)

    pushing.change()

    assert pushing.changes == 0
    assert pushing.pushes.due == {}
    assert "healthy" in pushing.status()["errors"][0]["error"]


def test_an_emsp_issues_tokens_and_turns_them_off_and_on(emsp: Platform, hub: FakeHub):
    registered(emsp).chance = random.Random(1)
    for _ in range(30):
        emsp.change()
        emsp.pushes.work(AFTER)

    methods = {method for method, _, _ in hub.pushes}
    assert methods == {"PUT", "PATCH"}
    assert all(path.startswith("tokens/DE/MSP/") for _, path, _ in hub.pushes)
    assert {str(request.url.query, "ascii") for request in hub.requests[3:]} == {"type=RFID", "type=APP_USER"}
    assert len(emsp.own) == 20 + sum(method == "PUT" for method, _, _ in hub.pushes)


def location(number: int, moment: str = "2026-06-01T00:00:00Z") -> dict[str, str]:
    return {"country_code": "NL", "party_id": "ABC", "id": f"L{number}", "last_updated": moment}


def test_a_pull_follows_every_link_and_forgets_what_is_gone(emsp: Platform, hub: FakeHub):
    hub.objects = [location(number) for number in range(5)]
    registered(emsp).received.put(ocpi.encode(location(99)))

    assert emsp.pull() == 5

    assert [item.key for item in emsp.received.items()] == [f"NL/ABC/L{number}" for number in range(5)]
    assert [str(request.url.params) for request in hub.requests[-3:]] == ["", "offset=2", "offset=4"]
    assert hub.requests[-1].headers["OCPI-to-party-id"] == "HUB"
    assert emsp.status()["pull"]["total"] == 5


def test_a_pull_does_not_overwrite_what_was_pushed_later(emsp: Platform, hub: FakeHub):
    hub.objects = [location(1)]
    newer = location(1, "2026-06-02T00:00:00Z")
    ask(registered(emsp), "PUT", "/ocpi/2.2.1/receiver/locations/NL/ABC/L1", newer)

    emsp.pull()

    assert emsp.received.get("NL/ABC/L1").document == newer


def test_the_watch_pulls_at_first_and_when_the_hubs_number_has_settled(emsp: Platform, hub: FakeHub):
    hub.objects = [location(1)]
    watch = Watch(emsp)
    watch.look()
    assert hub.requests == []

    registered(emsp)
    counts = []
    for number in (1, 2, 3, 3, 3):
        hub.objects = [location(one) for one in range(number)]
        watch.look()
        counts.append(len(emsp.received))

    assert counts == [1, 1, 1, 3, 3]


def test_a_pull_that_fails_is_told_and_tried_again(emsp: Platform, hub: FakeHub):
    registered(emsp)
    token, hub.tokens = hub.tokens, set()
    watch = Watch(emsp)
    watch.look()
    hub.tokens, hub.objects = token, [location(1)]
    watch.look()

    assert emsp.status()["error_count"] == 1
    assert len(emsp.received) == 1
