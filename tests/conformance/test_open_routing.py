"""HUB-21 to HUB-24: without OCPI-to, or with the hub in it, the hub finds whom a request is for."""

import pytest

from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.conformance.test_relay import legs
from tests.partners import enveloped, register
from tokens.models import Authorization

pytestmark = pytest.mark.django_db

RESPONSE_URL = "response_url=https%3A%2F%2Fmsp.example%2Fresults%2F1"
PROFILE = "receiver/chargingprofiles/SESSION1"
EVERY_OPEN_WAY = pytest.mark.parametrize("headers", [{}, to("NL*HUB")], ids=["to nobody", "to the hub"])


# By what in the request the hub finds the party that it is for, and which platform must be asked at which path.
OPEN = {
    "the owner of the Location in a command": (
        "emsp", lambda who, **to: who.post("receiver/commands/START_SESSION", examples.start_session(), **to),
        "cpo", "/receiver/commands/START_SESSION",
    ),
    "the owner of the Session in a command": (
        "emsp", lambda who, **to: who.post("receiver/commands/STOP_SESSION", examples.stop_session(), **to),
        "cpo", "/receiver/commands/STOP_SESSION",
    ),
    "the operator that got the reservation": (
        "emsp",
        lambda who, **to: who.post("receiver/commands/CANCEL_RESERVATION", examples.cancel_reservation(), **to),
        "cpo", "/receiver/commands/CANCEL_RESERVATION",
    ),
    "the owner of the Session whose profile is asked for": (
        "emsp", lambda who, **to: who.get(f"{PROFILE}?duration=900&{RESPONSE_URL}", **to),
        "cpo", "/receiver/chargingprofiles/SESSION1",
    ),
    "the owner of the Session whose profile is set": (
        "emsp", lambda who, **to: who.put(PROFILE, examples.set_charging_profile(), **to),
        "cpo", "/receiver/chargingprofiles/SESSION1",
    ),
    "the owner of the Session whose profile is cleared": (
        "emsp", lambda who, **to: who.delete(f"{PROFILE}?{RESPONSE_URL}", **to),
        "cpo", "/receiver/chargingprofiles/SESSION1",
    ),
    "the owner of the Session of preferences": (
        "emsp",
        lambda who, **to: who.put(
            "sender/sessions/SESSION1/charging_preferences", examples.charging_preferences(), **to
        ),
        "cpo", "/sender/sessions/SESSION1/charging_preferences",
    ),
    "the owner of the token": (
        "cpo", lambda who, **to: who.post("sender/tokens/04A1B2C3D4/authorize", **to),
        "emsp", "/sender/tokens/04A1B2C3D4/authorize",
    ),
}  # fmt: skip
every_open_request = pytest.mark.parametrize(("asker", "ask", "found", "path"), OPEN.values(), ids=OPEN)


@pytest.fixture
def known(network, rival, other_emsp, deliver):
    """What the hub knows of whom: NL*ABC and DE*MSP, each the second party of its platform; others are there."""
    cpo = register(network, "ABC", "NL-AAA-CPO", "NL-ABC-CPO")
    emsp = register(network, "MSP", "DE-AAA-EMSP", "DE-MSP-EMSP")
    cpo.party, emsp.party = "NL*ABC", "DE*MSP"
    evse = examples.evse(capabilities=["CHARGING_PREFERENCES_CAPABLE"])
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(evses=[evse]))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    direct = lambda request: direct_answer(request.url.path)  # noqa: E731
    for partner in (cpo, emsp, rival, other_emsp):
        partner.answers.append(direct)
    emsp.post("receiver/commands/RESERVE_NOW", examples.reserve_now(), **to("NL*ABC"))
    deliver()
    everybody = {"cpo": cpo, "emsp": emsp, "rival": rival, "other_emsp": other_emsp}
    for partner in everybody.values():
        partner.calls.clear()
    return everybody


def direct_answer(path):
    """Of whoever was asked."""
    if "/receiver/commands/" in path:
        return enveloped(examples.command_response())
    if "/receiver/chargingprofiles/" in path:
        return enveloped(examples.charging_profile_response())
    if path.endswith("/charging_preferences"):
        return enveloped("ACCEPTED")
    return enveloped(examples.authorization_info()) if path.endswith("/authorize") else None


