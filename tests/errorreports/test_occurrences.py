"""Failures become occurrences in reports: grouped, counted, masked, bounded."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub import background
from ocpi_hub.errorreports import occurrences
from ocpi_hub.errorreports.grouping import KEPT, KEPT_A_MINUTE
from ocpi_hub.errorreports.models import ErrorReport, Occurrence, StateChange
from ocpi_hub.errorreports.occurrences import LONGEST_BODY, Evidence, Noted, note, write
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def refused(at=NOON, platform_id=7, kind="delivery.refused", module="locations", **more):
    return Noted(kind, platform_id, module, more.pop("text", "LOC1 was refused"), at=at, **more)


def test_failures_of_one_kind_partner_and_module_are_one_report():
    write([refused(), refused(NOON + timedelta(minutes=1), text="LOC2 was refused")])
    write([refused(NOON - timedelta(minutes=1), text="LOC0 was refused"), refused(module="tariffs")])

    locations, tariffs = ErrorReport.objects.order_by("module")
    assert (locations.platform_id, locations.module, locations.kind) == (7, "locations", "delivery.refused")
    assert (locations.count, tariffs.count) == (3, 1)
    assert locations.first_seen_at == NOON - timedelta(minutes=1)
    assert locations.last_seen_at == NOON + timedelta(minutes=1)
    assert (locations.state, locations.state_at) == ("OPEN", NOON + timedelta(minutes=1))
    assert [row.text for row in locations.occurrences.all()] == [
        "LOC2 was refused",
        "LOC1 was refused",
        "LOC0 was refused",
    ]


def test_what_speaks_to_a_terminal_or_begins_a_line_of_its_own_is_shown_and_does_neither():
    write([refused(text="bad \x1b[2J\nSubject: x", subject="LOC\x1b1")])

    report = ErrorReport.objects.get()
    assert (report.text, report.subject) == ("bad \\x1b[2J Subject: x", "LOC\\x1b1")


def test_failures_of_nobody_are_one_report_too():
    write([refused(platform_id=None, kind="request.unknown_token", module="")])
    write([refused(platform_id=None, kind="request.unknown_token", module="")])

    report = ErrorReport.objects.get()
    assert (report.platform, report.count) == (None, 2)


def test_a_report_holds_what_was_sent_and_what_came_back_of_its_newest_failure():
    evidence = Evidence(
        "PUT", "https://msp.example/LOC1", b'{"id":"LOC1"}', 200, 2001, b'{"status_code":2001}'
    )
    write([refused(party="NL*ABC", subject="NL/ABC/LOC1", evidence=evidence, ids=MessageIDs("r1", "c1"))])

    report = ErrorReport.objects.get()
    occurrence = Occurrence.objects.get()
    for row in (report, occurrence):
        assert (row.text, row.party, row.subject) == ("LOC1 was refused", "NL*ABC", "NL/ABC/LOC1")
        assert (row.method, row.url) == ("PUT", "https://msp.example/LOC1")
        assert (row.request, row.answer) == ('{"id":"LOC1"}', '{"status_code":2001}')
        assert (row.http_status, row.status_code) == (200, 2001)
        assert (row.request_id, row.correlation_id) == ("r1", "c1")


def test_what_is_written_late_does_not_stand_for_the_newest_failure():
    write([Noted("delivery.refused", 7, "locations", "the newest", at=NOON)])
    write([Noted("delivery.refused", 7, "locations", "an earlier one", at=NOON - timedelta(hours=1))])

    report = ErrorReport.objects.get()
    assert (report.text, report.count) == ("the newest", 2)
    assert (report.first_seen_at, report.last_seen_at) == (NOON - timedelta(hours=1), NOON)
    assert [row.text for row in report.occurrences.all()] == ["the newest", "an earlier one"]


def test_a_resolved_report_reopens_by_itself():
    write([refused()])
    ErrorReport.objects.update(state="RESOLVED", state_at=NOON + timedelta(hours=1))
    again = NOON + timedelta(hours=2)
    write([refused(again)])
    write([refused(again)])

    report = ErrorReport.objects.get()
    assert (report.state, report.state_at, report.reopened, report.count) == ("OPEN", again, 1, 3)
    assert report.reopened_at is not None
    change = StateChange.objects.get()
    assert (change.report, change.state, change.at, change.by) == (report, "OPEN", again, "")


def test_what_happened_before_a_report_was_resolved_does_not_reopen_it():
    write([refused()])
    ErrorReport.objects.update(state="RESOLVED", state_at=NOON + timedelta(hours=1))
    write([refused(NOON + timedelta(minutes=59))])

    report = ErrorReport.objects.get()
    assert (report.state, report.count, report.reopened) == ("RESOLVED", 2, 0)
    assert not StateChange.objects.exists()


def test_an_acknowledged_report_stays_acknowledged_while_it_goes_on():
    write([refused()])
    ErrorReport.objects.update(state="ACKNOWLEDGED")
    write([refused(NOON + timedelta(hours=2))])

    assert (ErrorReport.objects.get().state, ErrorReport.objects.get().count) == ("ACKNOWLEDGED", 2)


def test_a_failure_noted_in_a_request_is_written_a_moment_later(cpo):
    note("delivery.refused", cpo.platform.pk, "locations", "LOC1 was refused", party="NL*ABC", at=NOON)
    assert not ErrorReport.objects.exists()

    background.flush()

    report = ErrorReport.objects.get()
    assert (report.platform, report.party, report.last_seen_at) == (cpo.platform, "NL*ABC", NOON)


def test_nothing_private_is_kept():
    body = b'{"cdr_token":{"uid":"04A1B2C3D4","contract_id":"DE-MSP-C00000001-X"},"id":"SESSION1"}'
    evidence = Evidence(
        "PUT",
        "https://msp.example/receiver/tokens/DE/MSP/04A1B2C3D4",
        body,
        401,
        2001,
        '{"status_message":"secret-token is wrong, as is c2VjcmV0LXRva2Vu, for 04a1b2c3d4"}',
        secrets=("secret-token",),
    )
    write(
        [
            refused(
                module="tokens", subject="DE/MSP/04A1B2C3D4", text="04A1B2C3D4 is refused", evidence=evidence
            )
        ]
    )

    report = ErrorReport.objects.get()
    assert (report.text, report.subject) == ("*** is refused", "DE/MSP/***")
    assert report.url == "https://msp.example/receiver/tokens/DE/MSP/***"
    assert report.request == '{"cdr_token":{"uid":"***","contract_id":"***"},"id":"SESSION1"}'
    assert report.answer == '{"status_message":"*** is wrong, as is ***, for ***"}'


def test_what_is_private_is_not_kept_as_base64_either():
    encoded = [base64.b64encode(text).decode() for text in (b"04A1B2C3D4", b'{"card": "DE-MSP-C00000001-X"}')]
    body = b'{"uid":"04A1B2C3D4","contract_id":"DE-MSP-C00000001-X"}'
    write([refused(evidence=Evidence(request=body, answer=f"Basic {encoded[0]} of {encoded[1]}"))])

    assert ErrorReport.objects.get().answer == "Basic *** of eyJjYXJkIjogI***J9"


def test_the_name_of_a_token_is_masked_without_any_evidence():
    write([refused(module="tokens", subject="DE/MSP/04A1B2C3D4", text="no such token: 04A1B2C3D4")])

    assert ErrorReport.objects.values_list("subject", "text").get() == ("DE/MSP/***", "no such token: ***")


def test_what_is_private_in_the_end_of_a_long_body_is_masked_in_the_text_too():
    body = b'{"a":"' + b"x" * 100_000 + b'","uid":"04A1B2C3D4"}'
    note("delivery.refused", 7, "sessions", "04A1B2C3D4", evidence=Evidence(request=body))
    background.flush()

    report = ErrorReport.objects.get()
    assert report.text == "***"
    assert len(report.request) == LONGEST_BODY
    assert report.request.endswith("x…")


def test_what_postgresql_cannot_keep_is_replaced():
    write([refused(text="a\x00b\ud800c", evidence=Evidence(answer=b"\xff\x00"))])

    report = ErrorReport.objects.get()
    assert report.text == "a�b?c"
    assert report.answer == "��"


def test_many_failures_in_a_row_are_all_counted_and_some_are_kept():
    def storm(minute):
        at = NOON + timedelta(minutes=minute)
        for second in range(0, 60, 2):
            write([refused(at + timedelta(seconds=second, milliseconds=part)) for part in range(10)])

    storm(0)
    assert Occurrence.objects.count() == KEPT_A_MINUTE

    for minute in range(1, 15):
        storm(minute)

    report = ErrorReport.objects.get()
    assert report.count == 15 * 300
    newest_first = list(Occurrence.objects.values_list("at", flat=True))
    assert len(newest_first) == KEPT
    assert min(newest_first) >= NOON + timedelta(minutes=15) - timedelta(minutes=KEPT / KEPT_A_MINUTE)


def test_of_a_large_batch_the_newest_failures_are_kept():
    write([refused(NOON + timedelta(milliseconds=part), text=f"{part}") for part in range(500)])

    assert [row.text for row in Occurrence.objects.all()] == [f"{part}" for part in range(499, 479, -1)]
    assert (ErrorReport.objects.get().count, ErrorReport.objects.get().text) == (500, "499")


def test_a_storm_of_one_report_takes_no_room_from_another():
    write([refused(NOON + timedelta(milliseconds=part)) for part in range(500)] + [refused(module="tariffs")])
    write([refused(NOON + timedelta(milliseconds=part)) for part in range(500)] + [refused(module="tariffs")])

    assert Occurrence.objects.filter(report__module="tariffs").count() == 2


def test_a_report_outlives_its_partner(cpo):
    write([refused(platform_id=cpo.platform.pk)])
    number = cpo.platform.pk
    Platform.objects.filter(pk=number).delete()
    write([refused(platform_id=number)])

    report = ErrorReport.objects.select_related("platform").get()
    assert (report.platform_id, report.platform, report.count) == (number, None, 2)


def test_a_kind_that_is_not_in_the_catalogue_is_reported_and_told_in_the_log(caplog):
    write([refused(kind="MADE_UP")])

    report = ErrorReport.objects.get()
    assert (str(report), report.count) == ("Made up", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "a failure is reported as 'MADE_UP', which is no kind of kinds.py"
    ]


@pytest.mark.parametrize("shift", range(0, 60, 7))
def test_no_half_of_a_private_value_stands_where_a_text_was_cut(shift):
    value = "C4RD-0F-4-DR1V3R"
    answer = json.dumps({"uid": value, "a": "x" * shift, "b": " ".join([value] * 2_000)})
    write([refused(evidence=Evidence(answer=answer))])

    kept = ErrorReport.objects.get().answer
    assert kept.endswith("…")
    assert set(kept.partition('"b": "')[2].removesuffix("…").split()) <= {"***", "**", "*"}


def test_a_page_of_many_private_values_is_masked_and_short():
    tokens = [{"uid": f"CARD{number}", "contract_id": f"DE-MSP-C{number:08}"} for number in range(5_000)]
    answer = json.dumps({"data": tokens})
    note("delivery.refused", 7, "tokens", "CARD4999 is refused", evidence=Evidence(answer=answer))
    background.flush()

    report = ErrorReport.objects.get()
    assert report.text == "*** is refused"
    assert report.answer.startswith('{"data": [{"uid": "***", "contract_id": "***"}, {"uid": "***"')
    assert "CARD" not in report.answer
    assert "MSP" not in report.answer


def test_a_failure_that_cannot_be_masked_is_told_of_without_its_words(db, monkeypatch):
    def masked(text, values):
        if "LOC1" in text:
            raise RecursionError("too deep")
        return text

    monkeypatch.setattr(occurrences, "masked", masked)
    write([refused(text="LOC1 was refused"), refused(text="another one")])

    assert set(Occurrence.objects.values_list("text", flat=True)) == {
        "what was sent and came back is left out: it could not be masked (RecursionError)",
        "another one",
    }


def test_a_number_that_is_no_code_is_left_out(db):
    write([refused(evidence=Evidence(http_status=200, status_code=10**12))])

    assert ErrorReport.objects.values_list("http_status", "status_code").get() == (200, None)
