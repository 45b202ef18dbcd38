"""Chapters of test_roaming: two parties that no longer exchange, and what that changes for anybody else."""

from tests import examples
from tests.journeys.hub import Simulated, accepted, refusal
from tests.journeys.processes import wait_until
from tests.journeys.roaming import FIRST, OPERATORS, READERS, Roaming, card_of, location


def agree(roaming: Roaming, *options: str) -> None:
    roaming.hub.manage("agree", "--between", "NL-ABC-CPO", "DE-MSP-EMSP", *options)


def a_pair_that_closes_locations_exchanges_none_and_all_others_what_they_did(roaming: Roaming) -> None:
    agree(roaming, "--module", "locations", "--deny")
    path = "receiver/locations/NL/ABC/CLOSED"

    made = location("NL-ABC", "CLOSED")
    roaming.broadcast("locations", made)
    roaming.broadcast("tariffs", examples.tariff(id="STILL"))
    roaming.missed.add(("msp", "NL/ABC/CLOSED"))

    asked = roaming.asked()
    sent = {who: {one[1] for one in requests} for who, requests in asked.items()}
    tariff = "receiver/tariffs/NL/ABC/STILL"
    assert sent == {who: {path, tariff} if who != "msp" else {tariff} for who in READERS}
    listed = {who: {item["party_id"] for item in roaming[who].list("locations")} for who in READERS}
    operators = {"ABC", "ONE", "TWO", "OPS"}
    assert listed == {who: operators if who != "msp" else operators - {"ABC"} for who in READERS}
    roaming.mark()
    for party, method, body, towards in (
        ("NL-ABC", "PUT", made, "DE-MSP"),
        ("NL-ABC", "GET", None, "DE-MSP"),
    ):
        assert refusal(roaming.call(party, method, path, body, towards=towards)) == (200, 4001)
    assert refusal(roaming.call("DE-MSP", "GET", "sender/locations", towards="NL-ABC")) == (200, 4001)
    assert accepted(roaming.call("DE-MSP", "GET", "sender/tariffs", towards="NL-ABC"))["data"]
    assert accepted(roaming.call("AT-PRO", "GET", "sender/locations", towards="NL-ABC"))["data"]
    assert roaming.asked() == {
        "abc": [
            ("GET", "sender/tariffs", "DE*MSP", "NL*ABC"),
            ("GET", "sender/locations", "AT*PRO", "NL*ABC"),
        ]
    }


def when_it_opens_them_again_everything_is_as_it_was(roaming: Roaming) -> None:
    agree(roaming, "--module", "locations", "--allow")

    roaming.broadcast("locations", location("NL-ABC", "OPEN"))

    path = "receiver/locations/NL/ABC/OPEN"
    assert roaming.asked() == {who: [("PUT", path, "NL*HUB", FIRST[who])] for who in READERS}
    # What went by meanwhile is not sent afterwards; it is read.
    assert "CLOSED" in {item["id"] for item in roaming["msp"].list("locations")}
    assert roaming["msp"].pull() == len(roaming.of_all("locations", "pro"))
    roaming.missed.clear()


def a_pair_that_exchanges_nothing_does_not_find_each_other(roaming: Roaming) -> None:
    agree(roaming, "--module", "locations", "--forget")
    agree(roaming, "--deny")

    session = examples.session(id="REFUSED", cdr_token=card_of("DE-MSP"))
    refused = roaming.call("NL-ABC", "PUT", "receiver/sessions/NL/ABC/REFUSED", session)
    authorized = roaming.call("NL-ABC", "POST", "sender/tokens/X/authorize", towards="DE-MSP")
    assert [refusal(refused), refusal(authorized)] == [(200, 4001), (200, 4001)]
    found = {who: clients(roaming[who]) for who in OPERATORS + READERS}
    assert {who: statuses["DE-MSP"] for who, statuses in found.items() if who in OPERATORS} == {
        "abc": "PLANNED",
        "one": "CONNECTED",
        "ops": "CONNECTED",
    }
    assert {who: statuses["NL-ABC"] for who, statuses in found.items() if who in READERS} == {
        **dict.fromkeys(READERS, "CONNECTED"),
        "msp": "PLANNED",
    }
    assert {statuses["AT-PRO"] for who, statuses in found.items() if who in OPERATORS} == {"CONNECTED"}
    told_to_the_two(roaming, "PLANNED")

    agree(roaming, "--allow")
    told_to_the_two(roaming, "CONNECTED")
    assert clients(roaming["abc"])["DE-MSP"] == clients(roaming["msp"])["NL-ABC"] == "CONNECTED"
    assert roaming.asked() == {}


def told_to_the_two(roaming: Roaming, status: str) -> None:
    """Each hears how the other is now, and no other platform hears anything."""
    about = {"abc": "DE/MSP", "msp": "NL/ABC"}
    for who, other in about.items():
        wait_until(
            lambda who=who, other=other: roaming[who].objects("hubclientinfo")[other]["status"] == status,
            20,
            f"{who} is told",
        )
    roaming.hub.settle()
    pushed = {
        who: {request["path"].partition("/hubclientinfo/")[2] for request in one.requests(roaming.seen[who])}
        for who, one in roaming.cast.items()
    }
    assert {who: paths for who, paths in pushed.items() if any(paths)} == {
        who: {other} for who, other in about.items()
    }


def clients(simulated: Simulated) -> dict[str, str]:
    """Whom a platform finds in the list of clients, and how they are."""
    listed = accepted(simulated.call("GET", "sender/hubclientinfo"))["data"]
    return {f"{one['country_code']}-{one['party_id']}": one["status"] for one in listed}
