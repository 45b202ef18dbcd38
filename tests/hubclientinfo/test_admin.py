"""What the operator sees of the list of clients."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hubclientinfo.listing import keep_true, reconcile
from hubclientinfo.models import ClientInfo
from tests import examples
from tests.partners import register

CHANGELIST = "admin:hubclientinfo_clientinfo_changelist"


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long pass phrase"))
    return client


def rows(page):
    """The cells of each row of a list, as text."""
    found = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
    return [
        [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r'<t[dh] class="field[^>]*>(.*?)</t[dh]>', row)
        ]
        for row in found
    ]


def test_the_list_tells_who_is_listed_how_since_when_and_to_whom(operator, network, cpo, emsp):
    reconcile(timezone.now())
    peer = register(network, "Peer", "SE-HB2-HUB")
    peer.put("receiver/hubclientinfo/DE/MSP", examples.client_info())

    listed = rows(operator.get(reverse(CHANGELIST)).content.decode())

    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d", since) for _, _, _, since, _, _ in listed)
    assert sorted([owner, role, status, to, source] for owner, role, status, _, to, source in listed) == [
        ["DE*MSP", "EMSP", "CONNECTED", "CPO, SCSP, HUB", str(emsp.platform)],
        [
            *("DE*MSP", "EMSP", "CONNECTED"),
            *(f"nobody: SE*HB2 told us, but {emsp.platform} has this party", str(peer.platform)),
        ],
        ["NL*ABC", "CPO", "CONNECTED", "EMSP, SCSP, NSP, NAP, OTHER, HUB", str(cpo.platform)],
    ]
    assert len(rows(operator.get(reverse(CHANGELIST), {"told_by": "us"}).content.decode())) == 2
    assert len(rows(operator.get(reverse(CHANGELIST), {"told_by": "others"}).content.decode())) == 1
    assert len(rows(operator.get(reverse(CHANGELIST), {"q": "msp"}).content.decode())) == 2


def test_an_entrys_page_tells_who_was_told(operator, cpo, emsp, deliver):
    reconcile(timezone.now())
    deliver()
    row = ClientInfo.objects.get(party_id="MSP")

    page = operator.get(reverse("admin:hubclientinfo_clientinfo_change", args=[row.pk])).content.decode()

    text = re.sub(r"<[^>]+>", " ", page)
    assert "DE*MSP as EMSP" in text
    assert re.search(rf"{re.escape(str(cpo.platform))}\s+delivered", text)
    assert re.search(rf"{re.escape(str(emsp.platform))}\s+not sent\s+the object is its own", text)


def test_a_party_behind_a_hub_says_so_and_the_hubs_page_has_its_own_alone(operator, network):
    peer = register(network, "Peer", "SE-HB2-HUB")
    peer.put("receiver/hubclientinfo/SE/CLI", examples.client_info(country_code="SE", party_id="CLI"))
    keep_true()

    page = operator.get(reverse("admin:partners_party_changelist"), {"behind_hub__exact": "1"})
    its_own = operator.get(reverse("admin:partners_platform_change", args=[peer.platform.pk]))

    assert [row[0] for row in rows(page.content.decode())] == ["SE*CLI"]
    assert "behind another hub, which told us: EMSP CONNECTED" in page.content.decode()
    assert "HB2" in its_own.content.decode()
    assert "CLI" not in its_own.content.decode()
    assert (
        "nobody: SE*HB2 told us" in operator.get(reverse(CHANGELIST), {"told_by": "others"}).content.decode()
    )
