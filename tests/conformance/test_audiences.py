"""Every interface and method, walked as every party: nobody sees or changes what is not theirs.

The hub is full of objects; whichever filter by audience is taken away, one of these fails. Who may see what is in
the table of planted.py.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings

from ocpi_hub.exchange import routing
from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.protocol.commands import CommandResult
from ocpi_hub.protocol.headers import MessageIDs
from tests import examples
from tests.conformance.audiences import REQUESTS, Request, requests
from tests.conformance.calls import enveloped, everything, nothing_changes, send
from tests.conformance.modules import MODULES
from tests.conformance.planted import (
    CAST,
    PLANTED,
    SECRET,
    clients_of,
    is_sent,
    join_cast,
    marks,
    may_see,
    plant,
)
from tests.partners import Network, Partner
from tests.partners import enveloped as answering

KEPT_OUT = ("suspended", "invited")


@pytest.fixture
def cast(
    network: Network,
    settings: Any,
    cpo: Partner,
    rival: Partner,
    emsp: Partner,
    other_emsp: Partner,
    stranger: Partner,
    deliver: Callable[[], int],
) -> dict[str, Partner]:
    """Everybody, in a hub that is filled and has sent what it had to send."""
    settings.HUB_REQUESTS_PER_MINUTE = 1_000_000
    known = {"cpo": cpo, "rival": rival, "emsp": emsp, "other_emsp": other_emsp, "stranger": stranger}
    cast = join_cast(network, known)
    plant(cast)
    emsp.get("sender/hubclientinfo")  # which lists everybody, and tells the others
    deliver()
    return cast


def test_every_module_has_its_requests():
    missing = set(settings.OCPI_MODULES) - set(REQUESTS)

    assert missing == set(), "say in tests/conformance/audiences.py what may be asked for there"


def test_no_mark_is_in_another():
    assert len({planted.mark for planted in PLANTED}) == len(PLANTED)
    assert all(marks(planted.mark) == {planted.mark} for planted in PLANTED)


@pytest.mark.row("TRN-04", "HUB-13", "HUB-18", "SES-18", "CDR-02")
def test_each_party_is_sent_what_is_for_it_and_nothing_else(cast):
    sent = {
        who: {mark for call in partner.calls for mark in marks(str(call.body))}
        for who, partner in cast.items()
        if who != "sister"  # whose platform is that of NL*ABC
    }

    assert sent == {who: is_sent(who) for who in sent}


@pytest.mark.row("HUB-18", "SES-18")
@pytest.mark.parametrize("module", ["sessions", "cdrs", Callback.MODULE])
def test_what_is_for_one_party_goes_to_the_platform_of_that_party(cast, module):
    """The deliveries are made by audience once more; either of the two would do."""
    found = routing.addressees(module, {"DE*MSP"})

    assert [receiver.platform_id for receiver in found] == [cast["emsp"].platform.pk]


@pytest.mark.row("TRN-04", "TRN-14", "PAG-10", "SES-18", "CDR-02")
def test_a_list_shows_and_counts_what_is_for_the_caller_and_nothing_else(cast):
    others = [who for who in CAST if who not in KEPT_OUT]
    pages = {(who, module.name): cast[who].get(module.list()) for who in others for module in MODULES}

    listed = {
        (who, name): {
            planted.mark for planted in PLANTED if planted.module == name and who in planted.seen_by
        }
        for who, name in pages
    }
    assert {at: {item["x_mark"] for item in page.data} for at, page in pages.items()} == listed
    assert {at: int(page.headers["X-Total-Count"]) for at, page in pages.items()} == {
        at: len(seen) for at, seen in listed.items()
    }


@pytest.mark.row("TRN-14", "PAG-10")
def test_a_total_is_the_number_of_objects_that_link_leads_to(cast):
    others = [cast[who] for who in CAST if who not in KEPT_OUT]
    lists = [*(module.list(limit=2) for module in MODULES), "sender/hubclientinfo?limit=2"]
    unfiltered = [path for path in lists if "date_from" not in path]
    assert len(unfiltered) == len(lists) - 1  # a list of Sessions begins at a date

    pages = [(partner.get(path), partner.crawl(path)) for partner in others for path in lists]

    assert [int(first.headers["X-Total-Count"]) for first, _ in pages] == [len(found) for _, found in pages]


@pytest.mark.row("TRN-04", "HCI-02", "HCI-04")
def test_each_party_is_told_of_the_clients_that_it_may_reach_and_of_no_others(cast):
    others = {who: partner for who, partner in cast.items() if who not in KEPT_OUT}

    listed = {who: parties(partner.get("sender/hubclientinfo").data) for who, partner in others.items()}
    sent = {
        who: parties(call.body for call in partner.received() if "/hubclientinfo/" in call.path)
        for who, partner in cast.items()
        if who != "sister"
    }

    assert listed == {who: clients_of(partner) for who, partner in others.items()}
    assert sent == {who: set() if who in KEPT_OUT else clients_of(cast[who]) for who in sent}


def parties(clients: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(f"{client['country_code']}*{client['party_id']}", client["role"]) for client in clients}


@pytest.mark.row("TRN-04", "TRN-14", "CDR-02", "SES-18", "MET-07")
@pytest.mark.parametrize("who", CAST)
def test_no_request_of_a_party_shows_or_changes_what_is_not_its_own(cast, who):
    walk = Walk(who, cast)
    for module in settings.OCPI_MODULES:
        for request in requests(module, who, cast):
            walk.send(request)
    walk.look_for_changes()

    assert walk.faults == []
    assert walk.seen == may_see(who)


class Walk:
    """One party on its way through the hub, and what went wrong."""

    def __init__(self, who: str, cast: dict[str, Partner]) -> None:
        self.who, self.cast = who, cast
        self.allowed = may_see(who)
        self.seen: set[str] = set()
        self.faults: list[str] = []
        self.before = everything()
        self.last: Request | None = None
        self.closed: set[tuple[str, str]] = set()

    def send(self, request: Request) -> None:
        # A token that opens nothing and a method that is not there are so for every addressee.
        if (request.method, request.url) in self.closed:
            return
        if self.last is not None and self.last.url != request.url:
            self.look_for_changes()
        self.last = request
        calls = self.calls()
        partner = self.cast[self.who]
        response = send(request.method, request.url, request.body, **{**partner.headers(), **request.headers})
        shown = marks(response.content) | marks(str(response.headers))
        self.seen |= shown
        if shown - self.allowed or (shown and request.method != "GET"):
            self.faults.append(f"{request}: shows {', '.join(sorted(shown - self.allowed))}")
        if self.who in KEPT_OUT and enveloped(response).http_status != 401:
            self.faults.append(f"{request}: HTTP {response.status_code}")
        if response.status_code in (401, 405):
            self.closed.add((request.method, request.url))
        if self.calls() != calls and not request.may_be_relayed:
            self.faults.append(f"{request}: reaches another party")

    def calls(self) -> int:
        return sum(len(partner.calls) for partner in self.cast.values())

    def look_for_changes(self) -> None:
        after = everything()
        if changed := [name for name in after if after[name] != self.before[name]]:
            self.faults.append(f"up to {self.last}: changes {', '.join(changed)}")
        self.before = after


# ------------------------------------------------------------------------------------------------- results
@pytest.mark.row("CMD-07")
def test_a_result_is_taken_from_the_platform_that_was_asked_only(cast):
    others = [partner for who, partner in cast.items() if who not in ("cpo", "sister")]

    with nothing_changes():
        for partner in others:
            with pytest.raises(NotFound):
                arrive(partner)

    assert arrive(cast["cpo"]).passed_on


def arrive(partner: Partner) -> callbacks.Arrived:
    body, ids = b'{"result": "ACCEPTED"}', MessageIDs.new()
    return callbacks.arrive("commands", "START_SESSION", SECRET, partner.platform, body, CommandResult, ids)


# -------------------------------------------------------------------------------------------------- orders
def order(partner: Partner, name: str, body: dict[str, Any]) -> str:
    """What the hub answers to a command without an addressee."""
    country_code, party_id = partner.party.split("*")
    if "token" in body:
        body["token"] |= {"country_code": country_code, "party_id": party_id}
    answered = partner.post(f"receiver/commands/{name}", body | {"response_url": f"https://{partner.host}/r"})
    return str((answered.data or {}).get("result"))


@pytest.mark.row("CMD-10", "CMD-19")
def test_a_copy_or_a_reservation_of_one_party_leads_no_order_of_another_to_the_operator(cast):
    """Without an addressee the hub looks for the operator, among what the sender may know of."""
    accepted = {"result": "ACCEPTED", "timeout": 30}
    cast["cpo"].answers.append(
        lambda request: answering(accepted) if "/commands/" in str(request.url) else None
    )
    start = examples.start_session(location_id="OBJECT3", evse_uid="EVSE1", connector_id="1")
    reserve = examples.reserve_now(location_id="OBJECT2")
    cancel = examples.cancel_reservation()
    emsp, other = cast["emsp"], cast["other_emsp"]

    assert order(emsp, "RESERVE_NOW", deepcopy(reserve)) == "ACCEPTED"
    before = len(cast["cpo"].calls)
    assert order(other, "START_SESSION", deepcopy(start)) == "REJECTED"
    assert order(other, "CANCEL_RESERVATION", cancel) == "REJECTED"
    assert len(cast["cpo"].calls) == before
    assert order(emsp, "START_SESSION", deepcopy(start)) == "ACCEPTED"
    assert order(emsp, "CANCEL_RESERVATION", cancel) == "ACCEPTED"
