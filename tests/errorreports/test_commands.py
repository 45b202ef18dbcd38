"""Error reports and digests on the command line."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command

from ocpi_hub import commandline
from ocpi_hub.errorreports import digests, states
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.models import Digest, ErrorReport
from ocpi_hub.errorreports.occurrences import Evidence, Noted, write
from ocpi_hub.protocol.headers import MessageIDs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


def said(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def reports(cpo, emsp):
    evidence = Evidence("PUT", "https://msp.example/LOC1", http_status=200, status_code=2001)
    write(
        [
            Noted("delivery.refused", emsp.platform.pk, "locations", "LOC1 refused", "DE*MSP", "NL/ABC/LOC1",
                  evidence, MessageIDs("r1", "c1"), NOON),
            Noted("pull.unreachable", cpo.platform.pk, "tariffs", "no connection", at=NOON),
            Noted("delivery.server_error", emsp.platform.pk, "cdrs", "HTTP 500", at=NOON),
        ]
    )  # fmt: skip
    found = {row.module: row for row in ErrorReport.objects.all()}
    states.change(found["tariffs"].pk, "ACKNOWLEDGED", by="ann", note="wrote to them", now=NOON)
    states.change(found["cdrs"].pk, "RESOLVED", by="ann", note="", now=NOON)
    return found


def test_what_is_not_resolved_is_listed_and_what_waits_stands_first(reports, cpo, emsp):
    locations, tariffs = reports["locations"], reports["tariffs"]

    assert said("errors") == (
        f"{locations.pk:>6}  open          {KINDS['delivery.refused'].title}\n"
        f"        MSP (#{emsp.platform.pk}), locations: once, at 2026-03-01 12:00:00 UTC\n"
        f"{tariffs.pk:>6}  acknowledged  {KINDS['pull.unreachable'].title}\n"
        f"        ABC (#{cpo.platform.pk}), tariffs: once, at 2026-03-01 12:00:00 UTC; since then: not read yet\n"
        "1 open, 1 acknowledged\n"
    )


def test_resolved_ones_and_those_of_one_partner_can_be_listed(reports, emsp):
    rows = json.loads(said("errors", "--all", "--platform", str(emsp.platform.pk), "--json"))

    assert [(row["module"], row["state"]) for row in rows] == [("locations", "OPEN"), ("cdrs", "RESOLVED")]
    assert rows[0] == {
        "id": reports["locations"].pk,
        "state": "OPEN",
        "kind": "delivery.refused",
        "title": KINDS["delivery.refused"].title,
        "meaning": KINDS["delivery.refused"].meaning,
        "who": KINDS["delivery.refused"].who,
        "action": KINDS["delivery.refused"].action,
        "platform": emsp.platform.pk,
        "module": "locations",
        "count": 1,
        "first_seen_at": "2026-03-01T12:00:00Z",
        "last_seen_at": "2026-03-01T12:00:00Z",
        "reopened": 0,
        "since_then": {
            "text": "None of the deliveries that failed so is on record any more: they are kept for"
            f" {settings.HUB_MESSAGE_DAYS} days after they ended.",
            "waiting": 0,
            "given_up": 0,
            "arrived": 0,
            "covered": 0,
            "discarded": 0,
        },
        "text": "LOC1 refused",
        "party": "DE*MSP",
        "subject": "NL/ABC/LOC1",
        "http_status": 200,
        "status_code": 2001,
        "correlation_id": "c1",
        "request_id": "r1",
    }


def test_one_is_shown_with_what_it_means_what_to_do_and_its_newest_failures(reports, cpo):
    kind = KINDS["pull.unreachable"]

    assert said("errors", "--show", str(reports["tariffs"].pk)) == (
        f"{kind.title} (acknowledged since 2026-03-01 12:00:00 UTC)\n"
        f"  ABC (#{cpo.platform.pk}), tariffs: once, at 2026-03-01 12:00:00 UTC\n"
        f"  meaning: {kind.meaning}\n"
        f"  to act: {kind.who}. {kind.action}\n"
        "  since then: The list has not been read to its end since. It is tried again by its pull plan.\n"
        "  2026-03-01 12:00:00 acknowledged by ann: wrote to them\n"
        "  newest failures:\n"
        "    2026-03-01 12:00:00  no connection\n"
    )
    shown = json.loads(said("errors", "--show", str(reports["locations"].pk), "--json"))
    assert [(row["at"], row["correlation_id"]) for row in shown["newest"]] == [("2026-03-01T12:00:00Z", "c1")]


@pytest.mark.parametrize(
    ("option", "state"), [("--acknowledge", "ACKNOWLEDGED"), ("--resolve", "RESOLVED"), ("--open", "OPEN")]
)
def test_several_are_put_into_a_state_with_a_note(reports, option, state, monkeypatch):
    monkeypatch.setattr(commandline, "system_user", lambda: "carol")
    ids = [str(reports["locations"].pk), str(reports["cdrs"].pk)]

    printed = said("errors", option, *ids, "--note", "network mended", "--by", "bob")

    assert printed.count(f"is {state.lower()} now") == 2
    for number in ids:
        report = ErrorReport.objects.get(pk=number)
        assert report.state == state
        change = report.state_changes.last()
        assert (change.state, change.by, change.note) == (state, "bob (carol, manage.py)", "network mended")
    assert ErrorReport.objects.get(module="tariffs").state == "ACKNOWLEDGED"


def test_who_does_not_say_who_it_is_is_the_user_of_the_system(reports, monkeypatch):
    monkeypatch.setattr(commandline, "system_user", lambda: "carol")
    said("errors", "--resolve", str(reports["locations"].pk))

    assert reports["locations"].state_changes.get().by == "carol, manage.py"


def test_what_is_in_that_state_already_is_told(reports):
    assert "was resolved already" in said("errors", "--resolve", str(reports["cdrs"].pk))
    assert reports["cdrs"].state_changes.count() == 1


def test_when_one_of_several_is_not_there_none_is_changed(reports):
    with pytest.raises(CommandError, match="there is no error report 999999"):
        said("errors", "--resolve", str(reports["locations"].pk), "999999")

    assert ErrorReport.objects.get(module="locations").state == "OPEN"


def test_a_slip_of_the_hand_is_no_all_clear(reports):
    with pytest.raises(CommandError, match="there is no platform 999999"):
        said("errors", "--platform", "999999")


def test_nothing_to_list_is_told(db):
    assert said("errors") == "nothing is open\n"


def test_the_next_digest_is_printed_and_nothing_is_sent(reports):
    printed = said("digest")

    assert printed.startswith("Subject: OCPI hub: 2 new, 1 resolved\n\nOCPI hub: error reports\n\n2 NEW\n")
    assert mail.outbox == []
    assert not Digest.objects.exists()


def test_the_next_digest_of_a_partner_is_printed(reports, emsp):
    printed = said("digest", "--platform", str(emsp.platform.pk))

    assert printed.startswith(
        "Subject: OCPI hub, report for MSP: 1 new, 1 resolved\n\nTo the operators of MSP\n"
    )


def test_a_digest_is_sent_on_trial_and_the_next_one_tells_it_all_the_same(reports, monkeypatch):
    monkeypatch.setattr(settings, "EMAIL_HOST", "mail.example")
    monkeypatch.setattr(settings, "HUB_OPERATORS", ["ann@hub.example"])

    assert said("digest", "--to", "bob@hub.example").endswith("mail.example took it for bob@hub.example.\n")
    assert [message.to for message in mail.outbox] == [["bob@hub.example"]]

    assert digests.send_due(datetime(2026, 3, 2, 6, tzinfo=UTC)) == 1
    assert mail.outbox[1].body == mail.outbox[0].body


def test_with_nothing_to_tell_the_trial_mail_says_so(db):
    assert said("digest") == (
        "Subject: OCPI hub: nothing to tell\n\nNothing has happened since the last digest.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "host", "problem"),
    [
        (["--platform", "999999"], "mail.example", "there is no platform 999999"),
        (["--to", "bob"], "mail.example", "bob is no address"),
        (["--to", "bob@hub.example"], "", "EMAIL_HOST is not set, so nothing can be sent"),
    ],
)
def test_a_digest_that_cannot_be_made_or_sent_says_why(db, monkeypatch, arguments, host, problem):
    monkeypatch.setattr(settings, "EMAIL_HOST", host)

    with pytest.raises(CommandError, match=problem):
        said("digest", *arguments)
    assert mail.outbox == []


def test_a_mail_server_that_refuses_is_quoted(reports, monkeypatch):
    monkeypatch.setattr(settings, "EMAIL_HOST", "mail.example")
    monkeypatch.setattr(
        digests.EmailMessage, "send", lambda message: (_ for _ in ()).throw(OSError(111, "refused"))
    )

    with pytest.raises(CommandError, match=r"mail.example did not take it: .*111\] refused"):
        said("digest", "--to", "bob@hub.example")
