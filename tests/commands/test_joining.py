"""Which Session a command led to."""

from datetime import timedelta

import pytest

from commands import tracing
from commands.models import Command
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.protocol.envelope import format_time
from tests import examples
from tests.conformance.calls import to
from tests.conformance.orders import BODIES

pytestmark = pytest.mark.django_db


def send(emsp, command="START_SESSION", at=None, to_party="NL*ABC", **changes):
    """A command that was sent at this time, and accepted."""
    assert emsp.post(f"receiver/commands/{command}", BODIES[command](**changes), **to(to_party)).codes == (
        200,
        1000,
    )
    sent = Command.objects.latest("pk")
    if at is not None:
        Command.objects.filter(pk=sent.pk).update(requested_at=at)
    return Command.objects.get(pk=sent.pk)


def push(cpo, session_id, at, **changes):
    """A Session that began at this time."""
    session = examples.session(id=session_id, start_date_time=format_time(at), **changes)
    owner = cpo.party.replace("*", "/")
    country_code, _, party_id = cpo.party.partition("*")
    body = {**session, "country_code": country_code, "party_id": party_id}
    assert cpo.put(f"receiver/sessions/{owner}/{session_id}", body).status_code == 1000


def led_to(command):
    command.refresh_from_db()
    return (command.state, command.led_to_owner, command.led_to_id)


def settle(now, *commands):
    tracing.settle([command.pk for command in commands], now)
    return [led_to(command) for command in commands]


NOTHING = ("ACCEPTED", "", "")


@pytest.mark.parametrize(("minutes", "fits"), [(-3, False), (-2, True), (0, True), (15, True), (16, False)])
def test_a_start_led_to_the_session_of_its_token_there_and_about_then(cpo, emsp, start, minutes, fits):
    command = send(emsp, at=start)
    push(cpo, "S1", start + timedelta(minutes=minutes))

    assert settle(start, command) == [("SESSION", "NL*ABC", "S1") if fits else NOTHING]


