"""Which parties a platform may speak for."""

import pytest

from ocpi_hub.partners import claims
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Party, Platform
from ocpi_hub.protocol.credentials import CredentialsRole
from ocpi_hub.protocol.locations import BusinessDetails

pytestmark = pytest.mark.django_db


def role(text, name="Name"):
    country_code, party_id, of = text.split("-")
    return CredentialsRole(
        role=of, country_code=country_code, party_id=party_id, business_details=BusinessDetails(name=name)
    )


def announce(platform, *texts):
    claims.announce(platform, [role(text) for text in texts])


def roles(platform):
    return {party.key: party.roles for party in platform.parties.all()}


@pytest.fixture
def platform():
    return Platform.objects.create(name="New")


@pytest.mark.parametrize("text", ["NL-ABC-CPO", " nl-abc-cpo ", "Nl-aBc-Cpo"])
def test_a_claim_is_read_from_text(text):
    assert str(Claim.parse(text)) == "NL-ABC-CPO"


@pytest.mark.parametrize(
    "text", ["", "NL", "NL-ABC", "NLD-ABC-CPO", "NL--CPO", "NL-ABCD-CPO", "NL-ABC-CPO-X"]
)
def test_what_is_no_claim_is_refused(text):
    with pytest.raises(ValueError, match="is not of the form NL-ABC-CPO"):
        Claim.parse(text)


def test_a_platform_without_an_agreement_announces_what_nobody_else_holds(platform):
    announce(platform, "NL-ABC-CPO", "NL-ABC-EMSP", "be-two-CPO")

    assert roles(platform) == {"NL*ABC": ["CPO", "EMSP"], "BE*TWO": ["CPO"]}
    party = platform.parties.get(key="NL*ABC")
    assert party.business_details == {"CPO": {"name": "Name"}, "EMSP": {"name": "Name"}}


def test_what_was_agreed_may_be_announced_whatever_its_case(platform):
    claims.invite(platform, [Claim.parse("NL-ABC-CPO"), Claim.parse("NL-ABC-EMSP")])
    announce(platform, "nl-abc-CPO")

    assert roles(platform) == {"NL*ABC": ["CPO"]}
    assert platform.parties.get().country_code == "nl"


@pytest.mark.parametrize("text", ["NL-ABC-EMSP", "NL-XYZ-CPO"])
def test_what_was_not_agreed_is_refused_as_a_whole(platform, text):
    claims.invite(platform, [Claim.parse("NL-ABC-CPO")])
    with pytest.raises(ClaimRefused) as refused:
        announce(platform, "NL-ABC-CPO", text)

    assert str(refused.value) == (
        f"{text} was not agreed with the operator of this hub, who expects NL-ABC-CPO"
    )
    assert roles(platform) == {"NL*ABC": []}


def test_a_party_of_another_platform_is_refused(platform, cpo):
    for act in (
        lambda: announce(platform, "nl-abc-CPO"),
        lambda: claims.invite(platform, [Claim.parse("NL-ABC-EMSP")]),
    ):
        with pytest.raises(ClaimRefused, match=r"already belongs to another platform of this hub"):
            act()

    assert Party.objects.get(key="NL*ABC").platform == cpo.platform


def test_an_announcement_replaces_the_one_before(platform):
    announce(platform, "NL-ABC-CPO", "BE-TWO-CPO")
    announce(platform, "NL-ABC-EMSP")

    assert roles(platform) == {"NL*ABC": ["EMSP"], "BE*TWO": []}


def test_inviting_twice_adds_roles(platform):
    claims.invite(platform, [Claim.parse("NL-ABC-CPO")])
    claims.invite(platform, [Claim.parse("NL-ABC-EMSP"), Claim.parse("NL-ABC-CPO")])

    assert platform.parties.get().invited_roles == ["CPO", "EMSP"]
