"""A partner that has just connected: it reads what there is, and is sent what changes from then on.

Nobody is filled by pushes: a hundred thousand Locations would keep everything else out of its lane for hours.
"""

import pytest
from django.conf import settings
from django.utils import timezone

from hubclientinfo import listing
from tests import examples
from tests.conformance.modules import MODULES
from tests.conformance.peers import Peer

pytestmark = pytest.mark.django_db

LATER = "2026-03-02T08:00:00Z"
LISTS = {
    "EMSP": {"locations": [examples.location()], "tariffs": [examples.tariff()], "sessions": [], "cdrs": []},
    "CPO": {"tokens": [examples.token()]},
}
MEETS = {"EMSP": [("NL", "ABC", "CPO")], "CPO": [("DE", "MSP", "EMSP")]}


@pytest.fixture
def full_hub(cpo, emsp, deliver):
    """Everything there is of NL*ABC and DE*MSP, before anybody else comes."""
    for module in MODULES:
        owner = cpo if module.owner == "cpo" else emsp
        assert module.push(owner, module.make()).codes == (201, 1000)
    listing.reconcile(timezone.now())
    deliver()
    cpo.calls.clear()
    emsp.calls.clear()


def newcomer(network, role):
    """A platform with every module, after its handshake."""
    peer = Peer(network, parties=(f"SE-NEW-{role}",), modules=tuple(settings.OCPI_MODULES))
    peer.invitation()
    assert peer.post().codes == (200, 1000)
    peer.calls.clear()
    return peer


def look_around(deliver):
    """What the workers do every few seconds."""
    listing.reconcile(timezone.now())
    deliver()


@pytest.mark.row("TRN-12")
@pytest.mark.parametrize("role", LISTS)
def test_a_newcomer_is_sent_nothing_that_is_older_and_reads_it_all(full_hub, network, deliver, role):
    new = newcomer(network, role)
    look_around(deliver)

    assert [call for call in new.calls if "/receiver/" in call.path] == []
    lists = {module: new.call("GET", f"2.2.1/sender/{module}").data for module in LISTS[role]}
    assert lists == LISTS[role]


@pytest.mark.row("HCI-02")
@pytest.mark.parametrize("role", LISTS)
def test_whom_it_may_reach_it_reads_in_the_list_of_clients(full_hub, network, deliver, role):
    new = newcomer(network, role)
    look_around(deliver)

    clients = new.call("GET", "2.2.1/sender/hubclientinfo").data

    met = [(client["country_code"], client["party_id"], client["role"]) for client in clients]
    assert met == MEETS[role]
    assert {client["status"] for client in clients} == {"CONNECTED"}


@pytest.mark.row("HCI-04")
def test_the_others_are_told_of_the_newcomer_that_they_may_reach_now(full_hub, network, cpo, emsp, deliver):
    newcomer(network, "EMSP")
    look_around(deliver)

    [told] = cpo.received()
    assert (told.method, told.path) == ("PUT", "/receiver/hubclientinfo/SE/NEW")
    assert (told.body["role"], told.body["status"]) == ("EMSP", "CONNECTED")
    assert emsp.received() == []


@pytest.mark.row("TRN-12")
def test_from_then_on_it_is_sent_what_changes_and_only_that(full_hub, network, cpo, deliver):
    new = newcomer(network, "EMSP")
    look_around(deliver)
    change = {"status": "BLOCKED", "last_updated": LATER}

    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", change)
    look_around(deliver)

    pushed = [(call.method, call.path, call.body) for call in new.calls if "/receiver/" in call.path]
    assert pushed == [
        ("PUT", "/2.2.1/receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2")),
        ("PATCH", "/2.2.1/receiver/locations/NL/ABC/LOC1/EVSE1", change),
    ]
