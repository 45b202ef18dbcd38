"""What each of the modules does in its own way at the simulated platforms, and lists of the new ones."""

from typing import Any

import pytest

from simulator import ocpi
from simulator.cpo import CPO
from simulator.emsp import EMSP
from simulator.pulling import Watch
from tests.simulator.conftest import ask, code, control, data, registered
from tests.simulator.fake_hub import EVERY, FakeHub

AT = "/ocpi/2.2.1/receiver"
T0, T1 = "2026-06-01T00:00:00Z", "2026-06-01T00:00:01Z"
OWNER = {"country_code": "NL", "party_id": "ABC", "last_updated": T0}


def period(number: int) -> dict[str, Any]:
    return {"start_date_time": f"2026-06-01T0{number}:00:00Z", "dimensions": [{"type": "TIME", "volume": 1}]}


@pytest.fixture
def platform(emsp: EMSP) -> EMSP:
    return registered(emsp)


def test_periods_of_a_patched_session_are_appended_and_of_a_put_one_replaced(platform: EMSP):
    at = f"{AT}/sessions/NL/ABC/S1"
    session = {**OWNER, "id": "S1", "kwh": 0, "charging_periods": [period(1)]}

    def periods() -> list[Any]:
        return [one["start_date_time"][12] for one in data(ask(platform, "GET", at))["charging_periods"]]

    assert ask(platform, "PUT", at, session).status == 201
    ask(platform, "PATCH", at, {"charging_periods": [period(2)], "kwh": 1.5, "last_updated": T1})
    assert periods() == ["1", "2"]
    ask(platform, "PATCH", at, {"charging_periods": [period(2), period(3)], "last_updated": T1})
    assert periods() == ["1", "2", "3"]
    for nothing in ([], None):
        ask(platform, "PATCH", at, {"charging_periods": nothing, "last_updated": T1})
        assert periods() == ["1", "2", "3"]
    assert data(ask(platform, "GET", at))["kwh"] == 1.5
    ask(platform, "PUT", at, {**session, "charging_periods": [period(9)]})
    assert periods() == ["9"]
    assert platform.status()["received_by_method"]["sessions"] == {"PUT": 2, "PATCH": 4}
    assert ask(platform, "PATCH", f"{at}/charging_periods", {"last_updated": T1}).status == 404
    assert platform.status()["pushes_received"] == 0


def test_a_cdr_is_posted_once_and_read_where_the_answer_says(platform: EMSP):
    cdr = {**OWNER, "id": "C1", "total_cost": {"excl_vat": 1.50}}
    raw = b'{"id":"C1","country_code":"nl","party_id":"abc","total_cost":{"excl_vat":1.50}}'

    first, again = (ask(platform, "POST", f"{AT}/cdrs", raw) for _ in range(2))
    other = ask(platform, "POST", f"{AT}/cdrs", cdr)

    assert (first.status, again.status) == (201, 200)
    assert first.headers["Location"] == again.headers["Location"] == f"https://sim.example{AT}/cdrs/NL/ABC/C1"
    place = first.headers["Location"].removeprefix("https://sim.example")
    assert raw in ask(platform, "GET", place).body
    assert (other.status, code(other)) == (200, 2001)
    assert "Location" not in other.headers
    assert raw in ask(platform, "GET", place).body


def test_a_cdr_has_no_other_methods_and_needs_an_id(platform: EMSP):
    assert ask(platform, "PUT", f"{AT}/cdrs/NL/ABC/C1", {}).status == 405
    assert ask(platform, "GET", f"{AT}/cdrs").status == 405
    assert ask(platform, "GET", f"{AT}/cdrs/NL/ABC").status == 404
    assert ask(platform, "GET", f"{AT}/cdrs/NL/ABC/C1").status == 404
    assert code(ask(platform, "POST", f"{AT}/cdrs", {**OWNER})) == 2001
    assert platform.status()["received"]["cdrs"] == 0


def test_a_strict_emsp_refuses_the_same_cdr_a_second_time(platform: EMSP):
    platform.receivers["cdrs"].strict = True

    answers = [ask(platform, "POST", f"{AT}/cdrs", {**OWNER, "id": "C1"}) for _ in range(2)]

    assert [code(answer) for answer in answers] == [1000, 2001]
    assert platform.status()["received"]["cdrs"] == 1


def test_a_fault_leaves_the_location_of_a_cdr_out(platform: EMSP):
    control(platform, "POST", "faults", {"location": False, "module": "cdrs", "times": 1})

    answers = [ask(platform, "POST", f"{AT}/cdrs", {**OWNER, "id": f"C{n}"}) for n in range(2)]

    assert ["Location" in answer.headers for answer in answers] == [False, True]
    assert platform.status()["received"]["cdrs"] == 2


def test_tariffs_are_put_and_deleted_but_never_patched(platform: EMSP):
    at = f"{AT}/tariffs/NL/ABC/NORMAL"

    assert ask(platform, "PUT", at, {**OWNER, "id": "NORMAL"}).status == 201
    assert ask(platform, "PATCH", at, {"last_updated": T1}).status == 405
    assert ask(platform, "DELETE", at).status == 200
    assert (ask(platform, "GET", at).status, ask(platform, "DELETE", at).status) == (404, 404)


