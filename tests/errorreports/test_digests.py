"""Once a day operators read what is new, what goes on and what is over; partners what their side must mend."""

import smtplib
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ocpi_hub import background
from ocpi_hub.connections import InsideTransaction
from ocpi_hub.errorreports import digests, states
from ocpi_hub.errorreports.models import Digest, ErrorReport
from ocpi_hub.errorreports.occurrences import Evidence, Noted, write
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.protocol.headers import MessageIDs
from tests.errorreports.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 6, 0, 5, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def mailing(monkeypatch):
    monkeypatch.setattr(settings, "EMAIL_HOST", "mail.example")
    monkeypatch.setattr(settings, "HUB_OPERATORS", ["ann@hub.example", "bob@hub.example"])
    monkeypatch.setattr(settings, "HUB_BASE_URL", "https://hub.example")


@pytest.fixture
def told_partner(emsp):
    type(emsp.platform).objects.update(reports_by_email=True, report_email="ops@msp.example")
    emsp.platform.refresh_from_db()
    return emsp


def failed(partner, kind="delivery.refused", at=NOON, module="locations", text="LOC1 was refused", **more):
    write([Noted(kind, partner and partner.platform.pk, module, text, at=at, **more)])
    return ErrorReport.objects.get(kind=kind, module=module)


def sent():
    """What went out since the last time, by whom it is for."""
    found = {tuple(message.to): message for message in mail.outbox}
    mail.outbox.clear()
    return found


def to_operators():
    return sent()[("ann@hub.example", "bob@hub.example")]


def test_the_digest_tells_what_is_new_came_back_goes_on_and_is_over(cpo, emsp):
    going_on = failed(cpo, "pull.unreachable", module="tariffs", text="cpo.example: refused")
    back = failed(emsp, "delivery.timed_out", module="sessions", text="msp.example: no answer")
    over = failed(emsp, "delivery.server_error", module="cdrs", text="HTTP 500")
    failed(emsp, "quota.exceeded", module="tokens", text="6001 requests in a minute")
    states.change(back.pk, "RESOLVED", by="ann", note="", now=NOON + MINUTE)
    assert digests.send_due(MORNING) == 1
    assert to_operators().subject == "OCPI hub: 3 new, 1 resolved"

    failed(cpo, "pull.unreachable", at=NOON + DAY, module="tariffs", text="cpo.example: refused\nagain")
    states.change(going_on.pk, "ACKNOWLEDGED", by="ann", note="wrote to them", now=NOON + DAY)
    failed(emsp, "delivery.timed_out", at=NOON + DAY, module="sessions", text="msp.example: late")
    states.change(over.pk, "RESOLVED", by="bob", note="they restarted", now=NOON + DAY)
    new = failed(None, "request.unknown_token", at=NOON + DAY, module="", text="from 192.0.2.7")
    assert digests.send_due(MORNING + DAY) == 1

    message = to_operators()
    assert message.subject == "OCPI hub: 1 new, 1 came back, 1 goes on, 1 resolved"
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    page = "https://hub.example/admin/errorreports/errorreport"
    assert message.body == (
        "OCPI hub: error reports since 2026-03-02 06:00 UTC\n"
        "\n"
        "1 NEW\n"
        "\n"
        "* Somebody calls with a token that is not known\n"
        "  somebody unknown: once, at 2026-03-02 12:00:00 UTC\n"
        "  Newest: from 192.0.2.7\n"
        f"  To act: {new.what.who}. {new.what.action}\n"
        f"  {page}/{new.pk}/change/\n"
        "\n"
        "1 CAME BACK\n"
        "\n"
        "* Delivery failed: the partner does not answer in time\n"
        f"  MSP (#{emsp.platform.pk}), sessions: once more, 2 in all, last at 2026-03-02 12:00:00 UTC\n"
        "  Newest: msp.example: late\n"
        f"  To act: {back.what.who}. {back.what.action}\n"
        f"  {page}/{back.pk}/change/\n"
        "\n"
        "1 GOES ON\n"
        "\n"
        "* Pull failed: the partner cannot be reached\n"
        f"  ABC (#{cpo.platform.pk}), tariffs: once more, 2 in all, last at 2026-03-02 12:00:00 UTC\n"
        "  Newest: cpo.example: refused again\n"
        "  acknowledged by ann at 2026-03-02 12:00:00 UTC: wrote to them\n"
        f"  {page}/{going_on.pk}/change/\n"
        "\n"
        "1 RESOLVED\n"
        "\n"
        "* Delivery failed: the partner's system fails\n"
        f"  MSP (#{emsp.platform.pk}), cdrs: resolved by bob at 2026-03-02 12:00:00 UTC: they restarted\n"
        "\n"
        "1 more is not resolved, and has not happened again.\n"
        "\n"
        "All error reports: https://hub.example/admin/errorreports/errorreport/\n"
    )


