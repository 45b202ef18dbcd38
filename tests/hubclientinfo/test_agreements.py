"""A closed pair is PLANNED to each other, and nobody else's list tells of it (interpretations, P135)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import handshake
from hubclientinfo import comparison, listing
from hubclientinfo.models import ClientInfo
from ocpi_hub.exchange.models import Message
from ocpi_hub.partners.claims import Claim
from ocpi_hub.partners.models import Agreement, Platform
from tests.conformance.calls import nothing_changes
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

LIST = "sender/hubclientinfo"


def agree(one, other, allowed, module=""):
    first, second = sorted([one, other])
    Agreement.objects.update_or_create(
        first=first, second=second, module=module, defaults={"allowed": allowed}
    )


def statuses(partner):
    return {f"{entry['party_id']} {entry['role']}": entry["status"] for entry in partner.crawl(LIST)}


def told(partner):
    calls = [call for call in partner.received() if "/hubclientinfo/" in call.path]
    return [(call.path.removeprefix("/receiver/hubclientinfo/"), call.body["status"]) for call in calls]


@pytest.fixture
def workers(deliver):
    def round_of_work():
        listing.keep_true()
        deliver()

    return round_of_work


@pytest.fixture
def all_told(cpo, emsp, stranger, workers):
    """Everybody knows of everybody, a minute ago."""
    listing.reconcile(timezone.now() - timedelta(minutes=1))
    workers()
    for partner in (cpo, emsp, stranger):
        partner.calls.clear()
    return [cpo, emsp, stranger]


# ------------------------------------------------------------------------------------------- open by default
def test_a_closed_pair_is_planned_to_each_other_and_to_nobody_else(cpo, emsp, stranger):
    agree("NL*ABC", "DE*MSP", False)

    assert statuses(cpo) == {"MSP EMSP": "PLANNED", "XYZ EMSP": "CONNECTED"}
    assert statuses(emsp) == {"ABC CPO": "PLANNED", "XYZ CPO": "CONNECTED"}
    assert statuses(stranger) == {"MSP EMSP": "CONNECTED", "ABC CPO": "CONNECTED"}


def test_both_are_told_and_nobody_else_hears_or_sees_a_change(all_told, cpo, emsp, stranger, workers):
    before = {partner.host: partner.get(LIST).data for partner in all_told}
    started = f"{timezone.now() - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"

    agree("NL*ABC", "DE*MSP", False)
    workers()

    assert told(cpo) == [("DE/MSP", "PLANNED")]
    assert told(emsp) == [("NL/ABC", "PLANNED")]
    assert told(stranger) == []
    assert stranger.get(LIST).data == before[stranger.host]
    assert [entry for entry in cpo.get(LIST).data if entry["party_id"] == "XYZ"] == [
        entry for entry in before[cpo.host] if entry["party_id"] == "XYZ"
    ]
    [changed] = cpo.get(f"{LIST}?date_from={started}").data
    assert (changed["party_id"], changed["status"]) == ("MSP", "PLANNED")
    assert stranger.get(f"{LIST}?date_from={started}").data == []


def test_an_agreement_that_leaves_one_module_open_changes_nothing(all_told, cpo, emsp):
    with nothing_changes():
        agree("NL*ABC", "DE*MSP", False, "locations")
        cpo.get(LIST)
        Agreement.objects.all().delete()

        agree("NL*ABC", "DE*MSP", False)
        agree("NL*ABC", "DE*MSP", True, "tokens")
        emsp.get(LIST)
        Agreement.objects.all().delete()


def test_modules_that_are_closed_one_by_one_close_the_pair_with_the_last(cpo, emsp, settings):
    functional = [module for module in settings.OCPI_MODULES if module != "hubclientinfo"]
    for module in functional[:-1]:
        agree("NL*ABC", "DE*MSP", False, module)
    assert statuses(cpo) == {"MSP EMSP": "CONNECTED"}

    agree("NL*ABC", "DE*MSP", False, functional[-1])
    assert statuses(cpo) == {"MSP EMSP": "PLANNED"}


def test_the_list_itself_is_nothing_that_a_pair_exchanges(cpo, emsp):
    agree("NL*ABC", "DE*MSP", False)
    agree("NL*ABC", "DE*MSP", True, "hubclientinfo")

    assert statuses(cpo) == {"MSP EMSP": "PLANNED"}


def test_what_becomes_of_a_closed_party_is_kept_from_the_other_and_told_to_the_rest(
    all_told, cpo, emsp, stranger, workers
):
    agree("NL*ABC", "DE*MSP", False)
    workers()
    for partner in all_told:
        partner.calls.clear()

    Platform.objects.filter(pk=emsp.platform.pk).update(status="OFFLINE")
    workers()

    assert told(cpo) == []
    assert told(stranger) == [("DE/MSP", "OFFLINE")]
    assert statuses(cpo)["MSP EMSP"] == "PLANNED"


def test_a_pair_that_is_opened_again_sees_how_it_is_and_follows(all_told, cpo, emsp, stranger, workers):
    agree("NL*ABC", "DE*MSP", False)
    workers()
    agree("NL*ABC", "DE*MSP", True)
    workers()
    Platform.objects.filter(pk=emsp.platform.pk).update(status="SUSPENDED")
    workers()

    assert told(cpo) == [("DE/MSP", "PLANNED"), ("DE/MSP", "CONNECTED"), ("DE/MSP", "SUSPENDED")]
    assert told(stranger) == [("DE/MSP", "SUSPENDED")]
    assert statuses(cpo)["MSP EMSP"] == statuses(stranger)["MSP EMSP"] == "SUSPENDED"


def test_a_party_that_comes_to_stay_closed_is_planned_all_the_time(network, cpo, workers):
    platform, _ = handshake.invite("New", [Claim.parse("BE-NEW-EMSP")])
    agree("NL*ABC", "BE*NEW", False)
    workers()
    platform.parties.update(roles=["EMSP"])
    Platform.objects.filter(pk=platform.pk).update(status="CONNECTED")
    other = register(network, "Other", "NL-OTH-CPO")
    workers()

    assert told(cpo) == [("BE/NEW", "PLANNED")]
    assert told(other) == [("BE/NEW", "CONNECTED")]
    assert statuses(cpo) == {"NEW EMSP": "PLANNED"}


def test_a_platform_of_several_parties_sees_whom_one_of_them_exchanges_with(network, emsp, workers):
    both = register(network, "Both", "BE-ONE-CPO", "BE-TWO-CPO", "BE-TRE-EMSP")
    agree("BE*ONE", "DE*MSP", False)
    assert statuses(both) == {"MSP EMSP": "CONNECTED"}

    # Its provider has no business with another one.
    agree("BE*TWO", "DE*MSP", False)
    assert statuses(both) == {"MSP EMSP": "PLANNED"}
    assert statuses(emsp) == {"ONE CPO": "PLANNED", "TWO CPO": "PLANNED"}
    workers()
    assert told(both) == [("DE/MSP", "PLANNED")]

    agree("BE*ONE", "DE*MSP", True, "cdrs")
    assert statuses(both) == {"MSP EMSP": "CONNECTED"}
    assert statuses(emsp) == {"ONE CPO": "CONNECTED", "TWO CPO": "PLANNED"}


def test_a_party_that_left_is_suspended_to_those_who_had_it_and_planned_to_whom_it_was_closed(
    network, cpo, emsp
):
    other = register(network, "Other", "NL-OTH-CPO")
    agree("NL*ABC", "DE*MSP", False)
    cpo.get(LIST)
    emsp.platform.parties.all().delete()

    assert statuses(cpo) == {"MSP EMSP": "PLANNED"}
    assert statuses(other) == {"MSP EMSP": "SUSPENDED"}


def test_a_role_that_is_announced_no_more_is_suspended_to_whom_the_pair_is_opened_later(cpo, stranger):
    agree("NL*ABC", "FR*XYZ", False)
    stranger.platform.parties.update(invited_roles=["CPO", "EMSP"])
    cpo.get(LIST)
    stranger.platform.parties.update(roles=["CPO"])
    assert statuses(cpo) == {"XYZ EMSP": "PLANNED"}

    agree("NL*ABC", "FR*XYZ", True)
    assert statuses(cpo) == {"XYZ EMSP": "SUSPENDED"}


def test_a_party_of_two_roles_has_entries_for_the_viewer_in_both(network, cpo, stranger):
    scsp = register(network, "SCSP", "AT-SCS-SCSP", "AT-TWO-CPO")
    agree("AT*SCS", "FR*XYZ", False)
    # Its operator sees the provider all the same.
    assert statuses(scsp) == {"ABC CPO": "CONNECTED", "XYZ CPO": "PLANNED", "XYZ EMSP": "CONNECTED"}

    agree("AT*TWO", "FR*XYZ", False)
    assert statuses(scsp) == {"ABC CPO": "CONNECTED", "XYZ CPO": "PLANNED", "XYZ EMSP": "PLANNED"}
    agree("AT*SCS", "FR*XYZ", True)
    assert statuses(scsp) == {"ABC CPO": "CONNECTED", "XYZ CPO": "CONNECTED", "XYZ EMSP": "CONNECTED"}


def test_an_agreement_with_a_party_of_ones_own_platform_or_one_that_is_unseen_is_none_of_the_list(
    network, cpo, stranger
):
    both = register(network, "Both", "BE-ONE-CPO", "BE-TWO-EMSP")
    for partner in (cpo, stranger, both):
        partner.get(LIST)

    with nothing_changes():
        agree("BE*ONE", "BE*TWO", False)
        agree("NL*ABC", "BE*ONE", False)
        cpo.get(LIST)
        Agreement.objects.all().delete()


def test_nothing_is_written_twice_and_one_query_tells(all_told, cpo, django_assert_num_queries):
    agree("NL*ABC", "DE*MSP", False)
    agree("NL*ABC", "FR*XYZ", True, "tokens")
    assert listing.keep_true() == 2
    messages = Message.objects.count()

    with django_assert_num_queries(1):
        assert listing.reconcile(timezone.now()) == 0

    assert Message.objects.count() == messages


# ----------------------------------------------------------------------------------------- closed by default
@pytest.fixture
def closed(settings):
    settings.HUB_AGREEMENTS = "closed"


def test_where_nothing_is_agreed_everybody_is_planned_to_everybody_but_to_hubs(
    closed, network, cpo, emsp, workers
):
    peer = register(network, "Peer", "SE-HB2-HUB")
    workers()

    assert told(cpo) == [("DE/MSP", "PLANNED")]
    assert statuses(cpo) == {"MSP EMSP": "PLANNED"}
    assert statuses(emsp) == {"ABC CPO": "PLANNED"}
    assert statuses(peer) == {"ABC CPO": "CONNECTED", "MSP EMSP": "CONNECTED"}
    assert sorted(told(peer)) == [("DE/MSP", "CONNECTED"), ("NL/ABC", "CONNECTED")]


def test_an_agreement_on_one_module_shows_how_each_other_is(closed, cpo, emsp, stranger, workers):
    workers()
    agree("NL*ABC", "DE*MSP", True, "tokens")
    workers()
    Platform.objects.filter(pk=emsp.platform.pk).update(status="OFFLINE")
    workers()

    assert told(cpo)[2:] == [("DE/MSP", "CONNECTED"), ("DE/MSP", "OFFLINE")]
    assert statuses(cpo) == {"MSP EMSP": "OFFLINE", "XYZ EMSP": "PLANNED"}
    assert statuses(stranger) == {"MSP EMSP": "PLANNED", "ABC CPO": "PLANNED"}


def test_a_default_that_changes_is_told_to_those_without_an_agreement(
    all_told, settings, cpo, emsp, stranger, workers
):
    agree("NL*ABC", "DE*MSP", True)
    workers()
    settings.HUB_AGREEMENTS = "closed"
    workers()

    assert statuses(cpo) == {"MSP EMSP": "CONNECTED", "XYZ EMSP": "PLANNED"}
    assert told(cpo)[-1] == ("FR/XYZ", "PLANNED")
    assert statuses(stranger) == {"MSP EMSP": "PLANNED", "ABC CPO": "PLANNED"}

    settings.HUB_AGREEMENTS = "open"
    workers()
    assert statuses(cpo) == {"MSP EMSP": "CONNECTED", "XYZ EMSP": "CONNECTED"}
    assert statuses(stranger) == {"MSP EMSP": "CONNECTED", "ABC CPO": "CONNECTED"}


# -------------------------------------------------------------------------- what others told, and comparing
def test_what_another_hub_told_and_what_it_is_shown_are_two_things(closed, network, cpo):
    peer = register(network, "Peer", "SE-HB2-HUB")
    assert statuses(peer) == {"ABC CPO": "CONNECTED"}
    mine = {
        "country_code": "NL", "party_id": "ABC", "role": "CPO", "status": "SUSPENDED",
        "last_updated": "2030-03-01T08:00:00Z",
    }  # fmt: skip

    assert peer.put("receiver/hubclientinfo/NL/ABC", mine).codes == (201, 1000)

    assert peer.get("receiver/hubclientinfo/NL/ABC").data == mine
    assert statuses(peer) == {"ABC CPO": "CONNECTED"}
    assert ClientInfo.objects.told_by("SE*HB2").count() == 1


def test_a_viewer_that_lost_its_entry_gets_that_one_again_and_not_the_one_for_all(cpo, emsp, workers):
    agree("NL*ABC", "DE*MSP", False)
    workers()
    cpo.calls.clear()
    cpo.answers.append(
        lambda request: enveloped(status_code=2001, http_status=404) if request.method == "GET" else None
    )

    assert comparison.compare(cpo.platform) == 1
    workers()

    assert [(call.method, call.path) for call in cpo.calls] == [
        ("GET", "/receiver/hubclientinfo/DE/MSP"),
        ("PUT", "/receiver/hubclientinfo/DE/MSP"),
    ]
    assert cpo.calls[-1].body["status"] == "PLANNED"