@pytest.mark.parametrize("role", ["cpo", "emsp"])
def test_client_infos_are_kept_by_their_party_alone(role: str, request: pytest.FixtureRequest):
    platform = registered(request.getfixturevalue(role))
    at = f"{AT}/hubclientinfo/DE/XYZ"
    info = {**OWNER, "country_code": "DE", "party_id": "XYZ", "role": "EMSP", "status": "CONNECTED"}

    assert ask(platform, "PUT", at, info).status == 201
    assert ask(platform, "PUT", at, {**info, "status": "OFFLINE"}).status == 200
    assert data(ask(platform, "GET", at))["status"] == "OFFLINE"
    assert control(platform, "GET", "keys/hubclientinfo") == ["DE/XYZ"]
    assert code(ask(platform, "PUT", f"{AT}/hubclientinfo/DE/ZZZ", info)) == 2001
    assert ask(platform, "PATCH", at, {"last_updated": T1}).status == 405
    assert ask(platform, "GET", f"{at}/more").status == 404


def test_sessions_and_cdrs_are_listed_by_date_in_pages_and_by_party(charging_cpo: CPO):
    for number in range(13):
        for module in ("sessions", "cdrs"):
            item = {**OWNER, "id": f"X{number:02}", "last_updated": f"2026-06-{number + 1:02}T00:00:00Z"}
            charging_cpo.owned[module].put(ocpi.encode(item))

    for module in ("sessions", "cdrs"):
        at = f"/ocpi/2.2.1/sender/{module}"
        page = ask(charging_cpo, "GET", at)
        days = ask(charging_cpo, "GET", f"{at}?date_from=2026-06-03T00:00:00Z&date_to=2026-06-05T00:00:00Z")
        assert (len(data(page)), page.headers["X-Total-Count"]) == (10, "13")
        assert "offset=10" in page.headers["Link"]
        assert [one["id"] for one in data(days)] == ["X02", "X03"]
        assert ask(charging_cpo, "GET", f"{at}/X02").status == 404
    tariffs = ask(charging_cpo, "GET", "/ocpi/2.2.1/sender/tariffs")
    assert [one["id"] for one in data(tariffs)] == ["NORMAL", "CHEAP", "FAST"]


def test_the_watch_pulls_what_else_the_hub_offers_once_and_sessions_by_date(emsp: EMSP, hub: FakeHub):
    hub.modules = EVERY
    hub.objects = [{**OWNER, "id": "X1"}]
    registered(emsp)
    watch = Watch(emsp)

    watch.look()
    calls = len(hub.requests)
    watch.look()

    assert emsp.status()["received"] == {
        "locations": 1,
        "tariffs": 1,
        "sessions": 1,
        "cdrs": 1,
        "hubclientinfo": 1,
    }
    queries = {
        request.url.path.rpartition("/")[2]: dict(request.url.params) for request in hub.requests[3:calls]
    }
    assert [name for name, query in queries.items() if "date_from" in query] == ["sessions"]
    assert len(hub.requests) == calls + 1


def test_sessions_and_cdrs_stay_when_the_hub_no_longer_lists_them_and_tariffs_go(emsp: EMSP, hub: FakeHub):
    hub.modules = EVERY
    hub.objects = []
    registered(emsp)
    for module in ("tariffs", "sessions", "cdrs"):
        emsp.taken[module].put(ocpi.encode({**OWNER, "id": "X1"}))

    left = {}
    for module in ("tariffs", "sessions", "cdrs"):
        assert control(emsp, "POST", "pull", {"module": module}) == {"received": 0}
        left[module] = len(emsp.taken[module])

    assert left == {"tariffs": 0, "sessions": 1, "cdrs": 1}
    assert ask(emsp, "POST", "/simulator/pull", {"module": "nothing"}).status == 404


def test_anything_can_be_sent_to_any_interface_of_the_hub(charging_cpo: CPO, hub: FakeHub):
    authorize = {"module": "tokens", "interface": "sender", "method": "POST", "path": "U1/authorize"}
    control(charging_cpo, "POST", "push", {**authorize, "query": {"type": "RFID"}, "to": "DE-MSP"})
    cdr = {**OWNER, "id": "C1"}
    control(charging_cpo, "POST", "push", {"module": "cdrs", "method": "POST", "object": cdr, "keep": True})

    assert hub.asked == [("POST", "pull/tokens/U1/authorize", None)]
    assert hub.pushes[-1][:2] == ("POST", "cdrs/")
    assert control(charging_cpo, "GET", "keys/cdrs") == ["NL/ABC/C1"]


def test_several_threads_may_push_and_what_follows_for_one_part_waits(charging_cpo: CPO):
    queue = charging_cpo.queues["sessions"]
    part = ("NL/ABC/S1",)
    queue.add(part, "PUT", b"{}")

    assert queue.claim(part) is not None
    queue.add(part, "PATCH", b"{}")
    assert queue.claim(part) is None
    assert queue.waiting(part)
    assert queue.counts()["pending"] == 2
