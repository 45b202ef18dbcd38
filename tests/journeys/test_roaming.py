"""Three operators, three providers, one of each with several parties, an NSP and an OTHER: who gets what, and who not.

Every chapter ends with a look at everybody's store: nobody holds anything that is not its own to have.
"""

from typing import Any

import pytest

from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import accepted, refusal
from tests.journeys.pairs import (
    a_pair_that_closes_locations_exchanges_none_and_all_others_what_they_did,
    a_pair_that_exchanges_nothing_does_not_find_each_other,
    when_it_opens_them_again_everything_is_as_it_was,
)
from tests.journeys.processes import wait_until
from tests.journeys.roaming import CAST, FIRST, OPERATORS, READERS, Roaming, card_of, ends, key_of, location

pytestmark = pytest.mark.journey

LATER = "2026-03-02T08:00:00Z"


def whoever_comes_is_filled_by_reading(roaming: Roaming) -> None:
    """Nothing older than a platform was pushed to it; the look at the stores says that it has everything."""
    listed = {who: {module: len(roaming[who].list(module)) for module in roaming.holds(who)} for who in CAST}

    everything = {"locations": 12, "tariffs": 12, "sessions": 0, "cdrs": 0}
    assert listed == {
        **{who: {"tokens": 12} for who in OPERATORS},
        **dict.fromkeys(READERS, everything),
    }


def each_is_told_of_those_whom_it_may_reach(roaming: Roaming) -> None:
    operators = {party for who in OPERATORS for party in CAST[who].parties}
    others = {party for who in READERS for party in CAST[who].parties}

    for who in CAST:
        accepted(roaming[who].call("GET", "sender/hubclientinfo"))
        assert roaming[who].control.post("pull", json={"module": "hubclientinfo"}).status_code == 200
        clients = roaming[who].objects("hubclientinfo")
        met = {key.replace("/", "-"): client["status"] for key, client in clients.items()}
        assert met == dict.fromkeys(others if who in OPERATORS else operators, "CONNECTED"), who


# -------------------------------------------------------------------------------------------------- broadcast
def a_location_reaches_whoever_may_see_it_from_the_hub(roaming: Roaming) -> None:
    made = location("BE-TWO", "BROADCAST")
    path = "receiver/locations/BE/TWO/BROADCAST"

    answer = roaming.broadcast("locations", made)

    assert (answer.status_code, ends(answer.headers)) == (201, ("NL*HUB", "BE*TWO"))
    assert roaming.asked() == {who: [("PUT", path, "NL*HUB", FIRST[who])] for who in READERS}
    requests = [request for (request,) in roaming.requests().values()]
    assert {request["correlation_id"] for request in requests} == {answer.headers["X-Correlation-ID"]}
    assert len({request["request_id"] for request in requests}) == len(READERS)
    assert [request["body"] for request in requests] == [made] * len(READERS)


def a_change_and_a_deletion_reach_the_same_ones(roaming: Roaming) -> None:
    made = location("BE-TWO", "CHANGED")
    roaming.broadcast("locations", made)
    roaming.broadcast("tariffs", examples.tariff(country_code="BE", party_id="ONE", id="GONE"))
    roaming.asked()
    roaming.mark()
    evse, tariff = "receiver/locations/BE/TWO/CHANGED/EVSE1", "receiver/tariffs/BE/ONE/GONE"

    accepted(roaming.call("BE-TWO", "PATCH", evse, {"status": "BLOCKED", "last_updated": LATER}))
    accepted(roaming.call("BE-ONE", "DELETE", tariff))

    asked = roaming.asked()
    assert {who: sorted(requests) for who, requests in asked.items()} == {
        who: [("DELETE", tariff, "NL*HUB", FIRST[who]), ("PATCH", evse, "NL*HUB", FIRST[who])]
        for who in READERS
    }
    made["evses"][0] |= {"status": "BLOCKED", "last_updated": LATER}
    made["last_updated"] = LATER
    del roaming.sent["tariffs"]["BE/ONE/GONE"]


def a_token_reaches_operators_only(roaming: Roaming) -> None:
    made = examples.token(country_code="IT", party_id="BBB", uid="BROADCAST")

    roaming.broadcast("tokens", made)

    path = "receiver/tokens/IT/BBB/BROADCAST?type=RFID"
    assert roaming.asked() == {who: [("PUT", path, "NL*HUB", FIRST[who])] for who in OPERATORS}


# ----------------------------------------------------------------------------------------------------- direct
def what_is_for_one_party_stays_between_the_two(roaming: Roaming) -> None:
    made = location("BE-TWO", "BETWEEN")
    path = "receiver/locations/BE/TWO/BETWEEN"

    answer = roaming.call("BE-TWO", "PUT", path, made, towards="IT-BBB")
    roaming.told["duo"]["locations"]["BE/TWO/BETWEEN"] = made

    assert (answer.status_code, accepted(answer)["status_code"]) == (201, 1000)
    assert ends(answer.headers) == ("IT*BBB", "BE*TWO")
    assert roaming.asked() == {"duo": [("PUT", path, "BE*TWO", "IT*BBB")]}
    listed = {who: {item["id"] for item in roaming[who].list("locations")} for who in READERS}
    assert all("BETWEEN" not in ids for ids in listed.values())


