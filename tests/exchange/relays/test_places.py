"""How many relays wait at once: for one receiver, of one sender, and all together."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from ocpi_hub.exchange.exceptions import NotConnected
from ocpi_hub.exchange.relays.places import Places, has_room
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.types import PartyRef

ABC, OTHER, MSP = PartyRef("NL", "ABC"), PartyRef("FR", "XYZ"), PartyRef("DE", "MSP")


# ----------------------------------------------------------------------------------------------------- pure
@pytest.mark.parametrize(
    ("running", "limit", "others", "together", "room"),
    [
        (0, 8, 0, 96, True),
        (7, 8, 0, 96, True),
        (8, 8, 0, 96, False),
        (3, 8, 48, 96, True),
        (4, 8, 48, 96, False),
        (0, 8, 95, 96, True),
        (0, 8, 96, 96, False),
        (1, 8, 84, 96, False),
        (1, 8, 83, 96, True),
        (9, 100, 1, 10, False),
    ],
    ids=["first", "alone: the last of its limit", "alone: above it", "half is taken: below half of its limit",
         "half is taken: above that", "the very last place", "none is left", "an eighth is left: one each",
         "more than an eighth: a second", "no limit is above all places"],
)  # fmt: skip
def test_of_its_limit_one_may_use_the_fraction_that_others_leave(running, limit, others, together, room):
    assert has_room(running, limit, others, together) is room


# --------------------------------------------------------------------------------------------------- places
@pytest.fixture
def limits(settings):
    settings.HUB_CONCURRENT_RELAYS = 8
    settings.HUB_RELAYS_TOGETHER = 96
    settings.HUB_RELAYS_OF_ONE = 72


@pytest.fixture
def places(limits):
    return Places()


@pytest.fixture
def hold(places):
    """Takes as many places as there are, at the most so many; how many they were."""
    with ExitStack() as held:

        def hold(platform_id, count, sender=ABC, **own):
            for taken in range(count):
                try:
                    held.enter_context(places.place(Platform(pk=platform_id, **own), Route(sender, MSP)))
                except NotConnected:
                    return taken
            return count

        yield hold


def test_one_that_hangs_has_its_limit_and_no_more(hold):
    assert hold(1, 200) == 8


def test_a_partner_may_have_a_limit_of_its_own(hold):
    assert [hold(1, 200, concurrent_relays=2), hold(2, 200, concurrent_relays=20)] == [2, 20]


def test_ten_that_hang_leave_places_for_others(hold):
    in_turn = Counter()
    for _ in range(8):
        for platform_id in range(10):
            in_turn[platform_id] += hold(platform_id, 1)

    hanging = in_turn.total()
    others = [hold(100 + number, 1) for number in range(10)]

    assert (set(in_turn.values()), hanging) == ({5}, 50)
    assert others == [1] * 10
    assert hold(200, 8) == 3


def test_twenty_that_hang_one_after_the_other_leave_places_for_others(hold):
    hanging = [hold(platform_id, 8, OTHER) for platform_id in range(20)]

    assert sum(hanging) < 96
    assert hanging == sorted(hanging, reverse=True)
    assert [hold(100 + number, 1) for number in range(5)] == [1] * 5


def test_one_sender_leaves_places_for_others(hold):
    taken = sum(hold(platform_id, 1) for platform_id in range(100))

    assert taken == 72
    assert hold(200, 8, OTHER) == 2


def test_one_sender_does_not_shut_a_receiver_to_the_others(hold):
    assert hold(1, 200) == 8

    each_of_others = [hold(1, 2, PartyRef("FR", f"P{number}")) for number in range(6)]

    assert each_of_others == [1, 1, 1, 1, 0, 0]
    assert hold(1, 1) == 0


def test_the_refusal_says_whose_requests_are_too_many(places, hold, settings):
    hold(1, 8)
    settings.HUB_RELAYS_OF_ONE = 8

    with pytest.raises(NotConnected) as receiver, places.place(Platform(pk=1), Route(ABC, MSP)):
        pass
    with pytest.raises(NotConnected) as sender, places.place(Platform(pk=2), Route(ABC, MSP)):
        pass

    assert str(receiver.value) == "too many requests wait for DE*MSP already; try again in a moment"
    assert str(sender.value) == "too many of your requests wait for other parties; try again in a moment"


def test_every_place_is_given_back_after_errors_too(places):
    for _ in range(100):
        with pytest.raises(ZeroDivisionError), places.place(Platform(pk=1), Route(ABC, MSP)):
            1 / 0  # noqa: B018

    assert (places._for, places._of, places._between, places._taken) == (Counter(), Counter(), Counter(), 0)


def test_threads_that_come_at_once_take_no_more_than_there_are(places):
    """Two hundred for one partner; those who got a place wait until everybody has been told."""
    together, told = threading.Barrier(200), threading.Barrier(200)

    def relay(number):
        together.wait(60)
        try:
            with places.place(Platform(pk=1), Route(ABC, MSP)):
                told.wait(60)
                return True
        except NotConnected:
            told.wait(60)
            return False

    with ThreadPoolExecutor(200) as threads:
        got = list(threads.map(relay, range(200)))

    assert sum(got) == 8
    assert places._taken == 0