def test_nothing_is_sent_when_nothing_happened_and_the_day_is_settled(cpo):
    assert digests.send_due(MORNING) == 0

    digest = Digest.objects.get()
    assert (digest.day, digest.settled_at, digest.due_at) == (MORNING.date(), MORNING, None)
    assert (digest.recipients, digest.text) == ("", "")
    assert sent() == {}


def test_an_open_report_that_is_quiet_is_no_reason_for_a_mail(cpo):
    failed(cpo)
    digests.send_due(MORNING)
    sent()

    assert digests.send_due(MORNING + DAY) == 0
    assert sent() == {}


def test_one_digest_a_day_is_sent_and_not_before_its_hour(cpo):
    failed(cpo)

    assert digests.send_due(MORNING - MINUTE) == 0
    assert digests.send_due(MORNING) == 1
    failed(cpo, at=NOON + DAY)
    assert digests.send_due(MORNING + 17 * 60 * MINUTE) == 0
    assert len(sent()) == 1


def test_what_is_written_late_for_a_time_before_the_digest_is_in_the_next_one(cpo):
    digests.send_due(MORNING)
    failed(cpo, at=MORNING - MINUTE)

    assert digests.send_due(MORNING + DAY) == 1
    assert to_operators().subject == "OCPI hub: 1 new"


def test_what_came_and_went_between_two_digests_is_told_as_resolved(cpo):
    report = failed(cpo)
    states.change(report.pk, "RESOLVED", by="", note="", now=NOON + MINUTE)

    digests.send_due(MORNING)

    message = to_operators()
    assert message.subject == "OCPI hub: 1 resolved"
    assert (
        f"ABC (#{cpo.platform.pk}), locations: resolved by the hub at 2026-03-01 12:01:00 UTC\n"
        in message.body
    )


def test_what_came_back_and_was_resolved_again_is_told_as_resolved(cpo):
    report = failed(cpo)
    states.change(report.pk, "RESOLVED", by="ann", note="", now=NOON + MINUTE)
    digests.send_due(MORNING)
    sent()
    assert digests.send_due(MORNING + DAY) == 0

    failed(cpo, at=NOON + 2 * DAY)
    states.change(report.pk, "RESOLVED", by="bob", note="", now=NOON + 2 * DAY + MINUTE)

    assert digests.send_due(MORNING + 2 * DAY) == 1
    message = to_operators()
    assert message.subject == "OCPI hub: 1 resolved"
    assert "resolved by bob at 2026-03-03 12:01:00 UTC" in message.body


def test_a_long_list_is_cut_and_says_so(cpo):
    write([Noted("delivery.refused", number, "cdrs", "x", at=NOON) for number in range(1000, 1053)])

    digests.send_due(MORNING)

    body = to_operators().body
    assert body.count("\n* ") == 50
    assert "\n\nand 3 more\n" in body


class Refusing:
    """In place of EmailMessage.send: a mail server that takes nothing for so many tries."""

    def __init__(self, tries, error):
        self.tries, self.error, self.connections = tries, error, []

    def __get__(self, message, owner):
        return lambda: self.send(message)

    def send(self, message):
        self.connections.append(connection.connection)
        if self.tries:
            self.tries -= 1
            raise self.error
        mail.outbox.append(message)
        return 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (smtplib.SMTPAuthenticationError(535, b"bad password"), "535 bad password"),
        (
            ConnectionRefusedError(111, "Connection refused"),
            "ConnectionRefusedError: [Errno 111] Connection refused",
        ),
    ],
    ids=["refused", "down"],
)
def test_a_mail_that_could_not_be_sent_is_sent_later_and_is_an_error_report(cpo, monkeypatch, error, said):
    failed(cpo)
    server = Refusing(2, error)
    monkeypatch.setattr(digests.EmailMessage, "send", server)

    sends = [digests.send_due(MORNING + timedelta(seconds=after)) for after in (0, 59, 60, 359, 360)]

    assert sends == [0, 0, 0, 0, 1]
    assert len(server.connections) == 3
    assert len(sent()) == 1
    digest = Digest.objects.get()
    assert (digest.tries, digest.due_at, digest.problem) == (3, None, "")
    background.flush()
    report = ErrorReport.objects.get(kind="hub.digest")
    assert (report.text, report.count) == (f"to the operators: {said}", 2)


