"""One traced state for each command, whatever comes in whichever order."""

from datetime import timedelta

import httpx
import pytest
from django.db import OperationalError
from django.utils import timezone

from commands import tracing
from commands.models import Command
from ocpi_hub.exchange.housekeeping import partitions, sweeper
from ocpi_hub.exchange.models import Callback, Grant
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.commands.test_joining import push, send
from tests.conformance.orders import START, TO_CPO, address, answering, asked, heard, post_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def reports(caplog):
    """What is told about commands."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == "commands.tracing"]


def later(**passed):
    return timezone.now() + timedelta(**passed)


def test_the_row_says_what_was_asked_of_whom(cpo, emsp):
    command = send(emsp, authorization_reference="REF1")

    row = Command.objects.values().get()
    assert {name: row[name] for name in ("command", "from_party", "to_party", "token_uid", "token_type")} == {
        "command": "START_SESSION",
        "from_party": "DE*MSP",
        "to_party": "NL*ABC",
        "token_uid": "04A1B2C3D4",
        "token_type": "RFID",
    }
    assert (command.place, command.authorization_reference) == ("LOC1 / EVSE1 / 1", "REF1")
    assert command.requested_at == command.callback.created_at
    assert command.callback.request.startswith('{"response_url": "https://msp.example/ocpi/results/1"')
    assert str(command) == "START_SESSION from DE*MSP to NL*ABC"


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("STOP_SESSION", "SESSION1"),
        ("CANCEL_RESERVATION", "RESERVATION1"),
        ("RESERVE_NOW", "LOC1 / EVSE1"),
        ("UNLOCK_CONNECTOR", "LOC1 / EVSE1 / 1"),
    ],
)
def test_a_command_names_what_it_is_about(cpo, emsp, command, place):
    assert send(emsp, command).place == place


def test_a_start_goes_its_way_to_its_session(cpo, emsp, start):
    command = send(emsp)
    assert (command.state, command.note) == ("ACCEPTED", "")
    assert start < command.since < command.look_at

    cpo.post(address(cpo), examples.command_result())
    command.refresh_from_db()
    assert command.state == "DONE"

    push(cpo, "S1", timezone.now())
    assert tracing.reconcile(later(seconds=5)) == 1
    command.refresh_from_db()
    assert (command.state, command.led_to_owner, command.led_to_id) == ("SESSION", "NL*ABC", "S1")
    assert command.look_at is None
    assert tracing.reconcile(later(days=3)) == 0


@pytest.mark.parametrize("result", [None, "TIMEOUT"])
def test_what_seemed_to_have_failed_is_joined_with_its_session_all_the_same(cpo, emsp, result):
    command = send(emsp)
    if result:
        cpo.post(address(cpo), examples.command_result(result=result))
    tracing.reconcile(later(seconds=90))
    command.refresh_from_db()
    assert command.state == ("TIMED_OUT" if result else "NO_RESULT")

    push(cpo, "S1", timezone.now())
    tracing.reconcile(later(seconds=95))

    command.refresh_from_db()
    assert (command.state, command.note) == ("SESSION", "")


def test_a_start_that_was_not_answered_is_joined_with_its_session_too(cpo, emsp):
    def silent(request):
        raise httpx.ReadTimeout("no answer", request=request)

    cpo.answers.insert(0, silent)
    assert emsp.post(START, examples.start_session(), **TO_CPO).codes == (200, 4002)
    push(cpo, "S1", timezone.now())

    tracing.reconcile(later(seconds=5))

    assert Command.objects.get().state == "SESSION"


@pytest.mark.parametrize("result", ["FAILED", "EVSE_OCCUPIED"])
def test_what_certainly_failed_is_not_joined_with_a_later_session(cpo, emsp, result):
    """The driver may have gone on with the card."""
    send(emsp)
    cpo.post(address(cpo), examples.command_result(result=result))
    push(cpo, "S1", timezone.now())

    tracing.reconcile(later(seconds=5))

    assert Command.objects.get().state == "FAILED"


def test_a_start_without_a_result_is_reported_once(cpo, emsp, reports):
    command = send(emsp)
    tracing.reconcile(later(seconds=59))
    assert reports() == []

    for seconds in (65, 70, 3600):
        tracing.reconcile(later(seconds=seconds))

    assert reports() == [
        f"command {command.pk}, START_SESSION of DE*MSP to NL*ABC (LOC1 / EVSE1 / 1, token …C3D4), led to nothing:"
        " NL*ABC accepted it and sent no result within 30 s: whether it works is unknown, and the driver may wait in"
        " vain. NL*ABC must send a result for each command that it accepts"
    ]
    command.refresh_from_db()
    assert command.state == "NO_RESULT"
    assert command.note in reports()[0]


def test_a_start_without_a_session_is_reported_once(cpo, emsp, reports):
    command = send(emsp)
    cpo.post(address(cpo), examples.command_result())
    tracing.reconcile(later(minutes=14))
    assert reports() == []

    for minutes in (16, 17, 500):
        tracing.reconcile(later(minutes=minutes))

    assert reports() == [
        f"command {command.pk}, START_SESSION of DE*MSP to NL*ABC (LOC1 / EVSE1 / 1, token …C3D4), led to nothing:"
        " NL*ABC says that it worked, and no Session came: the driver may charge without being billed, or not charge"
        " at all. NL*ABC must push the Session, or say why there is none"
    ]
    command.refresh_from_db()
    assert command.state == "NO_SESSION"


def test_a_report_names_the_correlation_id_and_no_more_of_a_token_than_its_end(cpo, emsp, caplog):
    emsp.post(START, examples.start_session(), **TO_CPO, **{"X-Correlation-ID": "the-command"})
    tracing.reconcile(later(minutes=5))

    [record] = [record for record in caplog.records if record.name == "commands.tracing"]
    assert record.levelname == "WARNING"
    assert "04A1B2C3D4" not in caplog.text
    assert "A1B2" not in caplog.text


def test_a_session_that_comes_hours_later_is_found_still(cpo, emsp):
    command = send(emsp)
    cpo.post(address(cpo), examples.command_result())
    tracing.reconcile(later(hours=1))
    push(cpo, "S1", command.requested_at + timedelta(minutes=1))

    assert tracing.reconcile(later(hours=1, minutes=9)) == 0
    assert tracing.reconcile(later(hours=1, minutes=11)) == 1

    command.refresh_from_db()
    assert command.state == "SESSION"


def test_after_a_day_nobody_looks_any_more(cpo, emsp):
    send(emsp)
    cpo.post(address(cpo), examples.command_result())

    tracing.reconcile(later(hours=25))

    assert Command.objects.get().look_at is None
    assert Command.objects.get().state == "NO_SESSION"


def test_a_late_result_is_told_beside_what_was_given_up(cpo, emsp, deliver):
    send(emsp)
    tracing.reconcile(later(minutes=5))

    cpo.post(address(cpo), examples.command_result(result="EVSE_INOPERATIVE"))
    deliver()

    assert Command.objects.get().state == "FAILED"
    assert len(heard(emsp)) == 1


def test_a_result_that_comes_before_the_direct_answer_counts(cpo, emsp, deliver):
    """Some operators are that fast."""
    notes = []

    def fast(request):
        if "/receiver/commands" in request.url.path and not notes:
            path = "/ocpi" + asked(cpo)[-1].body["response_url"].partition("/ocpi")[2]
            notes.append(cpo.post(path, examples.command_result()).codes)

    cpo.answers.insert(0, fast)
    assert emsp.post(START, examples.start_session(), **TO_CPO).data == examples.command_response()
    deliver()

    assert notes == [(200, 1000)]
    assert Command.objects.get().state == "DONE"
    assert len(heard(emsp)) == 1


def test_commands_that_another_worker_settles_are_left_to_it(cpo, emsp, monkeypatch):
    send(emsp)
    monkeypatch.setattr(tracing, "settle", lambda ids, now, skip_locked: 0)

    assert tracing.reconcile(later(minutes=5)) == 0


def test_more_commands_than_a_batch_are_settled_in_one_round(cpo, emsp, monkeypatch):
    monkeypatch.setattr(tracing, "BATCH", 2)
    for _ in range(5):
        send(emsp)

    assert tracing.reconcile(later(minutes=5)) == 5
    assert set(Command.objects.values_list("state", flat=True)) == {"NO_RESULT"}


def test_every_worker_settles_commands_in_every_round():
    assert tracing.reconcile in sweeper.rounds()


def test_whoever_asked_is_answered_although_the_answer_cannot_be_noted(cpo, emsp, monkeypatch, caplog):
    """The operator may be starting the charge: an error of ours would make the driver try again."""

    def fails(*arguments):
        raise OperationalError("gone")

    monkeypatch.setattr(callbacks, "answered", fails)

    answered = emsp.post(START, examples.start_session(), **TO_CPO)

    assert answered.codes == (200, 1000)
    assert answered.data == examples.command_response()
    assert caplog.messages == [
        "the answer to commands START_SESSION from DE*MSP to NL*ABC is not noted: the database does not answer: gone"
    ]
    tracing.reconcile(later(minutes=5))
    assert Command.objects.get().state == "NO_ANSWER"


@pytest.mark.parametrize(
    ("age", "left", "kept"),
    [(91, -1, False), (89, -1, True), (91, 1, True)],
    ids=["old", "young", "still open"],
)
def test_old_commands_go_with_their_addresses(cpo, emsp, settings, age, left, kept):
    settings.HUB_MESSAGE_DAYS = 90
    post_command(emsp, "UNLOCK_CONNECTOR")
    Callback.objects.update(created_at=later(days=-age), expires_at=later(days=left))

    partitions.delete_finished()

    assert Command.objects.exists() is kept
    assert Callback.objects.exists() is kept


def test_what_the_operator_refuses_says_why(cpo, emsp):
    cpo.answers.insert(0, answering({"result": "REJECTED"}))
    send(emsp)

    command = Command.objects.get()
    assert (command.state, command.note) == (
        "REFUSED",
        "its answer is not as it should be: $.timeout: required field is missing",
    )


@pytest.mark.parametrize("refusal", ["REJECTED", "away"])
def test_the_reference_of_a_refused_command_is_forgotten_and_no_other(cpo, emsp, network, refusal):
    """It authorized nothing; the same one may have been given before, and with other requests."""
    for given_by in ("authorize", "RESERVE_NOW", "START_SESSION"):
        grants.note(PartyRef("DE", "MSP"), "04a1b2c3d4", PartyRef("NL", "ABC"), "REF1", given_by)
    if refusal == "away":
        del network.hosts[cpo.host]
    cpo.answers.insert(0, answering(examples.command_response(result=refusal)))

    emsp.post(START, examples.start_session(authorization_reference="REF1"), **TO_CPO)
    emsp.post(START, examples.start_session(), **TO_CPO)

    given = Grant.objects.order_by("pk").values_list("given_by", "reference")
    assert list(given) == [(given_by, "REF1") for given_by in ("authorize", "RESERVE_NOW", "START_SESSION")]