def one_party_asks_another_and_learns_what_it_has(roaming: Roaming) -> None:
    [theirs, *_] = [one for one in roaming["one"].objects("locations").values() if one["party_id"] == "TWO"]

    answer = roaming.call("IT-BBB", "GET", f"sender/locations/{theirs['id']}", towards="BE-TWO")

    assert accepted(answer)["data"] == theirs
    assert ends(answer.headers) == ("BE*TWO", "IT*BBB")
    assert roaming.asked() == {"one": [("GET", f"sender/locations/{theirs['id']}", "IT*BBB", "BE*TWO")]}


def who_cannot_be_asked_is_not_and_the_hub_says_so(roaming: Roaming) -> None:
    nobody = roaming.call("DE-MSP", "GET", "sender/locations", towards="XX-XXX")
    without_the_interface = roaming.call("DE-MSP", "GET", "receiver/tokens/DE/MSP/ANY", towards="IT-AAA")

    assert [refusal(nobody), refusal(without_the_interface)] == [(200, 4001), (200, 4000)]
    assert ends(nobody.headers) == ends(without_the_interface.headers) == ("NL*HUB", "DE*MSP")
    assert roaming.asked() == {}


# ---------------------------------------------------------------------------------- Sessions, CDRs, and who may
def a_session_and_a_cdr_reach_the_owner_of_the_token_only(roaming: Roaming, towards: str = "NL-HUB") -> None:
    object_id = f"CHARGE-{towards}"
    owned = {"country_code": "FR", "party_id": "OPS", "id": object_id, "cdr_token": card_of("IT-BBB")}
    session, cdr = examples.session(**owned), examples.cdr(**owned)
    path = f"receiver/sessions/FR/OPS/{object_id}"

    started = roaming.call("FR-OPS", "PUT", path, session, towards=towards)
    billed = roaming.call("FR-OPS", "POST", "receiver/cdrs", cdr, towards=towards)

    assert (started.status_code, billed.status_code) == (201, 201)
    assert ends(started.headers) == ends(billed.headers) == ("NL*HUB", "FR*OPS")
    asked = roaming.asked()
    assert {who: sorted(requests) for who, requests in asked.items()} == {
        "duo": [("POST", "receiver/cdrs", "FR*OPS", "IT*BBB"), ("PUT", path, "FR*OPS", "IT*BBB")]
    }
    roaming.told["duo"]["sessions"][f"FR/OPS/{object_id}"] = session
    roaming.told["duo"]["cdrs"][f"FR/OPS/{object_id}"] = cdr
    assert accepted(roaming["ops"].call("GET", billed.headers["Location"]))["data"] == cdr
    for who in READERS:
        listed = {item["id"] for item in roaming[who].list("sessions?date_from=2020-01-01T00:00:00Z")}
        assert (object_id in listed) == (who == "duo")


def also_when_they_name_nobody(roaming: Roaming) -> None:
    a_session_and_a_cdr_reach_the_owner_of_the_token_only(roaming, towards="")


def a_session_of_nobody_here_is_4001_and_reaches_nobody(roaming: Roaming) -> None:
    made = examples.session(country_code="FR", party_id="OPS", id="LOST", cdr_token=card_of("XX-XXX"))

    answer = roaming.call("FR-OPS", "PUT", "receiver/sessions/FR/OPS/LOST", made)

    assert refusal(answer) == (200, 4001)
    assert roaming.asked() == {}


def a_card_is_authorized_by_its_provider_and_an_unknown_one_by_nobody(roaming: Roaming) -> None:
    card = examples.token(country_code="IT", party_id="BBB", uid="NEVERLISTED", whitelist="NEVER")
    order = {"module": "tokens", "object": card, "keep": True, "from": "IT-BBB"}
    assert roaming["duo"].control.post("push", json=order).json()["status_code"] == 1000
    roaming.asked()
    roaming.mark()

    known = roaming.call("FR-OPS", "POST", "sender/tokens/NEVERLISTED/authorize", towards="")

    data = accepted(known)["data"]
    assert (data["allowed"], data["token"]) == ("ALLOWED", card)
    assert ends(known.headers) == ("IT*BBB", "FR*OPS")
    path = "sender/tokens/NEVERLISTED/authorize"
    assert roaming.asked() == {"duo": [("POST", path, "FR*OPS", "IT*BBB")]}

    # Who wants to be asked about cards that the hub does not know is asked, each party in its own name.
    roaming.mark()
    unknown = roaming.call("FR-OPS", "POST", "sender/tokens/NOBODYS/authorize", towards="")
    assert (refusal(unknown), roaming.asked()) == ((404, 2004), {})
    flag = "UPDATE partners_platform SET asked_about_unknown_tokens = %s WHERE id = ANY(%s)"
    flagged = [roaming[who].platform_id for who in ("pro", "duo")]
    roaming.hub.sql(flag, True, flagged)
    unknown = roaming.call("FR-OPS", "POST", "sender/tokens/NOBODYS/authorize", towards="")
    roaming.hub.sql(flag, False, flagged)
    assert (refusal(unknown), ends(unknown.headers)) == ((404, 2004), ("NL*HUB", "FR*OPS"))
    asked = {who: sorted(receiver for *_, receiver in requests) for who, requests in roaming.asked().items()}
    assert asked == {"pro": ["AT*PRO"], "duo": ["IT*AAA", "IT*BBB"]}