def test_what_could_not_be_sent_all_day_is_in_the_digest_of_the_next_day(cpo, monkeypatch):
    failed(cpo)
    with monkeypatch.context() as broken:
        broken.setattr(digests.EmailMessage, "send", Refusing(99, OSError("down")))
        assert digests.send_due(MORNING) == 0
    failed(cpo, "pull.unreachable", at=NOON + DAY)

    assert digests.send_due(MORNING + DAY) == 1
    assert to_operators().subject == "OCPI hub: 2 new"


def test_what_a_worker_claimed_and_never_sent_another_one_sends(cpo, monkeypatch):
    failed(cpo)
    with monkeypatch.context() as dying:
        dying.setattr(digests.EmailMessage, "send", Refusing(1, SystemExit()))
        with pytest.raises(SystemExit):
            digests.send_due(MORNING)

    assert digests.send_due(MORNING + digests.CLAIMED - MINUTE) == 0
    assert digests.send_due(MORNING + digests.CLAIMED) == 1


def test_no_database_connection_is_held_while_mail_is_sent(cpo, monkeypatch):
    failed(cpo)
    server = Refusing(0, None)
    monkeypatch.setattr(digests.EmailMessage, "send", server)

    digests.send_due(MORNING)
    with transaction.atomic(), pytest.raises(InsideTransaction):
        digests.send_due(MORNING + DAY) or (failed(cpo) and digests.send_due(MORNING + 2 * DAY))

    assert server.connections == [None]


@pytest.mark.parametrize("missing", ["EMAIL_HOST", "HUB_OPERATORS"])
def test_without_a_mail_server_or_readers_there_is_no_digest(cpo, monkeypatch, missing):
    monkeypatch.setattr(settings, missing, type(getattr(settings, missing))())
    failed(cpo)

    assert digests.send_due(MORNING) == 0
    assert not Digest.objects.exists()


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("DE*MSP/GROUP7", ", DE*MSP/GROUP7"),
        ("de*msp/without an id", ", de*msp/without an id"),
        ("DE/MSP/GROUP7", ", DE/MSP/GROUP7"),
        ("NL*ABC/GROUP7", ""),
        ("NL/ABC/GROUP7", ""),
        ("DE*MS/GROUP7", ""),
        ("DE", ""),
        ("not an object", ""),
    ],
)
def test_a_partner_is_told_which_object_of_its_own_list_it_is(told_partner, cpo, subject, shown):
    failed(told_partner, "object.refused", text="$.valid: missing", subject=subject)

    digests.send_due(MORNING)

    assert f"  - 2026-03-01 12:00:00 UTC{shown}, $.valid: missing\n" in sent()[("ops@msp.example",)].body


def test_a_partner_is_told_what_its_side_must_mend(told_partner, cpo):
    emsp = told_partner
    evidence = Evidence("PUT", "https://msp.example/LOC1", '{"name":"a secret of ABC"}', 200, 2001, "no")
    refused = failed(
        emsp, subject="NL/ABC/LOC1", party="DE*MSP", evidence=evidence, ids=MessageIDs("r1", "c1")
    )
    invalid = failed(
        emsp,
        "request.invalid",
        module="tokens",
        text="$.valid: expected a boolean; it is for nl*abc and de*msp",
        subject="DE/MSP/GROUP7",
        evidence=Evidence(
            "PUT", "https://hub.example/ocpi/2.2.1/receiver/x", http_status=400, status_code=2001
        ),
        ids=MessageIDs("r2", "c2"),
    )
    over = failed(emsp, "delivery.server_error", module="cdrs", text="HTTP 500 of ABC")
    states.change(over.pk, "RESOLVED", by="ann", note="ABC complained", now=NOON)
    failed(emsp, "relay.crowded", text="not theirs to mend")
    failed(cpo, "pull.unreachable", module="tariffs")

    assert digests.send_due(MORNING) == 2

    message = sent()[("ops@msp.example",)]
    assert message.subject == "OCPI hub, report for MSP: 2 new, 1 resolved"
    assert message.body == (
        "To the operators of MSP\n"
        "\n"
        "This is what went wrong between your system and OCPI hub, as far as something has to be done on your side."
        " The ids are those of the headers X-Correlation-ID and X-Request-ID, so that you find the requests in your"
        " log.\n"
        "\n"
        "2 NEW\n"
        "\n"
        "* tokens: once, at 2026-03-01 12:00:00 UTC\n"
        f"  {invalid.what.to_partner}\n"
        "  - 2026-03-01 12:00:00 UTC, HTTP 400, OCPI 2001, DE/MSP/***, ids c2 r2,"
        " $.valid: expected a boolean; it is for another party and de*msp\n"
        "\n"
        "* locations: once, at 2026-03-01 12:00:00 UTC\n"
        f"  {refused.what.to_partner}\n"
        "  - 2026-03-01 12:00:00 UTC, HTTP 200, OCPI 2001, ids c1 r1\n"
        "\n"
        "1 RESOLVED\n"
        "\n"
        "* cdrs: Your system answered with errors of its own (HTTP 5xx or status code 3xxx).\n"
    )


