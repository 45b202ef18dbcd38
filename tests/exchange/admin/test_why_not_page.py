"""The page "Why not": the answer of `manage.py explain` with links, for who may see what it is about."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from locations.models import Location
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Party
from tests import examples
from tests.partners import Partner

LOC1 = "locations/NL/ABC/LOC1"
TOKEN = "tokens/DE/MSP/04A1B2C3D4"


@pytest.fixture
def operator(cpo: Partner, emsp: Partner) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def staff(*codenames: str) -> Client:
    client = Client()
    user = User.objects.create_user("clerk", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def asked(client: Client, name: str = LOC1, party: str = "DE*MSP") -> str:
    return client.get(reverse("admin:why_not"), {"party": party, "object": name}).content.decode()


def test_the_answer_leads_to_what_it_is_about(operator: Client, cpo: Partner, deliver: object) -> None:
    cpo.put(f"receiver/{LOC1}", examples.location())
    deliver()

    page = asked(operator)

    delivery = Delivery.objects.get()
    assert (
        f"<h2>DE*MSP has {LOC1} as it is now, since {delivery.finished_at:%Y-%m-%d %H:%M:%S} UTC.</h2>"
        in page
    )
    for name, row in (
        ("exchange_delivery", delivery),
        ("locations_location", Location.objects.get()),
        ("partners_party", Party.objects.get(key="DE*MSP")),
        ("partners_platform", Party.objects.get(key="DE*MSP").platform),
    ):
        assert f'href="{reverse(f"admin:{name}_change", args=[row.pk])}"' in page


def test_a_closed_pair_leads_to_its_agreement_or_to_a_new_one(
    operator: Client, cpo: Partner, settings: object
) -> None:
    cpo.put(f"receiver/{LOC1}", examples.location())
    settings.HUB_AGREEMENTS = "closed"
    without = asked(operator)
    row = agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)

    closed = asked(operator)

    add = reverse("admin:partners_agreement_add")
    assert f'href="{add}?first=NL%2AABC&amp;second=DE%2AMSP&amp;module=locations"' in without
    assert f'href="{reverse("admin:partners_agreement_change", args=[row.pk])}"' in closed


@pytest.mark.parametrize(
    ("party", "name", "said"),
    [
        ("DE*MSQ", LOC1, "DE*MSQ is no party of this hub; did you mean DE*MSP?"),
        ("", LOC1, "This field is required."),
        ("DE*MSP", "LOC1", "&#x27;LOC1&#x27; is no module with objects; locations, sessions,"),
    ],
)
def test_what_cannot_be_answered_is_said_at_its_field(
    operator: Client, party: str, name: str, said: str
) -> None:
    page = asked(operator, name, party)

    assert said in page
    assert "<h2>" not in page.partition('id="content-start"')[2]


def test_it_is_reached_from_the_index_and_from_whatever_it_is_about(operator: Client, cpo: Partner) -> None:
    cpo.put(f"receiver/{LOC1}", examples.location())
    party, location = Party.objects.get(key="NL*ABC"), Location.objects.get()
    url = reverse("admin:why_not")

    def page(name: str, *args: object) -> str:
        return operator.get(reverse(f"admin:{name}", args=args)).content.decode()

    assert f'<a href="{url}"' in page("index")
    assert f'href="{url}?object=locations%2FNL%2FABC%2FLOC1">Why not</a>' in page(
        "locations_location_change", location.pk
    )
    assert f'href="{url}?party=NL%2AABC">Why not</a>' in page("partners_party_change", party.pk)
    assert f'href="{url}?party=NL%2AABC">Why not</a>' in page("partners_platform_change", party.platform_id)


def test_what_was_chosen_already_is_filled_in(operator: Client) -> None:
    page = operator.get(reverse("admin:why_not"), {"party": "NL*ABC"}).content.decode()

    assert 'name="party" value="NL*ABC"' in page
    assert '<option value="DE*MSP">' in page
    assert "This field is required." not in page


def test_nobody_is_told_about_a_module_that_he_may_not_view(
    operator: Client, emsp: Partner, deliver: object
) -> None:
    emsp.put(f"receiver/{TOKEN}", examples.token())
    deliver()
    clerk = staff("view_party", "view_delivery", "view_location")

    page, known = asked(clerk, TOKEN, "NL*ABC"), asked(operator, TOKEN, "NL*ABC")

    assert "You may not view tokens." in page
    assert "NL*ABC has " not in page
    assert "NL*ABC has tokens/DE/MSP/04A1B2C3D4?type=RFID as it is now" in known


def test_links_lead_only_where_one_may_look(operator: Client, cpo: Partner, deliver: object) -> None:
    cpo.put(f"receiver/{LOC1}", examples.location())
    deliver()
    clerk = staff("view_party", "view_delivery", "view_location")

    page = asked(clerk)

    assert f'href="{reverse("admin:exchange_delivery_change", args=[Delivery.objects.get().pk])}"' in page
    assert "/admin/partners/platform/" not in page


@pytest.mark.parametrize("codenames", [(), ("view_party",), ("view_delivery",)])
def test_who_may_not_see_partners_and_deliveries_cannot_ask(
    cpo: Partner, emsp: Partner, codenames: tuple[str, ...]
) -> None:
    clerk = staff(*codenames)

    assert clerk.get(reverse("admin:why_not")).status_code == 403
    assert reverse("admin:why_not") not in clerk.get(reverse("admin:index")).content.decode()


@pytest.mark.django_db
def test_without_a_login_there_is_no_page() -> None:
    answer = Client().get(reverse("admin:why_not"))

    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")
