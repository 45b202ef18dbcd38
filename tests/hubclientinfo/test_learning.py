"""The clients of another hub are reached as that hub tells (docs/decisions/0009-parties-behind-another-hub.md)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import handshake
from hubclientinfo import learning, listing
from hubclientinfo.models import ClientInfo
from ocpi_hub.exchange.deliveries import lanebreaker
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Message, PullPlan
from ocpi_hub.exchange.pulls import pullplans, sync
from ocpi_hub.exchange.routing import from_whom
from ocpi_hub.partners import claims
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Agreement, Party, Platform
from ocpi_hub.protocol.credentials import CredentialsRole
from ocpi_hub.protocol.headers import Routing
from ocpi_hub.protocol.locations import BusinessDetails
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import nothing_changes
from tests.partners import Partner, register

pytestmark = pytest.mark.django_db

LIST = "sender/hubclientinfo"


def entry(key, role="CPO", status="CONNECTED", last_updated=None):
    country_code, party_id = key.split("*")
    return {
        "country_code": country_code,
        "party_id": party_id,
        "role": role,
        "status": status,
        "last_updated": last_updated or f"{timezone.now():%Y-%m-%dT%H:%M:%S.%f}"[:23] + "Z",
    }


def tell(hub: Partner, key, role="CPO", status="CONNECTED"):
    """What another hub PUTs, and what the workers make of it."""
    answered = hub.put(f"receiver/hubclientinfo/{key.replace('*', '/')}", entry(key, role, status))
    assert answered.status_code == 1000
    listing.keep_true()


def behind(hub):
    return {party.key: party.told for party in hub.platform.parties.filter(behind_hub=True)}


def statuses(partner):
    return {f"{entry['party_id']} {entry['role']}": entry["status"] for entry in partner.crawl(LIST)}


def told(partner):
    calls = [call for call in partner.received() if "/hubclientinfo/" in call.path]
    return [(call.path.removeprefix("/receiver/hubclientinfo/"), call.body["status"]) for call in calls]


def announce(platform, text):
    country_code, party_id, role = text.split("-")
    details = BusinessDetails(name="Name")
    announced = CredentialsRole(
        role=role, business_details=details, party_id=party_id, country_code=country_code
    )
    claims.announce(platform, [announced])


@pytest.fixture
def hub(db, network):
    """Another hub, SE*HB2."""
    return register(network, "Peer", "SE-HB2-HUB")


@pytest.fixture
def third(db, network):
    """A third hub, FI*HB3."""
    return register(network, "Third", "FI-HB3-HUB")


# ----------------------------------------------------------------------------------------------- what is told
def test_a_party_that_a_hub_tells_of_is_behind_that_hub_in_the_roles_told(hub):
    tell(hub, "SE*CLI", "CPO")
    tell(hub, "SE*CLI", "EMSP", "PLANNED")

    party = Party.objects.get(key="SE*CLI")
    assert (party.platform, party.behind_hub, party.roles) == (hub.platform, True, ["CPO", "EMSP"])
    assert party.told == {"CPO": "CONNECTED", "EMSP": "PLANNED"}
    assert party.status == "CONNECTED"


@pytest.mark.parametrize(
    ("told", "of_the_hub", "status"),
    [
        (["CONNECTED"], "CONNECTED", "CONNECTED"),
        (["PLANNED", "OFFLINE"], "CONNECTED", "OFFLINE"),
        (["PLANNED", "SUSPENDED"], "CONNECTED", "SUSPENDED"),
        (["PLANNED"], "CONNECTED", "PLANNED"),
        (["CONNECTED"], "OFFLINE", "OFFLINE"),
        (["CONNECTED"], "SUSPENDED", "SUSPENDED"),
    ],
)
def test_it_is_there_when_both_it_and_its_hub_are(told, of_the_hub, status):
    party = Party(
        behind_hub=True, told=dict(zip("AB", told, strict=False)), platform=Platform(status=of_the_hub)
    )

    assert party.status == status


def test_nothing_is_done_twice_and_one_query_tells(hub, django_assert_num_queries):
    tell(hub, "SE*CLI")

    with nothing_changes():
        assert listing.keep_true() == 0
    with django_assert_num_queries(1):
        assert learning.learn() == 0


def test_what_a_hub_says_of_hubs_and_of_this_one_is_left(hub, settings):
    tell(hub, f"{settings.HUB_COUNTRY_CODE}*{settings.HUB_PARTY_ID}")
    tell(hub, "FI*HB3", "HUB")
    tell(hub, "SE*HB2", "CPO")

    assert behind(hub) == {}
    assert Party.objects.get(key="SE*HB2").roles == ["HUB"]


def test_many_are_learnt_in_one_round(hub):
    ClientInfo.objects.bulk_create(
        ClientInfo(
            country_code="SE", party_id=f"{number:03}", object_id="SE*HB2", audience="-", role="CPO",
            status="CONNECTED", source=hub.platform, last_updated=timezone.now(), document="{}",
        )
        for number in range(learning.CHUNK + 1)
    )  # fmt: skip

    assert learning.learn() == learning.CHUNK + 1
    assert len(behind(hub)) == learning.CHUNK + 1


# ------------------------------------------------------------------------------------------------- whose it is
@pytest.mark.parametrize("of", ["announced", "invited"])
def test_a_party_that_is_connected_here_stays_with_its_platform(hub, cpo, of):
    if of == "invited":
        cpo.platform.parties.update(roles=[], invited_roles=["CPO"])

    with nothing_changes():
        claims.learn(hub.platform, cpo.platform.parties.get().ref, {"CPO": "CONNECTED"})
    tell(hub, "NL*ABC", "CPO", "SUSPENDED")

    party = Party.objects.get(key="NL*ABC")
    assert (party.platform, party.behind_hub, party.told) == (cpo.platform, False, {})


def test_a_party_that_its_platform_has_given_up_is_taken_from_the_hub(hub, cpo, emsp, deliver):
    listing.keep_true()
    cpo.platform.parties.update(roles=[])

    tell(hub, "NL*ABC")
    assert behind(hub) == {}
    deliver()
    listing.keep_true()
    deliver()

    assert behind(hub) == {"NL*ABC": {"CPO": "CONNECTED"}}
    assert statuses(emsp) == {"ABC CPO": "CONNECTED"}
    # The other hub, which was told of it, hears that it is gone from here.
    assert statuses(hub) == {"MSP EMSP": "CONNECTED"}
    assert [status for path, status in told(hub) if path == "NL/ABC"] == ["SUSPENDED"]


def test_a_party_that_connects_here_is_taken_over(hub, network, emsp):
    tell(hub, "SE*CLI")
    platform = Platform.objects.create(name="Client", status="CONNECTED")

    announce(platform, "SE-CLI-EMSP")

    party = Party.objects.get(key="SE*CLI")
    assert (party.platform, party.behind_hub, party.told) == (platform, False, {})
    assert (party.roles, party.business_details) == (["EMSP"], {"EMSP": {"name": "Name"}})
    tell(hub, "SE*CLI", "CPO", "OFFLINE")
    assert Party.objects.get(key="SE*CLI").roles == ["EMSP"]


def test_a_party_that_is_invited_here_is_no_longer_behind_the_hub_and_comes_back_with_a_failed_handshake(hub):
    tell(hub, "SE*CLI")

    platform, _ = handshake.invite("Client", [Claim.parse("SE-CLI-CPO")])
    assert Party.objects.get(key="SE*CLI").platform == platform
    listing.keep_true()
    assert behind(hub) == {}

    platform.parties.all().delete()
    listing.keep_true()
    assert behind(hub) == {"SE*CLI": {"CPO": "CONNECTED"}}


def test_a_party_of_a_platform_is_still_refused_to_another(hub, cpo):
    with pytest.raises(ClaimRefused):
        announce(hub.platform, "NL-ABC-CPO")


def test_a_hub_that_registers_again_keeps_what_is_behind_it(hub):
    tell(hub, "SE*CLI")

    announce(hub.platform, "SE-HB2-HUB")

    assert behind(hub) == {"SE*CLI": {"CPO": "CONNECTED"}}
    assert Party.objects.get(key="SE*CLI").roles == ["CPO"]


# ------------------------------------------------------------------------------------------------- several hubs
def test_of_two_hubs_the_first_keeps_a_party_as_long_as_it_has_it_connected(hub, third):
    tell(hub, "SE*CLI")
    tell(third, "SE*CLI")
    assert (len(behind(hub)), len(behind(third))) == (1, 0)

    tell(hub, "SE*CLI", "CPO", "OFFLINE")
    assert (len(behind(hub)), len(behind(third))) == (0, 1)

    tell(hub, "SE*CLI")
    assert (len(behind(hub)), len(behind(third))) == (0, 1)


def test_a_party_that_no_hub_has_connected_stays_where_it_was(hub, third):
    tell(hub, "SE*CLI")
    tell(third, "SE*CLI", "CPO", "PLANNED")
    tell(hub, "SE*CLI", "CPO", "SUSPENDED")

    assert behind(hub) == {"SE*CLI": {"CPO": "SUSPENDED"}}


def test_a_hub_that_is_silent_keeps_its_parties_and_one_that_left_loses_them_to_another(hub, third):
    tell(hub, "SE*CLI")
    tell(third, "SE*CLI")
    Platform.objects.filter(pk=hub.platform.pk).update(status="OFFLINE")
    listing.keep_true()
    assert len(behind(hub)) == 1

    handshake.leave(hub.platform)
    listing.keep_true()
    assert (len(behind(hub)), len(behind(third))) == (0, 1)


# ------------------------------------------------------------------------------------------ who is told of whom
def test_our_clients_see_parties_behind_a_hub_as_it_tells_and_as_the_hub_is(hub, cpo, emsp, deliver):
    tell(hub, "SE*CLI")
    tell(hub, "SE*PRO", "EMSP", "PLANNED")
    deliver()

    assert statuses(cpo) == {"MSP EMSP": "CONNECTED", "PRO EMSP": "PLANNED"}
    assert statuses(emsp) == {"ABC CPO": "CONNECTED", "CLI CPO": "CONNECTED"}
    assert ("SE/CLI", "CONNECTED") in told(emsp)

    Platform.objects.filter(pk=hub.platform.pk).update(status="OFFLINE")
    assert statuses(emsp)["CLI CPO"] == "OFFLINE"
    assert statuses(cpo)["PRO EMSP"] == "PLANNED"
    handshake.leave(hub.platform)
    assert statuses(emsp)["CLI CPO"] == "SUSPENDED"


@pytest.mark.parametrize("default", ["open", "closed"])
def test_hubs_are_told_of_our_own_clients_and_never_of_those_of_hubs(
    settings, default, hub, third, cpo, emsp, deliver
):
    settings.HUB_AGREEMENTS = default
    tell(hub, "SE*CLI")
    tell(third, "FI*PRO", "EMSP")
    deliver()
    tell(hub, "SE*CLI", "CPO", "OFFLINE")
    deliver()

    for each in (hub, third):
        assert statuses(each) == {"ABC CPO": "CONNECTED", "MSP EMSP": "CONNECTED"}
        assert sorted(told(each)) == [("DE/MSP", "CONNECTED"), ("NL/ABC", "CONNECTED")]


def test_an_agreement_counts_for_a_party_behind_a_hub_as_for_any(hub, cpo, emsp, network):
    other = register(network, "Other", "DE-OTH-EMSP")
    tell(hub, "SE*CLI")
    Agreement.objects.create(first="DE*MSP", second="SE*CLI", allowed=False)

    assert statuses(emsp)["CLI CPO"] == "PLANNED"
    assert statuses(other)["CLI CPO"] == "CONNECTED"
    assert statuses(hub)["MSP EMSP"] == "CONNECTED"


def test_what_is_for_everybody_goes_to_no_hub_for_the_parties_behind_it(hub, cpo, emsp, deliver):
    tell(hub, "SE*PRO", "EMSP")
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()

    assert [call.path for call in emsp.received() if "locations" in call.path] == [
        "/receiver/locations/NL/ABC/LOC1"
    ]
    assert [call.path for call in hub.received() if "hubclientinfo" not in call.path] == []
    assert hub.get("sender/locations").data == []


def test_a_party_behind_a_hub_that_asks_here_reads_what_its_role_and_agreements_let_it(hub, cpo, stranger):
    tell(hub, "SE*PRO", "EMSP")
    tell(hub, "SE*CLI", "CPO")
    Agreement.objects.create(first="FR*XYZ", second="SE*PRO", allowed=False)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    theirs = examples.location(country_code="FR", party_id="XYZ")
    stranger.put("receiver/locations/FR/XYZ/LOC1", theirs)

    def read(party):
        hub.party = party
        return [location["party_id"] for location in hub.get("sender/locations").data]

    assert read("SE*PRO") == ["ABC"]
    assert read("SE*CLI") == read("SE*HB2") == []


def test_a_platform_that_is_remembered_between_requests_stays_as_it_is(hub):
    tell(hub, "SE*PRO", "EMSP")
    platform = Platform.objects.get(pk=hub.platform.pk)

    route = from_whom(Routing(None, PartyRef("SE", "PRO")), platform)

    assert (route.roles, route.from_hub) == ({"EMSP"}, True)
    assert [party.key for party in platform.readers("SE*PRO")] == ["SE*PRO"]
    assert [party.key for party in platform.speaks_for] == ["SE*HB2"]


# ------------------------------------------------------------------------------------------------- by its list
def pull(hub, **options):
    return sync.pull_platform(hub.platform.pk, "hubclientinfo", **options)


def test_the_list_of_a_hub_is_read_without_routing_and_learnt(hub, emsp):
    hub.lists["hubclientinfo"] = [
        entry("SE*CLI"),
        entry("SE*PRO", "EMSP", "OFFLINE"),
        entry("SE*CLI", "EMSP"),
    ]

    [report] = pull(hub, full=True)
    listing.keep_true()

    assert (report.pull.state, report.pull.new, report.pull.refused) == ("DONE", 3, 0)
    assert behind(hub) == {"SE*CLI": {"CPO": "CONNECTED", "EMSP": "CONNECTED"}, "SE*PRO": {"EMSP": "OFFLINE"}}
    [call] = [call for call in hub.calls if call.path.startswith("/sender/hubclientinfo")]
    assert [name for name in call.headers if name.startswith("ocpi-")] == []
    assert hub.get("receiver/hubclientinfo/SE/PRO").data == hub.lists["hubclientinfo"][1]


def test_a_list_that_is_read_again_changes_what_changed(hub):
    hub.lists["hubclientinfo"] = [entry("SE*CLI", last_updated="2026-03-01T12:00:00Z"), entry("SE*TWO")]
    pull(hub)
    listing.keep_true()
    messages = Message.objects.filter(module="hubclientinfo").exclude(source=hub.platform).count()
    hub.lists["hubclientinfo"][0] = entry("SE*CLI", status="OFFLINE")

    [report] = pull(hub, full=True)
    listing.keep_true()

    assert (report.pull.new, report.pull.changed, report.pull.unchanged) == (0, 1, 1)
    assert behind(hub)["SE*CLI"] == {"CPO": "OFFLINE"}
    assert Message.objects.filter(module="hubclientinfo").exclude(source=hub.platform).count() == messages


def test_reading_it_leaves_our_own_list_alone(hub, cpo, emsp):
    listing.keep_true()
    before = list(ClientInfo.objects.filter(object_id="").order_by("pk").values())
    hub.lists["hubclientinfo"] = [entry("NL*ABC", status="SUSPENDED", last_updated="2030-01-01T00:00:00Z")]

    [report] = pull(hub, full=True)

    assert report.pull.new == 1
    assert list(ClientInfo.objects.filter(object_id="").order_by("pk").values()) == before
    assert statuses(emsp) == {"ABC CPO": "CONNECTED"}
    assert Message.objects.filter(audience="-").count() == 0


def test_the_lists_of_hubs_are_read_and_no_others_and_not_those_of_parties_behind_them(hub, cpo):
    tell(hub, "SE*CLI")

    assert [module for platform, module in sync.sources(hub.platform.pk)] == ["hubclientinfo"]
    assert "hubclientinfo" not in [module for platform, module in sync.sources(cpo.platform.pk)]


def test_a_new_hub_is_read_by_schedule_and_one_that_comes_back_at_once(hub):
    pullplans.make(hub.platform)
    plan = PullPlan.objects.get(platform=hub.platform)
    assert (plan.module, plan.enabled, plan.wanted) == ("hubclientinfo", True, "")
    since = timezone.now() - timedelta(hours=1)
    Platform.objects.filter(pk=hub.platform.pk).update(status="OFFLINE", offline_since=since)

    lanebreaker.came_back(Platform.objects.get(pk=hub.platform.pk), timezone.now())

    plan.refresh_from_db()
    assert (plan.wanted, plan.since) == ("CHANGES", since)


# ------------------------------------------------------------------------------------------------ what waits
def test_what_waits_for_a_party_is_due_when_it_is_there_again(hub, cpo, emsp):
    tell(hub, "SE*PRO", "EMSP", "OFFLINE")
    cdr_token = {**examples.session()["cdr_token"], "country_code": "SE", "party_id": "PRO"}
    session = examples.session(cdr_token=cdr_token)
    assert cpo.put(f"receiver/sessions/NL/ABC/{session['id']}", session).codes == (201, 1000)
    outbox.expand()
    later = timezone.now() + timedelta(hours=1)
    Delivery.objects.filter(module="sessions").update(next_attempt_at=later)

    tell(hub, "SE*PRO", "EMSP", "CONNECTED")

    assert Delivery.objects.get(module="sessions").next_attempt_at < later
