"""Why a platform has an object, or has it not."""

from datetime import UTC, datetime

import pytest

from locations.models import Location
from ocpi_hub.exchange.explaining import whynot
from ocpi_hub.exchange.explaining.whynot import Facts, Urgency, decide, decisive
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Endpoint, Platform, Status
from tests import examples
from tests.partners import register

NINE, TEN, ELEVEN = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (9, 10, 11))
WHOLE = "NL/ABC/LOC1"
EVSE = f"{WHOLE}/EVSE1"
BEHIND = {"status": Status.OFFLINE, "breaker_open": True}


def delivery(state, key=WHOLE, **more):
    return Delivery(state=state, key=key, **more)


DELIVERED = delivery("DELIVERED", finished_at=TEN)
WAITING = delivery("PENDING", next_attempt_at=ELEVEN)


@pytest.mark.parametrize(
    ("facts", "word", "text"),
    [
        ({"owns": True, "delivery": WAITING}, "not sent", "the object is its own"),
        ({"status": Status.SUSPENDED}, "not sent", "it is suspended"),
        (
            {"status": Status.SUSPENDED, "registered": False, "delivery": DELIVERED},
            "not sent",
            "it is suspended; delivered before, at 2026-03-01 10:00:00",
        ),
        (
            {"status": Status.PLANNED, "registered": False},
            "not sent",
            "it is invited and has not registered yet",
        ),
        ({"delivery": DELIVERED}, "delivered", "at 2026-03-01 10:00:00"),
        (
            {"delivery": DELIVERED, "changed_at": ELEVEN, "behind": True},
            "delivered",
            "at 2026-03-01 10:00:00, before the last change at 2026-03-01 11:00:00",
        ),
        (
            {"delivery": DELIVERED, "changed_at": ELEVEN, "behind": True, "agreed": False},
            "delivered",
            "at 2026-03-01 10:00:00, before the last change at 2026-03-01 11:00:00;"
            " it has no agreement with the owner on this module",
        ),
        (
            {"direct": True, "delivery": DELIVERED},
            "delivered",
            "by its owner directly, at 2026-03-01 09:00:00",
        ),
        ({"direct": True, "delivery": WAITING}, "waiting", "next try at 2026-03-01 11:00:00"),
        ({"agreed": False}, "not sent", "it has no agreement with the owner on this module"),
        ({"delivery": delivery("FAILED", reason="HTTP 404")}, "given up", "HTTP 404"),
        ({"delivery": delivery("ABSORBED", reason="it left")}, "covered", "it left"),
        ({"delivery": delivery("SENDING")}, "sending", "a worker sends it now"),
        ({"delivery": WAITING}, "waiting", "next try at 2026-03-01 11:00:00"),
        (
            {"delivery": delivery("PENDING", next_attempt_at=ELEVEN, reason="HTTP 500")},
            "waiting",
            "next try at 2026-03-01 11:00:00; the last try said: HTTP 500",
        ),
        (
            {"delivery": WAITING, "probe_at": TEN, **BEHIND},
            "held",
            "partner offline, next probe at 2026-03-01 10:00:00",
        ),
        ({"delivery": WAITING, **BEHIND}, "held", "partner offline, next probe as soon as possible"),
        (
            {"delivery": WAITING, "probe_at": TEN, "breaker_open": True},
            "held",
            "it failed on the last ones, next probe at 2026-03-01 10:00:00",
        ),
        ({"delivery": WAITING, "status": Status.OFFLINE}, "waiting", "next try at 2026-03-01 11:00:00"),
        ({"brought": True}, "not sent", "it is the one that brought the object"),
        ({"may_see": False}, "not sent", "none of its parties has a role that may see it"),
        ({"addressed": False}, "not sent", "the object is for another party alone"),
        ({"pull_only": True}, "not sent", "it is pull only: it fetches its data itself"),
        ({"takes": False}, "not sent", "it has no Receiver endpoint for this module"),
        ({"takes": False, "expanding": True}, "not sent", "it has no Receiver endpoint for this module"),
        ({"expanding": True}, "waiting", "a change waits for a worker to turn it into deliveries"),
        (
            {"connected_at": TEN},
            "not sent",
            "the object is older than its registration: it fetches it by pull",
        ),
        (
            {"connected_at": NINE},
            "not sent",
            "no delivery is on record; finished ones are kept for 90 days",
        ),
    ],
)
def test_what_is_known_decides(facts, word, text):
    answer = decide(Facts(**{"changed_at": NINE, **facts}))

    assert (answer.word, answer.text) == (word, text)


