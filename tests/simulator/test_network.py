"""What the simulators invent is valid OCPI and the same on every run."""

import pytest

from ocpi_hub.protocol import codec
from ocpi_hub.protocol.locations import Location
from ocpi_hub.protocol.tokens import Token
from simulator import cards, network
from simulator.objects import head
from simulator.ocpi import Party, decode

PARTIES = (Party("NL", "ABC"), Party("DE", "XYZ"))


@pytest.mark.parametrize(
    ("maker", "struct"), [(network.locations, Location), (cards.tokens, Token)], ids=["locations", "tokens"]
)
def test_every_object_is_valid(maker, struct):
    for raw in maker(PARTIES, 1_000, "7"):
        codec.read(raw, struct)


@pytest.mark.parametrize("maker", [network.locations, cards.tokens])
def test_an_object_depends_on_seed_and_number_only(maker):
    few, many = list(maker(PARTIES, 20, "1")), list(maker(PARTIES, 200, "1"))

    assert many[:20] == few
    assert list(maker(PARTIES, 20, "2")) != few


def test_parties_take_turns():
    owners = [head(raw).owner for raw in network.locations(PARTIES, 4, "1")]

    assert owners == [*PARTIES, *PARTIES]


def test_the_network_has_small_and_large_locations_with_slow_and_fast_chargers():
    locations = [decode(raw) for raw in network.locations(PARTIES, 200, "1")]

    evses = [evse for location in locations for evse in location["evses"]]
    sizes = {len(location["evses"]) for location in locations}
    assert min(sizes) == 1
    assert max(sizes) == 12
    assert {"AC_1_PHASE", "AC_3_PHASE", "DC"} == {evse["connectors"][0]["power_type"] for evse in evses}
    assert len({evse["uid"] for evse in evses}) == len(evses)


def test_tokens_have_unique_keys_and_some_are_apps():
    tokens = [decode(raw) for raw in cards.tokens(PARTIES, 200, "1")]

    assert len({(token["uid"], token["type"]) for token in tokens}) == 200
    assert {token["type"] for token in tokens} == {"RFID", "APP_USER"}
