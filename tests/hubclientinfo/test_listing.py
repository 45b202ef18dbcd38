"""The list of clients is kept true to what the hub knows of its partners."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from credentials import handshake
from hubclientinfo import listing
from hubclientinfo.listing import Client, reconcile, status_of
from hubclientinfo.models import ClientInfo
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.models import Message
from ocpi_hub.partners.claims import Claim
from ocpi_hub.partners.models import Party, Platform
from tests.exchange.test_concurrency import at_once
from tests.partners import register

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
PLANNED, CONNECTED, OFFLINE, SUSPENDED = "PLANNED", "CONNECTED", "OFFLINE", "SUSPENDED"


def listed():
    """(party and role) -> status."""
    return {str(row): row.status for row in ClientInfo.objects.order_by("id")}


def state(partner, **changes):
    Platform.objects.filter(pk=partner.platform.pk).update(**changes)


def party_is(partner, **changes):
    Party.objects.filter(platform=partner.platform).update(**changes)


# ------------------------------------------------------------------------------------------- the decision
def client(platform_status, announced, listed):
    return Client("DE", "MSP", "EMSP", 1, platform_status, announced, listed)


@pytest.mark.parametrize("before", [None, PLANNED, CONNECTED, OFFLINE, SUSPENDED])
@pytest.mark.parametrize("status", [PLANNED, CONNECTED, OFFLINE, SUSPENDED])
def test_an_announced_role_is_what_its_platform_is(status, before):
    assert status_of(client(status, True, before)) == status


@pytest.mark.parametrize(
    ("status", "before", "then"),
    [
        (PLANNED, None, PLANNED),
        (PLANNED, SUSPENDED, PLANNED),
        (SUSPENDED, PLANNED, SUSPENDED),
        # The platform is there, and did not announce this role,
        (CONNECTED, None, PLANNED),
        (OFFLINE, PLANNED, PLANNED),
        # or announces it no more.
        (CONNECTED, CONNECTED, SUSPENDED),
        (CONNECTED, OFFLINE, SUSPENDED),
        (OFFLINE, SUSPENDED, SUSPENDED),
    ],
)
def test_a_role_that_is_only_agreed_is_planned_until_it_was_there(status, before, then):
    assert status_of(client(status, False, before)) == then


@pytest.mark.parametrize("before", [PLANNED, CONNECTED, OFFLINE, SUSPENDED])
def test_what_is_gone_is_suspended(before):
    assert status_of(client(None, False, before)) == SUSPENDED


# ------------------------------------------------------------------------------------------ what is written
def test_every_party_is_listed_in_each_of_its_roles(cpo, emsp, stranger):
    assert reconcile(NOW) == 4

    assert listed() == {
        "DE*MSP as EMSP": CONNECTED,
        "FR*XYZ as CPO": CONNECTED,
        "FR*XYZ as EMSP": CONNECTED,
        "NL*ABC as CPO": CONNECTED,
    }
    row = ClientInfo.objects.get(party_id="MSP")
    assert json.loads(row.document) == {
        "country_code": "DE",
        "party_id": "MSP",
        "role": "EMSP",
        "status": "CONNECTED",
        "last_updated": "2026-03-01T12:00:00Z",
    }
    assert (row.last_updated, row.source, row.audience, row.object_id) == (NOW, emsp.platform, "", "")


def test_nothing_is_written_when_nothing_changed_and_one_query_tells(cpo, emsp, django_assert_num_queries):
    reconcile(NOW)
    before = list(ClientInfo.objects.order_by("pk").values())
    messages = Message.objects.count()

    with django_assert_num_queries(1):
        assert reconcile(LATER) == 0

    assert list(ClientInfo.objects.order_by("pk").values()) == before
    assert Message.objects.count() == messages == 2


def test_a_change_is_written_in_place_and_only_that(cpo, emsp):
    reconcile(NOW)
    state(emsp, status=OFFLINE)

    assert reconcile(LATER) == 1

    assert listed() == {"DE*MSP as EMSP": OFFLINE, "NL*ABC as CPO": CONNECTED}
    assert ClientInfo.objects.get(party_id="MSP").last_updated == LATER
    assert ClientInfo.objects.get(party_id="ABC").last_updated == NOW
    assert Message.objects.count() == 3


def test_the_message_of_a_change_sends_the_state_to_whoever_may_see_it(emsp):
    reconcile(NOW)

    message = Message.objects.get()
    assert (message.module, message.key, message.path) == ("hubclientinfo", "DE/MSP?EMSP", "DE/MSP")
    assert (message.method, message.body, message.variant) == ("PUT", None, "EMSP")
    assert (message.source, message.audience, message.bulk) == (emsp.platform, "", False)


def test_an_invited_platform_is_planned_until_it_registers(network):
    platform, _ = handshake.invite("New", [Claim.parse("NL-NEW-CPO"), Claim.parse("NL-NEW-EMSP")])
    reconcile(NOW)
    assert listed() == {"NL*NEW as CPO": PLANNED, "NL*NEW as EMSP": PLANNED}

    platform.parties.update(roles=["CPO"])
    Platform.objects.filter(pk=platform.pk).update(status=CONNECTED)
    reconcile(LATER)
    assert listed() == {"NL*NEW as CPO": CONNECTED, "NL*NEW as EMSP": PLANNED}


def test_a_role_or_party_that_is_announced_no_more_is_suspended(stranger, emsp):
    reconcile(NOW)
    party_is(stranger, roles=["CPO"])
    party_is(emsp, roles=[])
    reconcile(LATER)

    assert listed() == {"DE*MSP as EMSP": SUSPENDED, "FR*XYZ as CPO": CONNECTED, "FR*XYZ as EMSP": SUSPENDED}
    assert reconcile(LATER) == 0


def test_a_role_that_is_announced_as_agreed_is_one_entry_and_suspended_when_it_is_announced_no_more(emsp):
    party_is(emsp, invited_roles=["EMSP"])
    assert reconcile(NOW) == 1
    assert Message.objects.count() == 1

    party_is(emsp, roles=[])
    assert reconcile(LATER) == 1
    assert listed() == {"DE*MSP as EMSP": SUSPENDED}
    assert reconcile(LATER) == 0


def test_a_party_that_is_not_even_known_any_more_is_suspended(emsp):
    reconcile(NOW)
    Party.objects.all().delete()

    assert reconcile(LATER) == 1
    assert listed() == {"DE*MSP as EMSP": SUSPENDED}
    assert reconcile(LATER) == 0


def test_a_party_that_another_platform_brings_is_connected_again(emsp, network):
    reconcile(NOW)
    Party.objects.all().delete()
    reconcile(NOW)
    other = register(network, "Heir", "DE-MSP-EMSP")
    reconcile(LATER)

    assert listed() == {"DE*MSP as EMSP": CONNECTED}
    assert ClientInfo.objects.get().source == other.platform


def test_suspended_planned_and_connected_again(emsp):
    handshake.leave(emsp.platform)
    seen = [reconcile(NOW) and listed()["DE*MSP as EMSP"]]
    handshake.reset(emsp.platform)
    seen.append(reconcile(NOW) and listed()["DE*MSP as EMSP"])
    state(emsp, status=CONNECTED)
    seen.append(reconcile(NOW) and listed()["DE*MSP as EMSP"])

    assert seen == [SUSPENDED, PLANNED, CONNECTED]
    assert ClientInfo.objects.count() == 1


def test_a_platform_that_the_hub_registers_with_is_no_client_before_it_has_answered(network):
    """It is deleted when the handshake fails, which nothing may prevent."""
    platform = Platform.objects.create(name="Asked by us")
    platform.parties.create(country_code="NL", party_id="NEW", invited_roles=["CPO"])

    assert reconcile(NOW) == 0
    platform.delete()


def test_a_hub_is_nobodys_client(network):
    register(network, "Peer", "SE-HB2-HUB", "SE-HB2-CPO")
    reconcile(NOW)

    assert listed() == {"SE*HB2 as CPO": CONNECTED}


def test_what_another_hub_told_neither_counts_nor_changes(network, emsp):
    peer = register(network, "Peer", "SE-HB2-HUB")
    told = {
        "country_code": "DE", "party_id": "MSP", "role": "EMSP", "status": "PLANNED",
        "last_updated": "2026-03-01T08:00:00Z",
    }  # fmt: skip
    assert peer.put("receiver/hubclientinfo/DE/MSP", told).codes == (201, 1000)

    assert reconcile(NOW) == 1

    rows = ClientInfo.objects.order_by("audience").values_list("audience", "object_id", "status")
    assert list(rows) == [("", "", CONNECTED), ("-", "SE*HB2", PLANNED)]


@pytest.mark.parametrize("key", ["de*msp", "De*mSP"])
def test_a_party_that_spells_its_name_otherwise_is_the_same(emsp, key):
    reconcile(NOW)
    country_code, party_id = key.split("*")
    party_is(emsp, country_code=country_code, party_id=party_id)

    assert reconcile(LATER) == 0


def test_a_clock_that_is_behind_writes_nothing_and_tells_nobody(emsp):
    """The worker whose clock wrote the entry will, or this one a moment later."""
    reconcile(NOW)
    state(emsp, status=OFFLINE)

    assert reconcile(NOW - timedelta(seconds=2)) == 0
    assert listed() == {"DE*MSP as EMSP": CONNECTED}
    assert Message.objects.count() == 1
    assert reconcile(NOW) == 1


# ------------------------------------------------------------------------------------------------ workers
def test_every_worker_looks_in_every_round(emsp):
    assert listing.keep_true in sweeper.rounds()

    assert listing.keep_true() == 1
    assert listed() == {"DE*MSP as EMSP": CONNECTED}


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_once_one_writes(cpo, emsp):
    assert sorted(at_once(*[lambda: reconcile(NOW)] * 4)) == [0, 0, 0, 2]
    assert Message.objects.count() == ClientInfo.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_waits_for_the_first_and_looks_again(emsp, monkeypatch):
    """Else it would write, and tell everybody, what has been told a moment ago."""
    take_turn, looked = listing._take_turn, []

    def outrun():
        if not looked:
            looked.append(True)
            (written,) = at_once(lambda: reconcile(NOW))
            looked.append(written)
        take_turn()

    monkeypatch.setattr(listing, "_take_turn", outrun)

    assert reconcile(NOW) == 0
    assert looked == [True, 1]
