"""Two hubs, each a partner of the other: an operator at the one and a provider at the other reach each other as if
there were one hub, and nothing goes round.
"""

from typing import Any, NamedTuple

import pytest

from simulator import ocpi
from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated, accepted, refusal
from tests.journeys.processes import wait_until
from tests.journeys.roaming import Asked, ends, is_functional, location, to, told

pytestmark = pytest.mark.journey

LATER = "2026-03-02T08:00:00Z"
PATIENT = "1" + ",2" * 60  # seconds between tries, until a hub has been stopped and started


class Hubs(NamedTuple):
    """NL*ABC and the provider AT*PRO at the hub NL*HUB; DE*MSP and the operator FR*OPS at the hub CH*HU2."""

    near: Hub
    far: Hub
    abc: Simulated
    pro: Simulated
    msp: Simulated
    ops: Simulated

    def platforms(self) -> dict[str, Simulated]:
        return {"abc": self.abc, "pro": self.pro, "msp": self.msp, "ops": self.ops}

    def settle(self) -> None:
        """What goes through both is under way in the one, then in the other."""
        for hub in (self.near, self.far, self.near):
            hub.settle()

    def mark(self) -> dict[str, int]:
        return {who: one.status()["requests"] for who, one in self.platforms().items()}

    def requests(self, since: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
        """What everybody was asked since then, but for what is between platform and hub; not who was not."""
        self.settle()
        found = {who: one.requests(since[who]) for who, one in self.platforms().items()}
        routed = {who: [one for one in requests if is_functional(one)] for who, requests in found.items()}
        return {who: requests for who, requests in routed.items() if requests}

    def asked(self, since: dict[str, int]) -> dict[str, list[Asked]]:
        return {who: [told(one) for one in requests] for who, requests in self.requests(since).items()}


def two_hubs(new_hub: MakeHub) -> Hubs:
    """The second registers with the first, as any platform would."""
    near = new_hub(HUB_RETRY_SCHEDULE=PATIENT)
    far = new_hub(HUB_COUNTRY_CODE="CH", HUB_PARTY_ID="HU2")
    abc = near.simulated("cpo", "NL-ABC", "--count", "5", "--page-size", "2", "--speed", "60")
    pro = near.simulated("emsp", "AT-PRO", "--tokens", "2", "--seed", "pro")
    msp = far.simulated("emsp", "DE-MSP", "--tokens", "2", "--seed", "msp")
    ops = far.simulated("cpo", "FR-OPS", "--count", "2", "--seed", "ops")
    said = near.invite("Second hub", "CH-HU2-HUB")
    access = ("--versions-url", said["versions_url"], "--token", said["token"])
    far.manage("register", "--name", "First hub", "--party", "NL-HUB-HUB", *access)
    hubs = Hubs(near, far, abc, pro, msp, ops)
    # Each tells its own clients of those of the other.
    met = {"abc": {"DE-MSP", "AT-PRO"}, "pro": {"NL-ABC", "FR-OPS"}, "msp": {"NL-ABC", "FR-OPS"}}
    for who, others in met.items():
        one = hubs.platforms()[who]
        wait_until(lambda one=one, others=others: clients(one) == others, 40, f"{who} finds the others")
    # A list that is read later than this would be told to the others in the middle of the story.
    for hub in (near, far):
        wait_until(hub.has_read_all, 60, "the lists of all partners have been read")
    assert [len(one.list("tariffs")) for one in (pro, msp)] == [
        len(one.objects("tariffs")) for one in (abc, ops)
    ]
    hubs.settle()
    return hubs


def clients(simulated: Simulated) -> set[str]:
    """Whom a platform finds in the list of clients as connected."""
    listed = accepted(simulated.call("GET", "sender/hubclientinfo"))["data"]
    return {f"{one['country_code']}-{one['party_id']}" for one in listed if one["status"] == "CONNECTED"}


# ---------------------------------------------------------------------------------------------------- direct
def a_push_goes_through_both_with_from_and_to_as_they_were(hubs: Hubs) -> None:
    since, path, made = hubs.mark(), "receiver/locations/NL/ABC/DIRECT", location("NL-ABC", "DIRECT")

    answer = hubs.abc.call("PUT", path, made, **to("DE-MSP"))

    assert (answer.status_code, accepted(answer)["status_code"]) == (201, 1000)
    assert ends(answer.headers) == ("DE*MSP", "NL*ABC")
    assert hubs.asked(since) == {"msp": [("PUT", path, "NL*ABC", "DE*MSP")]}
    [[request]] = hubs.requests(since).values()
    assert request["body"] == made
    assert request["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert request["request_id"] != answer.headers["X-Request-ID"]


def a_list_is_read_page_by_page_through_both(hubs: Hubs) -> None:
    found: list[dict[str, Any]] = []
    since, url, pages = hubs.mark(), "sender/locations?limit=2", 0
    following: str | None = url
    while following:
        answer = hubs.msp.call("GET", following, **to("NL-ABC"))
        found += accepted(answer)["data"]
        pages += 1
        assert ends(answer.headers) == ("NL*ABC", "DE*MSP")
        following = ocpi.next_link(answer.headers.get("Link"))
        assert following is None or following.startswith(hubs.far.url)

    assert (pages, found) == (3, list(hubs.abc.objects("locations").values()))
    asked = [(method, path.partition("?")[0], *legs) for method, path, *legs in hubs.asked(since)["abc"]]
    assert asked == [("GET", "sender/locations", "DE*MSP", "NL*ABC")] * 3


# -------------------------------------------------------------------------------- authorize, commands, Sessions
def a_card_is_authorized_by_its_provider_behind_the_other_hub(hubs: Hubs) -> None:
    card = examples.token(uid="NEVERLISTED", whitelist="NEVER")
    kept = {"module": "tokens", "object": card, "keep": True, "to": "NL-ABC"}
    assert hubs.msp.control.post("push", json=kept).json()["status_code"] == 1000
    since, path = hubs.mark(), "sender/tokens/NEVERLISTED/authorize"

    named = hubs.abc.call("POST", path, **to("DE-MSP"))
    found = hubs.abc.call("POST", path)  # the operator's hub has its copy of the Token

    for answer in (named, found):
        data = accepted(answer)["data"]
        assert (data["allowed"], data["token"]) == ("ALLOWED", card)
        assert ends(answer.headers) == ("DE*MSP", "NL*ABC")
    assert hubs.asked(since) == {"msp": [("POST", path, "NL*ABC", "DE*MSP")] * 2}


def a_command_its_result_the_session_and_the_cdr_find_their_way(hubs: Hubs) -> None:
    place = next(iter(hubs.abc.control.get("free").json()))
    where = {"to": "NL-ABC", "location": place["location"], "evse": place["evse"]}
    since = hubs.mark()

    sent = hubs.msp.control.post("command", json={"command": "start", "wait": 20, **where}).json()

    assert (sent["response"]["result"], [one["result"] for one in sent["results"]]) == (
        "ACCEPTED",
        ["ACCEPTED"],
    )
    [session] = wait_until(
        lambda: [one for one in hubs.msp.objects("sessions").values() if one["status"] == "ACTIVE"],
        30,
        "the provider has its Session",
    )
    stop = {"command": "stop", "session": session["id"], "wait": 20}
    stopped = hubs.msp.control.post("command", json=stop).json()
    assert [one["result"] for one in stopped["results"]] == ["ACCEPTED"]
    wait_until(lambda: hubs.msp.objects("cdrs"), 30, "the provider has its CDR")
    hubs.settle()
    for module in ("sessions", "cdrs"):
        assert hubs.msp.objects(module) == hubs.abc.objects(module)
        assert hubs.pro.objects(module) == {}
    asked = hubs.asked(since)
    assert asked["abc"] == [
        ("POST", "receiver/commands/START_SESSION", "DE*MSP", "NL*ABC"),
        ("POST", "receiver/commands/STOP_SESSION", "DE*MSP", "NL*ABC"),
    ]
    assert {(sender, receiver) for *_, sender, receiver in asked["msp"]} == {("NL*ABC", "DE*MSP")}
    assert {path.split("/")[1] for _, path, *_ in asked["msp"]} == {"commands", "sessions", "cdrs"}
    assert "ops" not in asked


def a_session_that_names_nobody_goes_through_each_hub_once(hubs: Hubs) -> None:
    since, path = hubs.mark(), "receiver/sessions/NL/ABC/ONCE"

    answer = hubs.abc.call("PUT", path, examples.session(id="ONCE"), **to("NL-HUB"))

    assert (answer.status_code, ends(answer.headers)) == (201, ("NL*HUB", "NL*ABC"))
    assert hubs.asked(since) == {"msp": [("PUT", path, "NL*ABC", "DE*MSP")]}
    correlation = answer.headers["X-Correlation-ID"]
    assert hubs.requests(since)["msp"][0]["correlation_id"] == correlation
    # The first keeps it and sends it on, to the party named; so the second passes it on at once, and sends nothing.
    of_it = "SELECT count(*) FROM exchange_message WHERE module = 'sessions' AND correlation_id = %s"
    assert [hub.sql(of_it, correlation) for hub in (hubs.near, hubs.far)] == [[(1,)], [(0,)]]


def what_is_for_everybody_stays_with_the_clients_of_its_hub(hubs: Hubs) -> None:
    since, path = hubs.mark(), "receiver/locations/NL/ABC/FORALL"

    accepted(hubs.abc.call("PUT", path, location("NL-ABC", "FORALL"), **to("NL-HUB")))

    assert hubs.asked(since) == {"pro": [("PUT", path, "NL*HUB", "AT*PRO")]}
    assert "FORALL" not in {one["id"] for one in hubs.msp.list("locations")}


def and_is_read_there_by_whoever_names_that_hub(hubs: Hubs) -> None:
    found: list[str] = []
    following: str | None = "sender/locations?limit=4"
    while following:
        answer = hubs.msp.call("GET", following, **to("NL-HUB"))
        found += [one["id"] for one in accepted(answer)["data"]]
        assert ends(answer.headers) == ("NL*HUB", "DE*MSP")
        following = ocpi.next_link(answer.headers.get("Link"))
        assert following is None or following.startswith(hubs.far.url)

    # Not what went to one party alone.
    assert found == [*(one["id"] for one in hubs.abc.objects("locations").values()), "FORALL"]


# ----------------------------------------------------------------------------------------------- who is not there
def who_is_at_neither_is_4001_at_once(hubs: Hubs) -> None:
    since = hubs.mark()

    answers = [hubs.abc.call("GET", "sender/tokens", **to("XX-XXX")),
               hubs.msp.call("GET", "sender/locations", **to("XX-XXX"))]  # fmt: skip

    assert [refusal(answer) for answer in answers] == [(200, 4001), (200, 4001)]
    assert [ends(answer.headers) for answer in answers] == [("NL*HUB", "NL*ABC"), ("CH*HU2", "DE*MSP")]
    assert hubs.asked(since) == {}


def while_the_other_hub_is_away_its_clients_are_and_get_the_state_when_it_is_back(hubs: Hubs) -> None:
    since = hubs.mark()
    place, session = "receiver/locations/NL/ABC/MISSED", "receiver/sessions/NL/ABC/MISSED"
    hubs.far.stop()

    direct = hubs.abc.call("PUT", place, location("NL-ABC", "MISSED"), **to("DE-MSP"))
    stored = hubs.abc.call("PUT", session, examples.session(id="MISSED"))
    change = {"name": "Last", "last_updated": LATER}
    again = hubs.abc.call("PATCH", place, change, **to("DE-MSP"))
    near = hubs.abc.call("GET", "sender/tokens", **to("AT-PRO"))

    assert [refusal(direct), refusal(again)] == [(200, 4003), (200, 4003)]
    assert (stored.status_code, accepted(stored)["status_code"]) == (201, 1000)
    assert accepted(near)["data"] == list(hubs.pro.objects("tokens").values())
    hubs.far.start()
    held = wait_until(
        lambda: (
            "NL/ABC/MISSED" in hubs.msp.objects("sessions")
            and hubs.msp.objects("locations").get("NL/ABC/MISSED")
        ),
        90,
        "the provider has both",
    )
    assert held == {**location("NL-ABC", "MISSED"), **change}
    assert sorted(hubs.asked(since)["msp"]) == [
        ("PUT", place, "NL*ABC", "DE*MSP"),
        ("PUT", session, "NL*ABC", "DE*MSP"),
    ]


STORY = (
    a_push_goes_through_both_with_from_and_to_as_they_were,
    a_list_is_read_page_by_page_through_both,
    a_card_is_authorized_by_its_provider_behind_the_other_hub,
    a_command_its_result_the_session_and_the_cdr_find_their_way,
    a_session_that_names_nobody_goes_through_each_hub_once,
    what_is_for_everybody_stays_with_the_clients_of_its_hub,
    and_is_read_there_by_whoever_names_that_hub,
    who_is_at_neither_is_4001_at_once,
    while_the_other_hub_is_away_its_clients_are_and_get_the_state_when_it_is_back,
)


@pytest.mark.row("HUB-09")
def test_an_operator_and_a_provider_at_two_hubs_reach_each_other(new_hub: MakeHub) -> None:
    hubs = two_hubs(new_hub)

    for chapter in STORY:
        chapter(hubs)
