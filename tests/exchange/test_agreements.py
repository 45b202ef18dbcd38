"""What an agreement between two parties opens and closes, seen by the partners."""

import pytest

from cdrs.models import CDR
from locations.models import Location
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners.models import Agreement, Platform
from sessions.models import Session
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import enveloped, register
from tokens.models import Token

LOC1 = "receiver/locations/NL/ABC/LOC1"
SESSION1 = "receiver/sessions/NL/ABC/SESSION1"
UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
ASK = "sender/tokens/04A1B2C3D4/authorize"
MSP, ABC = to("DE*MSP"), to("NL*ABC")
START = {
    "response_url": "https://msp.example/results/1",
    "token": examples.token(),
    "location_id": "LOC1",
}
STOP = {"response_url": "https://msp.example/results/1", "session_id": "SESSION1"}


def agree(allowed, module="", first="DE*MSP", second="NL*ABC"):
    Agreement.objects.update_or_create(
        first=first, second=second, module=module, defaults={"allowed": allowed}
    )


@pytest.fixture
def other(db, network):
    """A second provider, with which nothing is ever closed."""
    return register(network, "OTH", "AT-OTH-EMSP")


def no_agreement(module, sender="NL*ABC", receiver="DE*MSP"):
    return f"{sender} and {receiver} have no agreement on {module} at this hub; its operator makes one"


# ---------------------------------------------------------------------------------------------------- broadcasts
def test_a_broadcast_passes_by_whoever_has_no_agreement_and_nobody_else(cpo, emsp, other, stranger, deliver):
    agree(False)

    assert cpo.put(LOC1, examples.location()).codes == (201, 1000)
    deliver()

    assert [len(partner.received()) for partner in (emsp, other, stranger)] == [0, 1, 1]
    assert [len(partner.get("sender/locations").data) for partner in (emsp, other, stranger)] == [0, 1, 1]
    assert emsp.get("sender/locations").headers["X-Total-Count"] == "0"
    assert emsp.get("sender/locations/LOC1").codes == (404, 2003)
    assert other.get("sender/locations/LOC1").codes == (200, 1000)


def test_an_agreement_on_one_module_is_about_that_module_alone(cpo, emsp, deliver):
    agree(False, "tariffs")

    cpo.put(LOC1, examples.location())
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    deliver()

    assert [call.path for call in emsp.received()] == ["/receiver/locations/NL/ABC/LOC1"]
    assert (len(emsp.get("sender/locations").data), emsp.get("sender/tariffs").data) == (1, [])


def test_it_holds_both_ways(cpo, emsp, stranger, deliver):
    agree(False)

    emsp.put(UID, examples.token())
    deliver()

    assert [len(partner.received()) for partner in (cpo, stranger)] == [0, 1]
    assert [len(partner.get("sender/tokens").data) for partner in (cpo, stranger)] == [0, 1]


def test_where_nothing_is_open_by_default_an_agreement_opens_for_its_pair_alone(
    settings, cpo, emsp, other, deliver
):
    settings.HUB_AGREEMENTS = "closed"
    agree(True)

    cpo.put(LOC1, examples.location())
    deliver()

    assert [len(partner.received()) for partner in (emsp, other)] == [1, 0]
    assert [len(partner.get("sender/locations").data) for partner in (emsp, other)] == [1, 0]
    assert emsp.put(UID, examples.token(), **ABC).codes == (200, 1000)
    assert cpo.put(LOC1, examples.location(), **to("AT*OTH")).codes == (200, 4001)


def test_opened_again_the_pair_reads_what_it_missed_and_is_pushed_what_comes(cpo, emsp, other, deliver):
    agree(False)
    cpo.put(LOC1, examples.location())
    deliver()

    agree(True)
    before = len(other.received())
    deliver()

    assert len(emsp.received()) == 0
    assert [place["id"] for place in emsp.get("sender/locations").data] == ["LOC1"]
    cpo.put(LOC1, examples.location(name="New name"))
    deliver()
    assert [call.body["name"] for call in emsp.received()] == ["New name"]
    assert len(other.received()) == before + 1


def test_a_platform_of_two_providers_gets_an_object_for_the_one_that_has_an_agreement(network, cpo, deliver):
    both = register(network, "TWO", "DE-MSP-EMSP", "DE-TWO-EMSP")
    agree(False)

    cpo.put(LOC1, examples.location())
    deliver()

    assert [call.headers["OCPI-to-party-id"] for call in both.received()] == ["TWO"]
    # Each of the two reads by its own agreements.
    lists = []
    for both.party in ("DE*MSP", "DE*TWO"):
        lists.append(len(both.get("sender/locations").data))
    assert lists == [0, 1]


def test_a_party_that_may_not_see_a_module_opens_it_for_nobody(network, cpo, deliver):
    """The operator on the provider's platform has an agreement, and operators see no Locations."""
    both = register(network, "TWO", "DE-MSP-EMSP", "DE-CPO-CPO")
    agree(False)

    cpo.put(LOC1, examples.location())
    deliver()

    assert both.received() == []
    for both.party in ("DE*MSP", "DE*CPO"):
        assert both.get("sender/locations").data == []


