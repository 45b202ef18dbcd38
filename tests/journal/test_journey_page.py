"""The page "Journey" (ocpi_hub/exchange/admin/journeys.py)."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ocpi_hub import background
from tests import examples

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def page(client, **asked):
    background.flush()
    return client.get(reverse("admin:journey"), asked).content.decode()


def test_smoke(cpo, emsp, deliver, operator):
    cpo.put(S1, examples.session(id="S1"), **{"X-Correlation-ID": "c1"})
    deliver()
    text = page(operator, q="S1")
    assert "Journey c1" in text
