"""Authorizations in the admin: what an operator of the hub finds, and what lists do not show."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import examples
from tokens.models import Authorization

LIST = reverse("admin:tokens_authorization_changelist")


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


@pytest.fixture
def asked(cpo, emsp):
    """One token that the list allows, one that nobody knows."""
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token(whitelist="ALWAYS"))
    cpo.post("sender/tokens/04A1B2C3D4/authorize", **{"X-Correlation-ID": "correlation-1"})
    cpo.post("sender/tokens/CAFE0001/authorize?type=OTHER")


def found(operator, **query):
    """The ends of the uids that a list shows."""
    page = operator.get(LIST, query).content.decode()
    return [end for end in ("…C3D4 RFID", "…0001 OTHER") if end in page]


def test_a_list_shows_the_end_of_a_uid_only(operator, asked):
    page = operator.get(LIST).content.decode()

    assert "…C3D4 RFID" in page
    assert "04A1B2C3D4" not in page


def test_the_page_of_a_row_shows_all_of_it(operator, asked):
    row = Authorization.objects.get(token_uid="04A1B2C3D4")

    page = operator.get(reverse("admin:tokens_authorization_change", args=[row.pk])).content.decode()

    assert "04A1B2C3D4" in page
    assert "by the hub&#x27;s list" in page


@pytest.mark.parametrize(
    ("query", "ends"),
    [
        ({"q": "04a1b2c3d4"}, ["…C3D4 RFID"]),
        ({"q": "A1B2"}, []),
        ({"q": "correlation-1"}, ["…C3D4 RFID"]),
        ({"q": "de*msp"}, ["…C3D4 RFID"]),
        ({"q": "NL*ABC"}, ["…C3D4 RFID", "…0001 OTHER"]),
        ({"decided__exact": "NOBODY"}, ["…0001 OTHER"]),
        ({"allowed": "ALLOWED"}, ["…C3D4 RFID"]),
        ({"status_code": "2004"}, ["…0001 OTHER"]),
        ({"token_type": "OTHER"}, ["…0001 OTHER"]),
    ],
)
def test_rows_are_found_by_whole_uids_parties_ids_and_what_was_decided(operator, asked, query, ends):
    assert found(operator, **query) == ends


def test_nobody_changes_them(operator, asked):
    row = Authorization.objects.get(token_uid="04A1B2C3D4")
    page = "admin:tokens_authorization"

    codes = [
        operator.post(reverse(f"{page}_add"), {}).status_code,
        operator.post(reverse(f"{page}_change", args=[row.pk]), {"allowed": "BLOCKED"}).status_code,
        operator.post(reverse(f"{page}_delete", args=[row.pk]), {"post": "yes"}).status_code,
    ]

    assert codes == [403, 403, 403]
    assert Authorization.objects.get(pk=row.pk).allowed == "ALLOWED"
