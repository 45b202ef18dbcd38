"""Chapters of test_roaming: two parties that no longer exchange, and what that changes for anybody else."""

from tests import examples
from tests.journeys.hub import accepted, refusal
from tests.journeys.roaming import FIRST, READERS, Roaming, location


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
