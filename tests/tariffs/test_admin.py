"""The page of a Tariff, as its operator reads it."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from tariffs.models import Tariff
from tests import examples

LIST = reverse("admin:tariffs_tariff_changelist")
NIGHT = {
    "price_components": [
        {"type": "ENERGY", "price": 0.2, "vat": 0, "step_size": 1},
        {"type": "PARKING_TIME", "price": 6, "step_size": 900},
    ],
    "restrictions": {"start_time": "23:00", "end_time": "06:59"},
}


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def tariffs(cpo):
    """A sound one, and one with mistakes."""
    elements = [NIGHT, *examples.tariff()["elements"]]
    most = {"excl_vat": 40, "incl_vat": 48}
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    cpo.put(
        "receiver/tariffs/NL/ABC/TARIFF2", examples.tariff(id="TARIFF2", elements=elements, max_price=most)
    )
    return Tariff.objects.order_by("object_id")


def text_of(operator: Client, row: Tariff) -> str:
    page = operator.get(reverse("admin:tariffs_tariff_change", args=[row.pk]))
    cells = re.sub(r"</t[dh]>", " | ", page.content.decode())
    return " ".join(strip_tags(cells).split())


def test_prices_are_a_table(operator, tariffs):
    text = text_of(operator, tariffs[1])

    assert (
        "what | price | VAT | rounded up to | when |"
        " ENERGY | 0.2 EUR a kWh | 0 % | 1 Wh | from 23:00 until 06:59 |"
        " PARKING_TIME | 6 EUR an hour | none | 15 min | from 23:00 until 06:59 |"
        " FLAT | 5 EUR a session | 20 % | | always |"
        " ENERGY | 1 EUR a kWh | 20 % | 1 Wh | always |" in text
    )
    assert "Least and most: at most 40 EUR, 48 with VAT" in text


def test_findings_stand_on_the_page(operator, tariffs):
    sound, doubtful = (text_of(operator, row) for row in tariffs)

    assert "Findings: none" in sound
    assert (
        "Findings: $.elements[0].restrictions.end_time: the end itself is outside, so 06:59 leaves a minute out;"
        " write 07:00. |" in doubtful
    )


@pytest.mark.parametrize(
    ("chosen", "found"), [("yes", ["TARIFF2"]), ("no", ["TARIFF1"]), ("", ["TARIFF1", "TARIFF2"])]
)
def test_the_list_is_filtered_by_findings(operator, tariffs, chosen, found):
    page = operator.get(LIST, {"findings": chosen} if chosen else {})

    assert sorted(row.object_id for row in page.context["cl"].queryset) == found


def test_the_list_counts_findings_and_shows_the_first_under_the_pointer(operator, tariffs):
    content = operator.get(LIST, {"findings": "yes"}).content.decode()

    assert f'<span title="{tariffs[1].findings[0]}">{len(tariffs[1].findings)}</span>' in content


def test_a_deleted_tariff_can_still_be_looked_at(operator, tariffs, cpo):
    cpo.delete("receiver/tariffs/NL/ABC/TARIFF1")

    assert "ENERGY | 1 EUR a kWh" in text_of(operator, tariffs[0])
    page = operator.get(LIST, {"deleted_at__isempty": "0"})
    assert [row.object_id for row in page.context["cl"].queryset] == ["TARIFF1"]