CHANGES = {
    "the same": ({}, True),
    "ids in other letters": ({"location_id": "loc1", "evse_uid": "evse1"}, True),
    "another connector": ({"connector_id": "2"}, True),
    "another location": ({"location_id": "LOC2"}, False),
    "another EVSE": ({"evse_uid": "EVSE2"}, False),
    "another token": ({"cdr_token": {"uid": "OTHER"}}, False),
    "a token in other letters": ({"cdr_token": {"uid": "04a1b2c3d4"}}, True),
    "another type of token": ({"cdr_token": {"type": "APP_USER"}}, False),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_place_and_token_decide(cpo, emsp, start, kind):
    changes, fits = CHANGES[kind]
    cdr_token = {**examples.session()["cdr_token"], **changes.get("cdr_token", {})}
    command = send(emsp, at=start)

    push(cpo, "S1", start, **{**changes, "cdr_token": cdr_token})

    assert settle(start, command) == [("SESSION", "NL*ABC", "S1") if fits else NOTHING]


def test_without_an_evse_in_the_command_any_of_the_location_will_do(cpo, emsp, start):
    command = send(emsp, at=start, evse_uid=None, connector_id=None)
    push(cpo, "S1", start, evse_uid="EVSE7")

    assert settle(start, command) == [("SESSION", "NL*ABC", "S1")]


def test_the_session_of_another_operator_or_provider_is_no_sign(cpo, emsp, stranger, other_emsp, start):
    command = send(emsp, at=start)
    push(stranger, "S1", start)
    theirs = {**examples.session()["cdr_token"], "country_code": "AT", "party_id": "PRO"}
    push(cpo, "S2", start, cdr_token=theirs)

    assert settle(start, command) == [NOTHING]


def test_a_reference_decides_before_the_token(cpo, emsp, start):
    """Also where the operator names another place, or a token that it knows better."""
    command = send(emsp, at=start, authorization_reference="REF1")
    push(cpo, "S1", start)
    elsewhere = {"location_id": "LOC9", "cdr_token": {**examples.session()["cdr_token"], "uid": "PARENT"}}
    push(cpo, "S2", start + timedelta(minutes=40), authorization_reference="ref1", **elsewhere)

    assert settle(start, command) == [("SESSION", "NL*ABC", "S2")]


def test_where_the_operator_leaves_the_reference_out_the_token_decides(cpo, emsp, start):
    command = send(emsp, at=start, authorization_reference="REF1")
    push(cpo, "S1", start)

    assert settle(start, command) == [("SESSION", "NL*ABC", "S1")]


def test_a_reference_that_was_used_before_does_not_lead_back(cpo, emsp, start):
    """Some providers give the same one again and again."""
    push(cpo, "S1", start - timedelta(days=1), authorization_reference="REF1")
    owned_models()["sessions"].objects.update(created_at=start - timedelta(minutes=3))
    command = send(emsp, at=start, authorization_reference="REF1")

    assert settle(start, command) == [NOTHING]


@pytest.mark.parametrize("reference", [None, "REF1"])
def test_of_two_tries_the_last_one_before_the_session_led_to_it(cpo, emsp, start, reference):
    first, second, third = (
        send(emsp, at=start + timedelta(minutes=minutes), authorization_reference=reference)
        for minutes in (0, 2, 9)
    )
    push(cpo, "S1", start + timedelta(minutes=4), authorization_reference=reference)

    assert settle(start, first) == [NOTHING]
    assert settle(start, first, second, third) == [NOTHING, ("SESSION", "NL*ABC", "S1"), NOTHING]
    assert settle(start, first, third) == [NOTHING, NOTHING]


def test_a_try_elsewhere_or_one_that_was_refused_takes_no_session_away(cpo, emsp, start):
    first = send(emsp, at=start)
    elsewhere = send(emsp, at=start + timedelta(minutes=1), evse_uid="EVSE2")
    refused = send(emsp, at=start + timedelta(minutes=2))
    Command.objects.filter(pk=refused.pk).update(state="REFUSED")
    push(cpo, "S1", start + timedelta(minutes=3))

    assert settle(start, first, elsewhere) == [("SESSION", "NL*ABC", "S1"), NOTHING]


def test_each_of_many_starts_gets_its_own_session(cpo, emsp, start):
    """One driver, one place, one moment: as many Sessions as commands, each named once."""
    commands = [send(emsp, at=start, authorization_reference="REF") for _ in range(3)]
    for number in range(3):
        push(cpo, f"S{number}", start, authorization_reference="REF")

    for _ in commands:
        settle(start, *commands)

    states = [led_to(command) for command in commands]
    named = [session_id for state, _, session_id in states if state == "SESSION"]
    assert len(named) == len(set(named)) >= 1


@pytest.mark.parametrize(("status", "fits"), [("RESERVATION", True), ("ACTIVE", False), ("PENDING", False)])
def test_a_reservation_is_seen_in_a_session_of_that_status(cpo, emsp, start, status, fits):
    command = send(emsp, "RESERVE_NOW", at=start)
    push(cpo, "S1", start, status=status)

    assert settle(start, command) == [("SESSION", "NL*ABC", "S1") if fits else NOTHING]


@pytest.mark.parametrize(("status", "fits"), [("COMPLETED", True), ("ACTIVE", False)])
def test_a_stop_is_seen_in_its_session_when_that_is_completed(cpo, emsp, start, status, fits):
    push(cpo, "session1", start - timedelta(hours=5), status=status)
    command = send(emsp, "STOP_SESSION", at=start)

    assert settle(start, command) == [("SESSION", "NL*ABC", "session1") if fits else NOTHING]


@pytest.mark.parametrize("command", ["UNLOCK_CONNECTOR", "CANCEL_RESERVATION"])
def test_other_commands_lead_to_no_session(cpo, emsp, start, command):
    sent = send(emsp, command, at=start)
    push(cpo, "S1", start, status="COMPLETED")

    assert settle(start, sent) == [NOTHING]


def test_without_sessions_in_this_hub_nothing_is_joined(cpo, emsp, start, settings):
    command = send(emsp, at=start)
    push(cpo, "S1", start)
    settings.OCPI_MODULES = [module for module in settings.OCPI_MODULES if module != "sessions"]

    assert settle(start, command) == [NOTHING]


def test_many_commands_are_joined_by_a_fixed_number_of_queries(cpo, emsp, start, django_assert_num_queries):
    commands = [send(emsp, at=start) for _ in range(5)]

    with django_assert_num_queries(8):  # a transaction, commands, callbacks, three joins, one update
        settle_all(commands, start)


def settle_all(commands, now):
    tracing.settle([command.pk for command in commands], now)