@every_open_request
@EVERY_OPEN_WAY
@pytest.mark.row("HUB-21", "HUB-22", "HUB-24")
def test_the_hub_asks_whom_the_request_is_for_and_no_other(known, asker, ask, found, path, headers):
    answered = ask(known[asker], **headers)

    assert answered.codes == (200, 1000)
    assert {who for who, partner in known.items() if partner.calls} == {found}
    [call] = known[found].calls
    assert call.path.partition("?")[0] == path


@every_open_request
@EVERY_OPEN_WAY
@pytest.mark.row("HUB-05", "HUB-21", "HUB-24")
def test_both_ends_learn_who_the_other_is(known, asker, ask, found, path, headers):
    answered = ask(known[asker], **headers)

    [call] = known[found].calls
    assert legs(call.headers) == (known[asker].party, known[found].party)
    assert legs(answered.headers) == (known[found].party, known[asker].party)


# ------------------------------------------------------------------------------------- when nobody can be found
UNKNOWN = {
    "a command at an unknown Location": (
        "emsp", lambda who: who.post("receiver/commands/START_SESSION", examples.start_session(location_id="X")),
        (200, 2003),
    ),
    "a command to an unknown Session": (
        "emsp", lambda who: who.post("receiver/commands/STOP_SESSION", examples.stop_session(session_id="X")),
        (200, 1000),  # CommandResponse UNKNOWN_SESSION
    ),
    "preferences of an unknown Session": (
        "emsp",
        lambda who: who.put("sender/sessions/X/charging_preferences", examples.charging_preferences()),
        (404, 2001),
    ),
    "a token that nobody has": ("cpo", lambda who: who.post("sender/tokens/X/authorize"), (404, 2004)),
    "a Session of a token's owner that is not here": (
        "cpo",
        lambda who: who.put(
            "receiver/sessions/NL/ABC/X",
            examples.session(id="X", cdr_token={**examples.session()["cdr_token"], "party_id": "NIX"}),
        ),
        (200, 4001),
    ),
}  # fmt: skip


@pytest.mark.row("HUB-22")
@pytest.mark.parametrize(("asker", "ask", "codes"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_for_nobody_that_the_hub_can_find_reaches_nobody(known, deliver, asker, ask, codes):
    with nothing_changes(besides=(Authorization,)):  # each of which is noted, whatever its answer
        answered = ask(known[asker])
    deliver()

    assert answered.codes == codes
    assert legs(answered.headers) == ("NL*HUB", known[asker].party)
    assert {who for who, partner in known.items() if partner.calls} == set()


@pytest.mark.row("HUB-22")
@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("receiver/commands/START_SESSION", examples.start_session()),
        ("receiver/commands/STOP_SESSION", examples.stop_session()),
    ],
)
def test_of_two_whom_it_could_be_for_one_has_to_be_named(known, path, made):
    rival = known["rival"]
    owned = {"country_code": "BE", "party_id": "DEF"}
    rival.put("receiver/locations/BE/DEF/LOC1", examples.location(**owned))
    rival.put("receiver/sessions/BE/DEF/SESSION1", examples.session(**owned))

    answered = known["emsp"].post(path, made)
    named = known["emsp"].post(path, made, **to("BE*DEF"))

    assert answered.codes == (200, 4001)
    assert "NL*ABC" in answered.message
    assert "BE*DEF" in answered.message
    assert named.codes == (200, 1000)
    assert {who for who, partner in known.items() if partner.calls} == {"rival"}


# ----------------------------------------------------------------------------------------------- pushes without TO
@pytest.mark.row("HUB-21", "HUB-22")
@pytest.mark.parametrize("headers", [{}, to("NL*HUB")], ids=["to nobody", "to the hub"])
def test_a_push_that_names_nobody_goes_to_whomever_it_is_for(
    network, cpo, emsp, other_emsp, deliver, headers
):
    """What is for all goes to all, and what a token tells the owner of goes to that one, from its operator."""
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff(), **headers)
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(), **headers)
    deliver()

    sent = {
        who.party: [(call.path.split("/")[2], *legs(call.headers)) for call in who.calls]
        for who in (emsp, other_emsp)
    }
    assert sent == {
        "DE*MSP": [("tariffs", "NL*HUB", "DE*MSP"), ("sessions", "NL*ABC", "DE*MSP")],
        "AT*PRO": [("tariffs", "NL*HUB", "AT*PRO")],
    }