def a_command_goes_to_the_operator_of_the_place_and_its_result_comes_back(roaming: Roaming) -> None:
    place = next(iter(roaming["abc"].control.get("free").json()))
    # Other operators have a Location of that id, too.
    where = {"to": "NL-ABC", "location": place["location"], "evse": place["evse"]}
    order = {"command": "start", "wait": 15, **where}

    sent = roaming["msp"].control.post("command", json=order).json()

    assert (sent["response"]["result"], [one["result"] for one in sent["results"]]) == (
        "ACCEPTED",
        ["ACCEPTED"],
    )
    command = ("POST", "receiver/commands/START_SESSION", "DE*MSP", "NL*ABC")
    assert [one for one in roaming.asked()["abc"] if "/commands/" in one[1]] == [command]
    (result,) = [one for one in roaming.asked()["msp"] if "/commands/" in one[1]]
    assert (result[0], *result[2:]) == ("POST", "NL*ABC", "DE*MSP")
    # The Session, and its CDR, follow to the provider alone; the others see the EVSE change.
    session = wait_until(lambda: roaming["abc"].objects("sessions"), 20, "the charge has begun")
    stop = {"command": "stop", "session": next(iter(session.values()))["id"], "wait": 1}
    stopped = wait_until(lambda: stopping(roaming, stop), 20, "the provider knows its Session and stops it")
    assert [one["result"] for one in stopped["results"]] == ["ACCEPTED"]
    wait_until(lambda: len(roaming["msp"].objects("cdrs")) == 1, 30, "the CDR is at the provider")
    modules = {who: {one[1].split("/")[1] for one in requests} for who, requests in roaming.asked().items()}
    assert modules == {
        "abc": {"commands"},
        "msp": {"commands", "sessions", "cdrs", "locations"},
        **{who: {"locations"} for who in READERS if who != "msp"},
    }


def stopping(roaming: Roaming, order: dict[str, Any]) -> dict[str, Any] | None:
    sent = roaming["msp"].control.post("command", json=order).json()
    return sent if sent.get("results") else None


# ---------------------------------------------------------------------------------------------- lists of many owners
def lists_have_everybodys_objects_under_their_owners(roaming: Roaming) -> None:
    for who in CAST:
        for module in ("locations", "tariffs", "tokens"):
            listed = roaming[who].list(f"{module}?limit=5")
            everything = roaming.of_all(module, who)
            assert {key_of(item): item for item in listed} == everything, (who, module)
            assert len(listed) == len(everything)
            assert "HUB" not in {item["party_id"] for item in listed}


# -------------------------------------------------------------------------------------------------- all of it
STORY = (
    whoever_comes_is_filled_by_reading,
    each_is_told_of_those_whom_it_may_reach,
    a_location_reaches_whoever_may_see_it_from_the_hub,
    a_change_and_a_deletion_reach_the_same_ones,
    a_token_reaches_operators_only,
    what_is_for_one_party_stays_between_the_two,
    one_party_asks_another_and_learns_what_it_has,
    who_cannot_be_asked_is_not_and_the_hub_says_so,
    a_session_and_a_cdr_reach_the_owner_of_the_token_only,
    also_when_they_name_nobody,
    a_session_of_nobody_here_is_4001_and_reaches_nobody,
    a_card_is_authorized_by_its_provider_and_an_unknown_one_by_nobody,
    a_command_goes_to_the_operator_of_the_place_and_its_result_comes_back,
    lists_have_everybodys_objects_under_their_owners,
    a_pair_that_closes_locations_exchanges_none_and_all_others_what_they_did,
    when_it_opens_them_again_everything_is_as_it_was,
    a_pair_that_exchanges_nothing_does_not_find_each_other,
)


def test_everybody_gets_what_is_theirs_and_nothing_else(new_hub: MakeHub) -> None:
    roaming = Roaming(new_hub())

    for chapter in STORY:
        roaming.mark()
        chapter(roaming)
        roaming.must_hold_exactly_what_they_may()
