"""The list "who has it" on an object's page: with many partners it begins with what needs somebody."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from locations.models import Location
from ocpi_hub.exchange.admin.ownedobjects import MOST_ANSWERS
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners.models import Party, Platform, Status
from tests import examples
from tests.partners import Partner


@pytest.fixture
def location(cpo: Partner, emsp: Partner, deliver: object) -> Location:
    """One that MSP has been given up on."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    Delivery.objects.update(state=Delivery.State.FAILED, reason="HTTP 404")
    return Location.objects.get()


def invite(count: int) -> None:
    for number in range(count):
        platform = Platform.objects.create(name=f"Invited {number:03}", status=Status.PLANNED)
        Party.objects.create(platform=platform, country_code="SE", party_id=f"{number:03}")


def who_has_it(location: Location) -> tuple[list[str], str, list[str]]:
    """Names that are shown at once, the summary of the others, and their names."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    page = client.get(reverse("admin:locations_location_change", args=[location.pk])).content.decode()
    shown = page.partition("Who has it:")[2].partition("all deliveries of this object")[0]
    first, _, rest = shown.partition("<details>")
    summary = re.search("<summary>(.*)</summary>", rest)
    return names(first), summary[1] if summary else "", names(rest)


def names(html: str) -> list[str]:
    return re.findall(r"/partners/platform/\d+/change/\">(.*?) \(#", html)


def test_a_few_partners_are_all_shown_and_what_went_wrong_is_first(location: Location) -> None:
    invite(MOST_ANSWERS - 2)

    shown, summary, folded = who_has_it(location)

    assert shown == ["MSP", "ABC", *(f"Invited {number:03}" for number in range(MOST_ANSWERS - 2))]
    assert (summary, folded) == ("", [])


def test_of_many_partners_only_those_that_lack_it_are_shown_and_the_others_counted(
    location: Location,
) -> None:
    invite(300)

    shown, summary, folded = who_has_it(location)

    assert shown == ["MSP"]
    assert summary == "301 more: 301 not sent"
    assert folded == ["ABC", *(f"Invited {number:03}" for number in range(300))]


def test_when_many_lack_it_the_first_are_shown(location: Location) -> None:
    invite(30)
    invited = Platform.objects.filter(name__startswith="Invited")
    invited.update(token_cipher="registered", status=Status.CONNECTED)
    for platform in invited:
        delivery = Delivery.objects.get(platform__name="MSP")
        delivery.pk, delivery.platform = None, platform
        delivery.save()

    shown, summary, folded = who_has_it(location)

    assert shown == [f"Invited {number:03}" for number in range(MOST_ANSWERS)]
    assert summary == "12 more: 11 given up, 1 not sent"
    assert folded == [*(f"Invited {number:03}" for number in range(MOST_ANSWERS, 30)), "MSP", "ABC"]