def test_what_needs_somebody_is_read_first():
    facts = [
        {"delivery": DELIVERED},
        {"owns": True},
        {"delivery": delivery("SENDING")},
        {"delivery": WAITING},
        {"expanding": True},
        {"delivery": DELIVERED, "changed_at": ELEVEN, "behind": True},
        {"delivery": WAITING, **BEHIND},
        {"delivery": delivery("FAILED", reason="HTTP 404")},
    ]
    found = [decide(Facts(**{"changed_at": NINE, **more})).urgency.name for more in facts]

    assert found == ["DELIVERED", "NOT_SENT", "WAITING", "WAITING", "WAITING", "BEHIND", "HELD", "GIVEN_UP"]
    assert [urgency.name for urgency in Urgency] == [
        "GIVEN_UP", "HELD", "BEHIND", "WAITING", "NOT_SENT", "DELIVERED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([], None),
        ([("DELIVERED", WHOLE)], 0),
        ([("DELIVERED", EVSE), ("FAILED", WHOLE)], 1),
        ([("DELIVERED", WHOLE), ("FAILED", WHOLE)], 0),
        ([("DELIVERED", WHOLE), ("FAILED", EVSE)], 0),
        ([("DELIVERED", EVSE), ("PENDING", WHOLE)], 1),
        ([("FAILED", EVSE), ("SENDING", WHOLE)], 1),
        ([("ABSORBED", EVSE), ("DELIVERED", WHOLE)], 1),
        ([("ABSORBED", EVSE), ("ABSORBED", WHOLE)], 0),
    ],
)
def test_of_several_deliveries_one_counts(rows, counts):
    deliveries = [delivery(state, key) for state, key in rows]

    found = decisive(deliveries, WHOLE)

    assert found is (None if counts is None else deliveries[counts])


def test_every_platform_gets_an_answer(cpo, emsp, stranger, network, deliver):
    mute = register(network, "MUTE", "BE-MUT-EMSP")
    Endpoint.objects.filter(platform=mute.platform).delete()
    pulls = register(network, "PULLS", "BE-PUL-EMSP")
    Platform.objects.filter(pk=pulls.platform.pk).update(pull_only=True)
    Platform.objects.create(name="Newcomer")

    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    before = words()
    deliver()

    assert before == {
        "ABC": "not sent", "MSP": "waiting", "XYZ": "waiting", "MUTE": "not sent", "PULLS": "not sent",
        "Newcomer": "not sent",
    }  # fmt: skip
    assert words() == {**before, "MSP": "delivered", "XYZ": "delivered"}


def test_the_number_of_queries_does_not_grow(cpo, emsp, network, deliver, django_assert_num_queries):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    for name in ("AAA", "BBB", "CCC"):
        register(network, name, f"BE-{name}-EMSP")
    deliver()
    location = Location.objects.get()

    with django_assert_num_queries(8):
        whynot.answers(location)


def words():
    return {platform.name: answer.word for platform, answer in whynot.answers(Location.objects.get())}


def test_a_closed_pair_is_told_unless_another_party_of_the_platform_gets_it(cpo, emsp, network, deliver):
    register(network, "TWO", "BE-ONE-EMSP", "BE-TWO-EMSP")
    agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=False)
    agreements.settle("NL*ABC", "BE*ONE", "", allowed=False)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    found = {platform.name: answer for platform, answer in whynot.answers(Location.objects.get())}

    assert (found["MSP"].word, found["MSP"].text) == (
        "not sent",
        "it has no agreement with the owner on this module",
    )
    assert found["TWO"].word == "delivered"