# ------------------------------------------------------------------------------------------ for one party alone
@pytest.mark.parametrize(
    ("module", "method", "path", "made"),
    [
        ("locations", "PUT", LOC1, examples.location()),
        ("sessions", "PUT", SESSION1, examples.session()),
        ("cdrs", "POST", "receiver/cdrs", examples.cdr()),
        ("tariffs", "PUT", "receiver/tariffs/NL/ABC/TARIFF1", examples.tariff()),
        ("tokens", "GET", "sender/tokens", None),
        ("tokens", "POST", ASK, None),
    ],
)
def test_a_request_to_whoever_has_no_agreement_is_4001_and_changes_nothing(
    cpo, emsp, module, method, path, made
):
    agree(False, module)

    with nothing_changes():
        answered = cpo.request(method, path, made, **MSP)

    assert answered.codes == (200, 4001)
    assert answered.message == no_agreement(module)
    assert emsp.calls == []


@pytest.mark.parametrize(
    ("method", "path", "made"),
    [("PUT", SESSION1, examples.session()), ("POST", "receiver/cdrs", examples.cdr())],
)
def test_what_belongs_to_whoever_has_no_agreement_is_not_taken(cpo, emsp, method, path, made):
    agree(False)

    with nothing_changes():
        answered = cpo.request(method, path, made)

    assert answered.codes == (200, 4001)
    assert answered.message == no_agreement(path.split("/")[1])


def test_closed_afterwards_sessions_and_cdrs_leave_the_list_of_that_provider(cpo, emsp, other):
    cpo.put(SESSION1, examples.session())
    cpo.post("receiver/cdrs", examples.cdr())

    agree(False, "sessions")

    assert (emsp.get("sender/sessions").data, len(emsp.get("sender/cdrs").data)) == ([], 1)
    assert (Session.objects.count(), CDR.objects.count()) == (1, 1)


# ---------------------------------------------------------------------------------------------------- questions
def test_a_known_token_of_a_provider_without_agreement_is_an_unknown_one(cpo, emsp):
    emsp.put(UID, examples.token(whitelist="ALWAYS"))
    agree(False, "tokens")

    answered = cpo.post(ASK)

    assert answered.codes == (404, 2004)
    assert emsp.received() == []


def test_nobody_without_agreement_is_asked_about_an_unknown_token(cpo, emsp, other):
    Platform.objects.update(asked_about_unknown_tokens=True)
    other.answers.append(lambda request: enveloped(status_code=2004, http_status=404))
    agree(False, "tokens")

    assert cpo.post(ASK).codes == (404, 2004)

    assert (len(emsp.calls), len(other.calls)) == (0, 1)


def test_a_command_finds_no_way_to_an_operator_without_agreement(cpo, emsp):
    cpo.put(LOC1, examples.location())
    cpo.put(SESSION1, examples.session())
    agree(False, "commands")

    with nothing_changes():
        start = emsp.post("receiver/commands/START_SESSION", START)
        stop = emsp.post("receiver/commands/STOP_SESSION", STOP)
        named = emsp.post("receiver/commands/STOP_SESSION", STOP, **ABC)

    # What is closed to it does not exist for it, unless it names who has it.
    assert (start.codes, start.data["result"]) == ((200, 2003), "REJECTED")
    assert (stop.codes, stop.data["result"]) == ((200, 1000), "UNKNOWN_SESSION")
    assert (named.codes, named.message) == ((200, 4001), no_agreement("commands", "DE*MSP", "NL*ABC"))
    assert not [said for said in (start.message, stop.message) if "NL*ABC" in said]
    assert cpo.calls == []


def test_of_two_operators_with_one_location_id_the_one_with_an_agreement_is_meant(cpo, emsp, stranger):
    cpo.put(LOC1, examples.location())
    there = examples.location(country_code="FR", party_id="XYZ")
    assert stranger.put("receiver/locations/FR/XYZ/LOC1", there).codes == (201, 1000)
    agree(False, "commands")

    answered = emsp.post("receiver/commands/START_SESSION", START)

    assert answered.headers["OCPI-from-party-id"] == "XYZ"
    assert (len(cpo.calls), len(stranger.calls)) == (0, 1)


def test_preferences_and_profiles_find_no_session_of_an_operator_without_agreement(cpo, emsp):
    cpo.put(SESSION1, examples.session())
    agree(False)

    with nothing_changes():
        preferences = emsp.put("sender/sessions/SESSION1/charging_preferences", {"profile_type": "FAST"})
        profile = emsp.put("receiver/chargingprofiles/SESSION1", examples.set_charging_profile())

    assert preferences.codes == (404, 2001)
    assert (profile.codes, profile.data["result"]) == ((200, 1000), "UNKNOWN_SESSION")
    assert cpo.calls == []


# --------------------------------------------------------------------------------------------- what was under way
def test_what_waits_goes_to_another_party_of_the_platform_that_has_an_agreement(network, cpo, deliver):
    both = register(network, "TWO", "DE-MSP-EMSP", "DE-TWO-EMSP")
    cpo.put(LOC1, examples.location())
    outbox.expand()
    before = Delivery.objects.get().to_party

    agree(False)
    deliver()

    assert before == "DE*MSP"
    assert [call.headers["OCPI-to-party-id"] for call in both.received()] == ["TWO"]
    assert Delivery.objects.values_list("to_party", "state").get() == ("DE*TWO", "DELIVERED")


def test_what_waits_for_whoever_has_lost_the_agreement_is_not_sent(cpo, emsp, other, deliver):
    cpo.put(LOC1, examples.location())
    outbox.expand()
    agree(False)
    deliver()

    assert [len(partner.received()) for partner in (emsp, other)] == [0, 1]
    row = Delivery.objects.get(platform=emsp.platform)
    assert (row.state, row.reason) == ("ABSORBED", no_agreement("locations"))
    assert Location.objects.count() == 1
    assert Token.objects.count() == 0
