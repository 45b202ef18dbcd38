"""HCI-01 to HCI-11: who can be reached through the hub."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from credentials import handshake
from hubclientinfo import listing
from hubclientinfo.models import SEES, ClientInfo
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners.claims import Claim
from ocpi_hub.partners.models import IssuedToken, Platform
from ocpi_hub.protocol.codec import check
from ocpi_hub.protocol.hub_client_info import ClientInfo as Wire
from tests import examples
from tests.conformance.calls import METHODS, enveloped, nothing_changes, raw, send, to
from tests.conformance.peers import Peer
from tests.partners import register

pytestmark = pytest.mark.django_db

LIST = "sender/hubclientinfo"
CONFIGURATION = ("OCPI-to-country-code", "OCPI-to-party-id", "OCPI-from-country-code", "OCPI-from-party-id")


def statuses(partner):
    """Whom a partner is shown, and how."""
    return {
        f"{entry['country_code']}*{entry['party_id']} {entry['role']}": entry["status"]
        for entry in partner.crawl(LIST)
    }


def told(partner):
    """What the hub pushed to a partner about others, in order."""
    calls = [call for call in partner.received() if "/hubclientinfo/" in call.path]
    return [(call.method, call.path, call.body["role"], call.body["status"]) for call in calls]


def state(partner, **changes):
    Platform.objects.filter(pk=partner.platform.pk).update(**changes)


@pytest.fixture
def workers(deliver):
    """A round of the workers: ask who is due, look at the list, deliver what changed."""

    def round_of_work(now=None):
        now = now or timezone.now()
        for platform_id in liveness.claim(now):
            liveness.ask(platform_id, now)
        listing.reconcile(now)
        deliver()

    return round_of_work


# ------------------------------------------------------------------------------------------------ the list
@pytest.mark.row("HCI-01", "PAG-01", "PAG-10", "PAG-11")
def test_the_list_comes_in_pages_with_totals_for_the_caller(network, cpo, emsp):
    for number in range(4):
        register(network, f"E{number}", f"DE-E{number}-EMSP")

    first = cpo.get(f"{LIST}?limit=2")

    assert first.codes == (200, 1000)
    assert [entry["party_id"] for entry in first.data] == ["E0", "E1"]
    assert (first.headers["X-Total-Count"], first.headers["X-Limit"]) == ("5", "2")
    assert len(cpo.crawl(f"{LIST}?limit=2")) == 5
    assert emsp.get(LIST).headers["X-Total-Count"] == "1"


@pytest.mark.row("HCI-01", "PAG-03", "PAG-04")
def test_the_list_is_filtered_by_last_updated(cpo, emsp, stranger):
    yesterday = timezone.now() - timedelta(days=1)
    listing.reconcile(yesterday)
    state(emsp, status="OFFLINE")
    now = f"{timezone.now() - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"

    assert [entry["party_id"] for entry in cpo.get(f"{LIST}?date_from={now}").data] == ["MSP"]
    assert [entry["party_id"] for entry in cpo.get(f"{LIST}?date_to={now}").data] == ["XYZ"]


@pytest.mark.row("HCI-02")
@pytest.mark.parametrize("role", SEES)
def test_each_role_sees_the_roles_that_it_has_business_with(network, role):
    for seen in SEES:
        register(network, f"P{seen}", f"NL-{seen[:3]}-{seen}")
    viewer = register(network, "Viewer", f"BE-ME-{role}")

    found = {entry["role"] for entry in viewer.get(LIST).data}

    assert (
        found
        == {
            "CPO": {"EMSP", "NSP", "NAP", "SCSP", "OTHER"},
            "EMSP": {"CPO", "SCSP"},
            "SCSP": {"CPO", "EMSP"},
            "NSP": {"CPO"},
            "NAP": {"CPO"},
            "OTHER": {"CPO"},
            "HUB": {"CPO", "EMSP", "NSP", "NAP", "SCSP", "OTHER"},
        }[role]
    )


@pytest.mark.row("HCI-02")
def test_neither_the_own_parties_nor_the_hub_are_listed(network, cpo):
    both = register(network, "Both", "BE-ONE-CPO", "BE-ONE-EMSP", "LU-TWO-EMSP")

    assert statuses(both) == {"NL*ABC CPO": "CONNECTED"}
    assert statuses(cpo) == {"BE*ONE EMSP": "CONNECTED", "LU*TWO EMSP": "CONNECTED"}


@pytest.mark.row("HCI-02")
def test_a_party_of_two_roles_has_an_entry_for_each(network, stranger, cpo):
    scsp = register(network, "SCSP", "AT-SCS-SCSP")

    assert statuses(scsp) == {
        "FR*XYZ CPO": "CONNECTED",
        "FR*XYZ EMSP": "CONNECTED",
        "NL*ABC CPO": "CONNECTED",
    }
    assert statuses(cpo) == {"FR*XYZ EMSP": "CONNECTED", "AT*SCS SCSP": "CONNECTED"}


@pytest.mark.row("HCI-03")
def test_every_entry_is_complete(cpo, emsp, stranger):
    entries = cpo.get(LIST).data

    assert len(entries) == 2
    for entry in entries:
        assert set(entry) == {"country_code", "party_id", "role", "status", "last_updated"}
        check(entry, Wire)


@pytest.mark.row("HCI-01", "MET-12")
@pytest.mark.parametrize("method", METHODS)
def test_the_list_is_all_there_is_on_the_sender_interface(cpo, emsp, method):
    cpo.get(LIST)

    with nothing_changes():
        of_list = raw(cpo, method, f"/ocpi/2.2.1/{LIST}")
        of_one = raw(cpo, method, f"/ocpi/2.2.1/{LIST}/DE/MSP")

    assert of_list.codes == ((200, 1000) if method == "GET" else (405, 2000))
    assert of_one.codes == ((404, 2000) if method == "GET" else (405, 2000))


@pytest.mark.row("HUB-03")
@pytest.mark.parametrize(
    "headers", [to("NL*HUB"), to("DE*MSP"), to("XX*XXX"), {"OCPI-from-country-code": "ZZ"}]
)
def test_routing_headers_are_overlooked_and_none_comes_back(cpo, emsp, headers):
    """P58: this is a configuration module."""
    answered = cpo.get(LIST, **headers)

    assert answered.codes == (200, 1000)
    assert [entry["party_id"] for entry in answered.data] == ["MSP"]
    assert not [name for name in answered.headers if name.lower().startswith("ocpi-")]
    assert emsp.calls == []


def test_the_list_is_true_when_it_is_read_whatever_the_workers_did(cpo, emsp):
    assert statuses(cpo) == {"DE*MSP EMSP": "CONNECTED"}
    state(emsp, status="OFFLINE")

    assert statuses(cpo) == {"DE*MSP EMSP": "OFFLINE"}


# ---------------------------------------------------------------------------------------------- the pushes
@pytest.mark.row("HCI-04", "HCI-07", "HCI-11")
def test_a_partner_that_registers_is_told_to_those_who_may_see_it(network, cpo, emsp, stranger, workers):
    peer = Peer(network, parties=("NL-NEW-CPO",))
    peer.invitation()
    workers()
    for partner in (cpo, emsp, stranger):
        partner.calls.clear()

    assert peer.post().codes == (200, 1000)
    workers()

    put = ("PUT", "/receiver/hubclientinfo/NL/NEW", "CPO", "CONNECTED")
    assert told(emsp) == [put]
    assert told(stranger) == [put]
    assert told(cpo) == []
    assert [call for call in peer.calls if "hubclientinfo" in call.path] == []


@pytest.mark.row("HUB-03", "UID-06", "HCI-04", "HCI-11")
def test_a_push_names_the_party_described_and_carries_ids_and_no_routing(cpo, emsp, workers):
    workers()

    [call] = [call for call in cpo.received() if "hubclientinfo" in call.path]
    entry = ClientInfo.objects.get(party_id="MSP")
    assert (call.method, call.url) == ("PUT", "https://abc.example/receiver/hubclientinfo/DE/MSP")
    assert call.body == {
        "country_code": "DE", "party_id": "MSP", "role": "EMSP", "status": "CONNECTED",
        "last_updated": call.body["last_updated"],
    }  # fmt: skip
    assert call.body == cpo.get(LIST).data[0]
    assert call.body["last_updated"] == f"{entry.last_updated.isoformat(timespec='milliseconds')[:23]}Z"
    assert call.headers["X-Request-ID"]
    assert call.headers["X-Correlation-ID"]
    assert [name for name in CONFIGURATION if name in call.headers] == []


@pytest.mark.row("HCI-04")
def test_a_party_of_two_roles_is_put_once_for_each_at_the_same_address(network, stranger, workers):
    scsp = register(network, "SCSP", "AT-SCS-SCSP")
    workers()

    assert sorted(told(scsp)) == [
        ("PUT", "/receiver/hubclientinfo/FR/XYZ", "CPO", "CONNECTED"),
        ("PUT", "/receiver/hubclientinfo/FR/XYZ", "EMSP", "CONNECTED"),
    ]


@pytest.mark.row("HCI-04", "HUB-14")
def test_who_has_no_receiver_or_pulls_only_is_sent_nothing(network, emsp, workers):
    plain = register(network, "Plain", "NL-PLN-CPO", modules=("locations", "tokens"))
    puller = register(network, "Puller", "NL-PUL-CPO")
    state(puller, pull_only=True)
    workers()

    assert told(plain) == told(puller) == []
    assert statuses(plain) == statuses(puller) == {"DE*MSP EMSP": "CONNECTED"}


@pytest.mark.row("HCI-04")
def test_a_push_that_fails_is_tried_again_with_the_state_of_then(cpo, emsp, workers):
    cpo.answers.append(lambda request: httpx.Response(503))
    workers()
    assert Delivery.objects.get(platform=cpo.platform).state == "PENDING"
    cpo.answers.clear()
    cpo.calls.clear()
    state(emsp, status="OFFLINE")
    Delivery.objects.update(next_attempt_at=timezone.now())

    workers()

    assert told(cpo) == [("PUT", "/receiver/hubclientinfo/DE/MSP", "EMSP", "OFFLINE")]
    assert Delivery.objects.get(platform=cpo.platform).state == "DELIVERED"


@pytest.mark.row("HCI-04")
def test_last_updated_moves_with_a_change_and_only_then(cpo, emsp, workers):
    before = cpo.get(LIST).data
    cpo.calls.clear()
    for _ in range(3):
        workers()
    assert cpo.get(LIST).data == before
    assert len(told(cpo)) == 1

    state(emsp, status="SUSPENDED")
    assert cpo.get(LIST).data[0]["last_updated"] > before[0]["last_updated"]


# ------------------------------------------------------------------------------------------- four statuses
@pytest.mark.row("HCI-06", "HCI-07", "HUB-31")
@pytest.mark.parametrize("status", ["PLANNED", "OFFLINE", "SUSPENDED"])
def test_a_party_that_is_not_connected_is_listed_so_and_cannot_be_asked(cpo, emsp, status):
    IssuedToken.issue(cpo.platform, IssuedToken.Kind.INVITATION)
    state(cpo, status=status)

    answered = emsp.get("sender/locations/LOC1", **to("NL*ABC"))

    assert statuses(emsp) == {"NL*ABC CPO": status}
    assert answered.codes == (200, 4003)
    assert cpo.calls == []


@pytest.mark.row("HCI-07")
def test_an_invited_party_is_listed_as_planned(cpo):
    handshake.invite("New", [Claim.parse("BE-NEW-EMSP")])

    assert statuses(cpo) == {"BE*NEW EMSP": "PLANNED"}


@pytest.mark.row("HCI-06", "HCI-04", "HCI-07")
def test_a_partner_that_leaves_stays_listed_as_suspended(cpo, emsp, workers):
    workers()
    cpo.calls.clear()

    assert emsp.delete("/ocpi/2.2.1/credentials").codes == (200, 1000)
    workers()

    assert told(cpo) == [("PUT", "/receiver/hubclientinfo/DE/MSP", "EMSP", "SUSPENDED")]
    assert statuses(cpo) == {"DE*MSP EMSP": "SUSPENDED"}
    workers()
    assert statuses(cpo) == {"DE*MSP EMSP": "SUSPENDED"}


@pytest.mark.row("HCI-06")
def test_no_entry_is_ever_deleted_whatever_becomes_of_its_partner(cpo, emsp, workers):
    workers()
    handshake.leave(emsp.platform)
    emsp.platform.parties.all().delete()
    workers()

    assert statuses(cpo) == {"DE*MSP EMSP": "SUSPENDED"}
    assert {call.method for call in cpo.received()} == {"PUT"}


@pytest.mark.row("HCI-07")
def test_a_suspended_partner_may_be_invited_and_connected_again(network, cpo, workers):
    peer = Peer(network, parties=("BE-NEW-EMSP",))
    peer.invitation()
    peer.post()
    workers()
    platform = Platform.objects.get(pk=peer.platform_id)
    handshake.leave(platform)
    workers()
    peer.hub_token = handshake.reset(platform)
    workers()
    peer.post()
    workers()

    assert [status for *_, status in told(cpo)] == ["CONNECTED", "SUSPENDED", "PLANNED", "CONNECTED"]


# ------------------------------------------------------------------------------------------ still alive?
@pytest.mark.row("HCI-07", "HCI-08", "HCI-10", "HUB-31", "TRN-17")
def test_the_whole_circle_of_a_partner_that_falls_silent_and_returns(cpo, emsp, stranger, workers):
    workers()
    for partner in (cpo, emsp, stranger):
        partner.calls.clear()
    silent = timezone.now() - timedelta(minutes=6)
    state(cpo, last_heard_at=silent)
    cpo.answers.append(lambda request: httpx.Response(502))
    start = timezone.now()

    for minute in range(3):
        assert statuses(emsp)["NL*ABC CPO"] == "CONNECTED"
        workers(start + timedelta(minutes=minute, seconds=6 * minute))
        assert [call.path for call in cpo.calls] == ["/versions"] * (minute + 1)

    offline = ("PUT", "/receiver/hubclientinfo/NL/ABC", "CPO", "OFFLINE")
    assert told(emsp) == told(stranger) == [offline]
    assert Platform.objects.get(pk=cpo.platform.pk).offline_since == silent
    assert emsp.get("sender/locations/LOC1", **to("NL*ABC")).codes == (200, 4003)

    cpo.answers.clear()
    workers(start + timedelta(minutes=9))

    connected = ("PUT", "/receiver/hubclientinfo/NL/ABC", "CPO", "CONNECTED")
    assert told(emsp) == told(stranger) == [offline, connected]
    assert statuses(emsp)["NL*ABC CPO"] == "CONNECTED"
    assert emsp.get("sender/locations/LOC1", **to("NL*ABC")).codes == (200, 1000)


@pytest.mark.row("HCI-09")
def test_traffic_at_minute_four_and_no_call_at_minute_five(cpo, workers):
    start = timezone.now()
    state(cpo, last_heard_at=start - timedelta(minutes=4))

    cpo.get("sender/tokens")
    workers(start + timedelta(minutes=1, seconds=1))
    assert cpo.calls == []

    workers(start + timedelta(minutes=7))
    assert [call.path for call in cpo.calls] == ["/versions"]


@pytest.mark.row("HCI-08")
@pytest.mark.parametrize("status", ["PLANNED", "SUSPENDED"])
def test_who_is_not_connected_is_not_asked(cpo, status, workers):
    state(cpo, status=status, last_heard_at=timezone.now() - timedelta(days=1))
    workers()

    assert cpo.calls == []


# --------------------------------------------------------------- the Receiver: another hub tells of its own
ABOUT = "receiver/hubclientinfo/SE/CLI"


def info(**changes):
    return examples.client_info(country_code="SE", party_id="CLI", role="CPO", **changes)


@pytest.fixture
def hub(network):
    """Another hub, of which this one is a client."""
    return register(network, "Peer", "SE-HB2-HUB")


@pytest.mark.row("HCI-05", "HUB-03")
def test_another_hub_may_put_and_get_and_nothing_else(hub):
    made = info()

    codes = {method: hub.request(method, ABOUT, made).codes for method in ("PUT", *METHODS)}

    assert codes == {
        "PUT": (200, 1000),
        "GET": (200, 1000),
        "POST": (405, 2000),
        "PATCH": (405, 2000),
        "DELETE": (405, 2000),
    }
    answered = hub.get(ABOUT)
    assert answered.data == made
    assert not [name for name in answered.headers if name.lower().startswith("ocpi-")]
    refused = send("DELETE", f"/ocpi/2.2.1/{ABOUT}", **hub.headers())
    assert refused.headers["Allow"] == "GET, PUT"


@pytest.mark.row("HCI-05")
def test_what_is_new_is_201_and_what_changes_200(hub):
    assert hub.put(ABOUT, info(status="PLANNED")).codes == (201, 1000)
    assert hub.put(ABOUT, info(last_updated="2026-03-02T08:00:00Z")).codes == (200, 1000)

    assert hub.get(ABOUT.lower()).data == info(last_updated="2026-03-02T08:00:00Z")
    assert ClientInfo.objects.count() == 1


@pytest.mark.row("HCI-05")
def test_of_two_roles_at_one_address_the_last_one_told_is_read(hub):
    """P132: the address does not name the role; both are kept."""
    hub.put(ABOUT, info())
    ClientInfo.objects.update(changed_at=timezone.now() - timedelta(seconds=1))
    hub.put(ABOUT, info() | {"role": "EMSP"})

    assert hub.get(ABOUT).data["role"] == "EMSP"
    assert sorted(ClientInfo.objects.values_list("role", flat=True)) == ["CPO", "EMSP"]


@pytest.mark.row("HCI-05")
def test_what_another_hub_tells_is_for_no_other_hub(hub, network, cpo, emsp, deliver):
    """Our own clients see it in our list (tests/hubclientinfo/test_learning.py)."""
    other_hub = register(network, "Third", "FI-HB3-HUB")
    for partner in (hub, other_hub):
        partner.get(LIST)
    deliver()
    for partner in (hub, other_hub):
        partner.calls.clear()

    hub.put(ABOUT, info())
    listing.keep_true()
    deliver()

    for partner in (hub, other_hub):
        assert "SE*CLI CPO" not in statuses(partner)
        assert told(partner) == []
    assert statuses(emsp)["SE*CLI CPO"] == "CONNECTED"
    assert other_hub.get(ABOUT).codes == (404, 2001)


@pytest.mark.row("HCI-05")
def test_two_hubs_do_not_write_over_each_other(hub, network):
    other_hub = register(network, "Third", "FI-HB3-HUB")
    hub.put(ABOUT, info(status="CONNECTED"))

    assert other_hub.put(ABOUT, info(status="PLANNED")).codes == (201, 1000)

    assert hub.get(ABOUT).data["status"] == "CONNECTED"
    assert other_hub.get(ABOUT).data["status"] == "PLANNED"


@pytest.mark.row("HCI-05", "MET-07")
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("path", ["NL/ABC", "DE/MSP", "SE/CLI"])
def test_to_all_but_hubs_the_receiver_does_not_exist(cpo, emsp, hub, method, path):
    hub.put(ABOUT, info())
    cpo.get(LIST)

    with nothing_changes():
        answered = cpo.request(method, f"receiver/hubclientinfo/{path}", info())

    assert answered.codes == (404, 2001)
    assert answered.message == "only a platform in the role HUB tells this hub about its clients"


@pytest.mark.row("HCI-11", "MET-09")
@pytest.mark.parametrize(("field", "value"), [("country_code", "NO"), ("party_id", "OTH")])
def test_the_url_names_the_party_described(hub, field, value):
    with nothing_changes():
        answered = hub.put(ABOUT, info() | {field: value})

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.{field}: the body has {value!r}, the URL ")


@pytest.mark.row("HCI-03", "RSP-06", "TYP-08")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "ONLINE"}, "$.status: 'ONLINE' is not one of CONNECTED, OFFLINE, PLANNED, SUSPENDED"),
        ({"role": "BOSS"}, "$.role: 'BOSS' is not one of CPO, EMSP, HUB, NAP, NSP, OTHER, SCSP"),
        ({"role": None}, "$.role: required, so null is not allowed"),
        ({"last_updated": "now"}, "$.last_updated: not a timestamp such as 2026-01-01T00:00:00Z"),
    ],
)
def test_what_is_no_client_info_is_2001(hub, changes, message):
    with nothing_changes():
        answered = hub.put(ABOUT, info() | changes)

    assert (answered.codes, answered.message) == ((200, 2001), message)


@pytest.mark.row("HCI-03")
@pytest.mark.parametrize("field", ["party_id", "country_code", "role", "status", "last_updated"])
def test_every_field_is_needed(hub, field):
    made = info()
    del made[field]

    with nothing_changes():
        answered = hub.put(ABOUT, made)

    assert (answered.codes, answered.message) == ((200, 2001), f"$.{field}: required field is missing")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7"])
def test_what_is_no_object_is_refused(hub, body):
    with nothing_changes():
        answered = raw(hub, "PUT", f"/ocpi/2.2.1/{ABOUT}", body)

    assert answered.codes in {(400, 2000), (200, 2001)}


def test_what_is_older_than_what_was_told_is_left_out(hub):
    hub.put(ABOUT, info())

    with nothing_changes():
        answered = hub.put(ABOUT, info(status="OFFLINE", last_updated="2026-02-01T08:00:00Z"))

    assert answered.codes == (200, 1000)
    assert "older" in answered.message


@pytest.mark.parametrize("rest", ["", "/SE", "/SE/CLI/CPO", "/SE/CLI/CPO/1"])
def test_there_is_nothing_at_paths_of_another_length(hub, rest):
    with nothing_changes():
        answers = [hub.request(method, f"receiver/hubclientinfo{rest}", info()) for method in ("GET", "PUT")]

    assert [answered.codes for answered in answers] == [(404, 2000)] * 2


@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", [None, "unknown.token"], ids=["no token", "unknown token"])
def test_without_a_known_token_nothing_opens(hub, role, method, token):
    url = f"/ocpi/2.2.1/{ABOUT if role == 'receiver' else LIST}"

    with nothing_changes():
        answered = enveloped(send(method, url, token=token))

    assert answered.codes == (401, 2000)
