"""CDRs on the operator's screen."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from cdrs.models import CDR
from tests import examples

LIST = "admin:cdrs_cdr_changelist"


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def posted(cpo, emsp):
    for made in (
        examples.cdr(),
        examples.credit_cdr(),
        examples.cdr(id="ODD", session_id=None, total_energy=20_000),
    ):
        assert cpo.post("receiver/cdrs", made).codes == (201, 1000)


def page(operator, object_id):
    row = CDR.objects.get(object_id=object_id)
    return operator.get(reverse("admin:cdrs_cdr_change", args=[row.pk])).content.decode()


def listed(operator, **query):
    text = operator.get(reverse(LIST), query).content.decode()
    return re.findall(r'class="field-object_id"><a [^>]*>([^<]*)<', text)


def test_the_list_can_be_cut_down_to_what_looks_wrong(operator, posted):
    credit = examples.credit_cdr()["id"]

    assert set(listed(operator)) == {"CDR1", credit, "ODD"}
    assert listed(operator, findings="yes") == ["ODD"]
    assert set(listed(operator, findings="no")) == {"CDR1", credit}


def test_findings_are_a_list_of_sentences(operator, posted):
    shown = page(operator, "ODD")

    assert re.findall(r"<td[^>]*>(total_energy[^<]*|session_id[^<]*)</td>", shown) == [
        "total_energy is 20000 kWh, about a thousand times the 20 kWh that the charging periods add up to:"
        " it looks like Wh.",
        "session_id is missing, which it may be for an unused reservation or without Sessions only.",
    ]


def test_numbers_have_no_zeros_at_their_end(operator, cpo, emsp):
    body = b'"total_energy": 20.500, "total_time": 1.0000, "total_cost": {"excl_vat": 25.10}'
    made = {name: value for name, value in examples.cdr(id="C").items() if not name.startswith("total_")}
    cpo.post("receiver/cdrs", json.dumps(made).encode()[:-1] + b", " + body + b"}")

    shown, table = page(operator, "C"), operator.get(reverse(LIST)).content.decode()
    for text in (shown, table):
        assert "20.5<" in text
        assert "25.1<" in text
        assert ".00000" not in text
    assert "kWh" in table


def test_a_credit_and_its_original_lead_to_each_other(operator, posted):
    original, credit = CDR.objects.get(object_id="CDR1"), CDR.objects.get(credit=True)

    assert reverse("admin:cdrs_cdr_change", args=[original.pk]) in page(operator, credit.object_id)
    assert reverse("admin:cdrs_cdr_change", args=[credit.pk]) in page(operator, "CDR1")
    assert reverse("admin:cdrs_cdr_change", args=[credit.pk]) not in page(operator, "ODD")
