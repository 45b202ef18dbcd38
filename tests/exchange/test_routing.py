"""From whom, to whom."""

import pytest

from ocpi_hub.exchange.exceptions import InvalidParameters, UnknownReceiver
from ocpi_hub.exchange.routing import (
    Receiver,
    Route,
    from_whom,
    hub_party,
    interfaces,
    receivers,
    to_whom,
    towards,
)
from ocpi_hub.partners.models import Agreement, Party
from ocpi_hub.protocol.headers import Routing
from ocpi_hub.protocol.types import PartyRef
from tests.partners import register
from tokens.models import Token

ABC, MSP = PartyRef("NL", "ABC"), PartyRef("DE", "MSP")


def route(routing, platform):
    return to_whom(from_whom(routing, platform), routing, "locations", "RECEIVER")


@pytest.mark.parametrize(
    "routing",
    [Routing(), Routing(sender=ABC), Routing(to=PartyRef("nl", "hub"), sender=PartyRef("nl", "abc"))],
)
def test_a_message_to_the_hub_or_to_nobody_is_the_hubs(cpo, routing):
    found = route(routing, cpo.platform)

    assert found.sender.key == "NL*ABC"
    assert found.answer_headers()["OCPI-from-party-id"] == "HUB"
    assert found.answer_headers()["OCPI-to-party-id"].upper() == "ABC"


@pytest.mark.parametrize(
    ("routing", "error", "message"),
    [
        (
            Routing(sender=MSP),
            InvalidParameters,
            r"OCPI-from names DE\*MSP, which is no party of your platform",
        ),
        (
            Routing(to=PartyRef("BE", "NIX")),
            UnknownReceiver,
            r"OCPI-to names BE\*NIX, and this hub knows no such",
        ),
    ],
)
def test_other_messages_are_refused(cpo, emsp, routing, error, message):
    with pytest.raises(error, match=message):
        route(routing, cpo.platform)


def test_a_message_to_another_party_goes_there(cpo, emsp):
    found = route(Routing(to=PartyRef("de", "msp"), sender=ABC), cpo.platform)

    assert (found.sender, found.to.key) == (ABC, "DE*MSP")
    assert found.answer_headers()["OCPI-from-party-id"].upper() == "MSP"
    assert found.own_headers()["OCPI-from-party-id"] == "HUB"


def test_an_invited_party_is_known_before_it_announced_a_role(cpo, emsp):
    Party.objects.filter(key="DE*MSP").update(roles=[], invited_roles=["EMSP"])

    assert route(Routing(to=MSP), cpo.platform).to == MSP


def test_a_party_that_has_announced_no_role_is_nobody(cpo, emsp):
    Party.objects.filter(key="DE*MSP").update(roles=[])

    with pytest.raises(UnknownReceiver):
        route(Routing(to=MSP), cpo.platform)
    with pytest.raises(InvalidParameters):
        route(Routing(sender=MSP), emsp.platform)


@pytest.mark.django_db
def test_who_speaks_for_several_parties_says_for_which(network):
    partner = register(network, "BIG", "BE-ONE-CPO", "BE-TWO-CPO")

    found = route(Routing(sender=PartyRef("BE", "TWO")), partner.platform)
    assert found == Route(PartyRef("BE", "TWO"), roles=frozenset({"CPO"}))
    with pytest.raises(InvalidParameters, match="speaks for more than one party"):
        route(Routing(), partner.platform)


def test_an_addressee_comes_with_all_that_is_needed_to_get_there(cpo, emsp, django_assert_num_queries):
    asked = Route(ABC)

    with django_assert_num_queries(1):
        found = towards(asked, MSP, "locations", "RECEIVER")
        read = (found.party.platform.name, found.party.endpoint)

    assert read == (emsp.platform.name, emsp.platform.endpoint("locations", "RECEIVER"))
    assert towards(asked, MSP, "nonsense", "RECEIVER").party.endpoint is None


@pytest.mark.parametrize(
    ("module", "allowed", "locations", "tokens"),
    [("", False, False, False), ("locations", False, False, True), ("", True, True, True)],
)
def test_whoever_has_no_agreement_is_not_reached(cpo, emsp, module, allowed, locations, tokens):
    Agreement.objects.create(first="DE*MSP", second="NL*ABC", module=module, allowed=allowed)
    for name, is_reached in (("locations", locations), ("tokens", tokens)):
        if is_reached:
            assert towards(Route(ABC), MSP, name, "RECEIVER").party.key == "DE*MSP"
            continue
        with pytest.raises(UnknownReceiver) as refused:
            towards(Route(ABC), MSP, name, "RECEIVER")
        assert str(refused.value) == (
            f"NL*ABC and DE*MSP have no agreement on {name} at this hub; its operator makes one"
        )


def test_the_receivers_of_tokens_are_operators(cpo, emsp, stranger):
    assert list(receivers(Token)) == [
        Receiver(cpo.platform.pk, "NL*ABC", ["NL*ABC"]),
        Receiver(stranger.platform.pk, "FR*XYZ", ["FR*XYZ"]),
    ]


def test_every_module_is_offered_both_ways_and_credentials_once(settings):
    settings.OCPI_MODULES = ["locations"]

    assert interfaces() == [
        ("credentials", "SENDER"),
        ("locations", "SENDER"),
        ("locations", "RECEIVER"),
    ]
    assert hub_party() == PartyRef("NL", "HUB")
