"""Agreements in the admin: made between parties that are there, found by party, shown on a party's page."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Agreement
from tests.partners import Partner

ADD = "admin:partners_agreement_add"
FORM = {
    "first": "NL-ABC-CPO",
    "second": "DE*MSP",
    "module": "locations",
    "allowed": "False",
    "note": "a test",
}


@pytest.fixture
def operator(cpo: Partner, emsp: Partner) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def rows() -> list[tuple]:
    return list(Agreement.objects.values_list("first", "second", "module", "allowed", "note"))


def test_an_agreement_is_added_in_any_order_and_by_any_name(operator: Client) -> None:
    answer = operator.post(reverse(ADD), FORM)

    assert answer.status_code == 302
    assert rows() == [("DE*MSP", "NL*ABC", "locations", False, "a test")]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"second": "DE*MSQ"}, "second", "DE*MSQ is no party of this hub; did you mean DE*MSP?"),
        ({"first": "nobody"}, "first", "is no party such as NL-ABC-CPO or NL*ABC"),
        ({"second": "NL*ABC"}, "second", "NL*ABC needs no agreement with itself"),
        ({"second": "NL*HUB"}, "second", "NL*HUB is this hub, and none of its partners"),
        ({"second": "NL*HUB", "new": "on"}, None, "NL*HUB is this hub"),
        ({"module": "hubclientinfo"}, "module", "hubclientinfo is not one of the available choices"),
        ({"second": ""}, "second", "This field is required"),
        ({"first": "", "second": ""}, "first", "This field is required"),
        ({"allowed": ""}, "allowed", "This field is required"),
    ],
)
def test_what_can_be_no_agreement_is_refused_at_its_field(
    operator: Client, changes: dict, field: str | None, said: str
) -> None:
    answer = operator.post(reverse(ADD), FORM | changes)

    errors = answer.context["adminform"].form.errors
    assert list(errors) == ([field or "__all__"] if changes.get("first") != "" else ["first", "second"])
    assert said in str(errors[field or "__all__"])
    assert rows() == []


def test_a_party_that_will_come_is_no_mistake_when_it_is_said(operator: Client) -> None:
    operator.post(reverse(ADD), FORM | {"second": "SE*NEW", "new": "on"})

    assert rows() == [("NL*ABC", "SE*NEW", "locations", False, "a test")]


def test_a_second_one_on_the_same_is_refused(operator: Client) -> None:
    agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=True)

    answer = operator.post(reverse(ADD), FORM)

    said = "DE*MSP and NL*ABC have one on locations already: change that"
    assert answer.context["adminform"].form.errors == {"__all__": [said]}
    assert rows() == [("DE*MSP", "NL*ABC", "locations", True, "")]


def test_of_one_that_stands_only_the_terms_change(operator: Client) -> None:
    row = agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=True)
    url = reverse("admin:partners_agreement_change", args=[row.pk])

    operator.post(url, {"allowed": "False", "note": "closed", "first": "AA*AAA", "module": "tariffs"})

    assert rows() == [("DE*MSP", "NL*ABC", "locations", False, "closed")]


def test_parties_are_offered_with_who_they_are(operator: Client) -> None:
    page = operator.get(reverse(ADD), {"first": "NL*ABC"}).content.decode()

    assert '<option value="DE*MSP">DE*MSP, MSP (EMSP)</option>' in page
    assert 'value="NL*ABC" list="known-parties"' in page.replace('name="first" ', "")
    assert "Where there is none, it is open, by the default of this hub (HUB_AGREEMENTS)" in page


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"q": "NL*ABC"}, 2), ({"q": "nl-abc-cpo"}, 2), ({"q": "DE*MSP NL*ABC"}, 1), ({"q": "msp"}, 1),
        ({"q": "SE"}, 1), ({"q": "FR"}, 0), ({"on": "tariffs"}, 1), ({"on": "every"}, 1),
        ({"exchange": "closed"}, 1), ({"exchange": "closed", "on": "tariffs"}, 0), ({}, 2),
    ],
)  # fmt: skip
def test_they_are_found_by_party_and_filtered(operator: Client, filters: dict, found: int) -> None:
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)
    agreements.settle("NL*ABC", "SE*NEW", "tariffs", allowed=True)

    listed = operator.get(reverse("admin:partners_agreement_changelist"), filters)

    assert listed.context["cl"].result_count == found


def test_the_list_says_who_they_are_and_what_holds_without_one(operator: Client) -> None:
    agreements.settle("DE*MSP", "SE*NEW", "", allowed=False)

    page = operator.get(reverse("admin:partners_agreement_changelist")).content.decode()

    assert "DE*MSP, MSP<" in page
    assert "SE*NEW, not here yet<" in page
    assert (
        "Of two parties that have none here, all is open, by the default of this hub (HUB_AGREEMENTS)."
        in page
    )


def test_a_partys_page_shows_what_it_agreed(operator: Client, cpo: Partner) -> None:
    row = agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=False, note="contract ended")
    agreements.settle("SE*NEW", "DE*MSP", "", allowed=False)

    page = operator.get(
        reverse("admin:partners_party_change", args=[cpo.platform.parties.get().pk])
    ).content.decode()

    url = reverse("admin:partners_agreement_change", args=[row.pk])
    assert f'<li>with DE*MSP, locations: <a href="{url}">closed</a> contract ended</li>' in page
    assert "SE*NEW" not in page
    assert f'{reverse(ADD)}?first=NL%2AABC">Add an agreement</a>' in page


def test_who_may_only_look_is_offered_no_agreement_to_make(
    operator: Client, cpo: Partner, emsp: Partner
) -> None:
    reader = Client()
    user = User.objects.create_user("reader", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    reader.force_login(user)

    page = reader.get(reverse("admin:partners_party_change", args=[cpo.platform.parties.get().pk]))

    assert "Add an agreement" not in page.content.decode()
    assert reader.post(reverse(ADD), FORM).status_code == 403
    assert rows() == []