def test_a_partner_is_told_no_ids_of_requests_that_never_came_to_it(told_partner):
    failed(told_partner, "relay.not_connected", ids=MessageIDs("r1", "c1"))

    digests.send_due(MORNING)

    assert "\n  - 2026-03-01 12:00:00 UTC\n" in sent()[("ops@msp.example",)].body


def test_a_long_letter_asks_once_who_the_others_are(told_partner):
    for module in ("locations", "tariffs", "cdrs", "sessions"):
        failed(told_partner, module=module)

    with CaptureQueriesContext(connection) as queries:
        digests.send_due(MORNING)

    assert sent()[("ops@msp.example",)].subject == "OCPI hub, report for MSP: 4 new"
    assert sum('FROM "partners_party"' in query["sql"] for query in queries) == 1


def test_a_partner_reads_nothing_of_others(told_partner, cpo, stranger):
    """Every kind that it must act on, with everything about it being another party's."""
    from ocpi_hub.errorreports.kinds import KINDS

    evidence = Evidence("PUT", "https://abc.example/secret", '{"name":"ABC"}', 200, 2001, "ABC FR*XYZ")
    write(
        [
            Noted(kind, told_partner.platform.pk, "locations", "for NL*ABC, NL-ABC or fr/xyz", "NL*ABC",
                  "NL/ABC/LOC1", evidence, MessageIDs("r1", "c1"), NOON)
            for kind in KINDS
        ]
    )  # fmt: skip

    digests.send_due(MORNING)

    body = sent()[("ops@msp.example",)].body
    mendable = sum(kind.concerns_partner for kind in KINDS.values())
    assert body.count("\n* ") == min(50, mendable)
    assert [
        word for word in ("ABC", "abc", "XYZ", "xyz", "LOC1", "secret", "hub.example") if word in body
    ] == []


def test_a_partner_gets_its_own_only_when_it_is_switched_on_and_has_an_address(emsp):
    failed(emsp)
    platforms = type(emsp.platform).objects

    platforms.update(reports_by_email=False, report_email="ops@msp.example")
    digests.send_due(MORNING)
    platforms.update(reports_by_email=True, report_email="")
    digests.send_due(MORNING + MINUTE)
    assert list(sent()) == [("ann@hub.example", "bob@hub.example")]

    platforms.update(report_email="ops@msp.example")
    digests.send_due(MORNING + 2 * MINUTE)
    assert list(sent()) == [("ops@msp.example",)]


def test_a_mail_that_one_partner_cannot_be_sent_does_not_stop_the_others(told_partner, monkeypatch):
    failed(told_partner)
    monkeypatch.setattr(digests.EmailMessage, "send", Refusing(1, OSError("down")))

    assert digests.send_due(MORNING) == 1
    assert list(sent()) == [("ops@msp.example",)]


def test_several_workers_that_look_at_once_send_one_mail(told_partner):
    failed(told_partner)

    assert sum(at_once(*[lambda: digests.send_due(MORNING)] * 4)) == 2
    assert len(mail.outbox) == 2


def test_a_partner_without_an_address_cannot_be_switched_on(emsp):
    emsp.platform.reports_by_email = True

    with pytest.raises(ValidationError) as refused:
        emsp.platform.full_clean(exclude=["token_cipher"])
    assert refused.value.message_dict == {"report_email": ["Its reports need an address to go to."]}


def test_workers_send_in_every_round():
    assert digests.send in sweeper.rounds()
