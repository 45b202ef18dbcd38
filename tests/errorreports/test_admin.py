"""Error reports in the admin: open ones first, in words, with what to do, and by whom it was done."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpi_hub.errorreports import states
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.models import Digest, ErrorReport, StateChange
from ocpi_hub.errorreports.occurrences import Evidence, Noted, write
from ocpi_hub.partners.models import Party
from ocpi_hub.protocol.headers import MessageIDs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIST = "/admin/errorreports/errorreport/"


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("ann", password="a long pass phrase"))
    return client


def staff(*rights):
    user = User.objects.create_user("clerk", password="a long pass phrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reports(cpo, emsp):
    """One of a kind each: refused by the provider, unreachable operator, a stranger's token, one that is over."""
    evidence = Evidence("PUT", "https://msp.example/LOC1", '{"id":"LOC1"}', 200, 2001, '{"status_code":2001}')
    ids = MessageIDs("request-1", "correlation-1")
    write(
        [
            Noted("delivery.refused", emsp.platform.pk, "locations", "MSP refused LOC1", "DE*MSP", "NL/ABC/LOC1",
                  evidence, ids, NOON),
            Noted("pull.unreachable", cpo.platform.pk, "tariffs", "cpo.example: refused", at=NOON - timedelta(days=1)),
            Noted("request.unknown_token", None, "", "an unknown token", at=NOON + timedelta(hours=1)),
            Noted("delivery.server_error", emsp.platform.pk, "cdrs", "HTTP 500", at=NOON + timedelta(hours=2)),
        ]
    )  # fmt: skip
    over = ErrorReport.objects.get(module="cdrs")
    states.change(over.pk, "RESOLVED", by="bob", note="they restarted", now=NOON + timedelta(hours=3))
    return {row.kind: row for row in ErrorReport.objects.all()}


def words(page):
    """What a reader sees: text without tags, one blank between words."""
    inner = re.sub(r"<(style|script).*?</\1>", " ", page.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", inner))


def test_a_report_of_what_was_given_up_leads_to_the_partners_dead_letters(operator, reports, emsp):
    link = f'/admin/exchange/deadletter/?platform__id__exact={emsp.platform.pk}">Dead letters of MSP'

    page = operator.get(page_of(reports["delivery.refused"])).content.decode()

    assert link in page
    assert operator.get(link.partition('"')[0]).status_code == 200
    assert "Dead letters of" not in operator.get(page_of(reports["pull.unreachable"])).content.decode()


def page_of(report):
    return reverse("admin:errorreports_errorreport_change", args=[report.pk])


def listed(client, **query):
    page = client.get(f"{LIST}?{urlencode(query)}")
    assert page.status_code == 200
    return [row.kind for row in page.context["cl"].result_list]


def test_open_reports_stand_first_and_of_these_the_newest(operator, reports):
    states.change(reports["request.unknown_token"].pk, "ACKNOWLEDGED", by="ann", note="", now=NOON)

    assert listed(operator) == [
        "delivery.refused", "pull.unreachable", "request.unknown_token", "delivery.server_error",
    ]  # fmt: skip


def test_the_list_says_what_happened_with_whom_and_how_often(operator, reports, emsp):
    seen = words(operator.get(LIST))

    assert (
        f"{KINDS['delivery.refused'].title} MSP (#{emsp.platform.pk}) locations both open 1"
        " 03-01 12:00 03-01 12:00" in seen
    )
    assert "somebody unknown - you open" in seen


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"q": "LOC1"}, ["delivery.refused"]),
        ({"q": "correlation-1"}, ["delivery.refused"]),
        ({"q": "request-1"}, ["delivery.refused"]),
        ({"q": "NL-ABC"}, ["pull.unreachable"]),
        ({"q": "de*msp"}, ["delivery.refused", "delivery.server_error"]),
        ({"q": "cannot be reached"}, ["pull.unreachable"]),
        ({"q": "refused"}, ["delivery.refused", "pull.unreachable"]),
        ({"q": "nothing like it"}, []),
        ({"who": "HUB"}, ["request.unknown_token"]),
        ({"who": "PARTNER"}, ["pull.unreachable", "delivery.server_error"]),
        ({"kind": "delivery.server_error"}, ["delivery.server_error"]),
        ({"state__exact": "RESOLVED"}, ["delivery.server_error"]),
        ({"module": "locations"}, ["delivery.refused"]),
    ],
)
def test_reports_are_found(operator, reports, query, kinds):
    found = listed(operator, **query)

    assert sorted(found) == sorted(kinds)


def test_a_report_is_listed_once_however_many_parties_its_partner_has(operator, reports, emsp):
    Party.objects.create(platform=emsp.platform, country_code="DE", party_id="TWO", roles=["EMSP"])

    assert listed(operator, q="refused").count("delivery.refused") == 1
    assert listed(operator, q="DE-TWO").count("delivery.refused") == 1


def test_the_page_of_a_report_says_what_it_means_and_who_must_do_what(operator, reports):
    seen = words(operator.get(page_of(reports["delivery.refused"])))
    kind = KINDS["delivery.refused"]

    assert f"Meaning: {kind.meaning}" in seen
    assert f"Who must act: {kind.who}" in seen
    assert f"What to do: {kind.action}" in seen
    assert "The newest: MSP refused LOC1 (party DE*MSP, NL/ABC/LOC1)" in seen
    assert "Seen: once, at 2026-03-01 12:00:00 UTC" in seen
    assert "Call: PUT https://msp.example/LOC1" in seen
    assert "Answer: HTTP 200, OCPI 2001" in seen
    assert "{ &quot;status_code&quot;: 2001 }" in seen
    assert (
        "2026-03-01 12:00:00 MSP refused LOC1 NL/ABC/LOC1 HTTP 200, OCPI 2001 PUT https://msp.example/LOC1"
        in seen
    )


def test_the_history_of_a_report_is_told(operator, reports):
    over = reports["delivery.server_error"]
    write(
        [Noted("delivery.server_error", over.platform_id, "cdrs", "HTTP 502", at=NOON + timedelta(hours=4))]
    )

    seen = words(operator.get(page_of(over)))

    assert "Seen: 2 times, first at 2026-03-01 14:00:00, last at 2026-03-01 16:00:00 UTC" in seen
    assert (
        "open since 2026-03-01 16:00:00 UTC 2026-03-01 14:00:00 open first seen"
        " 2026-03-01 15:00:00 resolved by bob they restarted"
        " 2026-03-01 16:00:00 open by the hub it happened again" in seen
    )
    assert f"(#{over.platform_id}) cdrs partner open again 2" in words(operator.get(LIST))


def test_an_operator_acknowledges_and_resolves_on_the_page_with_a_note(operator, reports):
    report = reports["delivery.refused"]
    url = reverse("admin:errorreports_errorreport_state", args=[report.pk])

    operator.post(url, {"state": "ACKNOWLEDGED", "note": "I call them"})
    operator.post(url, {"state": "", "note": "they mend it on Monday"})
    page = operator.post(url, {"state": "RESOLVED", "note": ""}, follow=True)

    assert f"“{report}” is resolved." in words(page)
    report.refresh_from_db()
    assert report.state == "RESOLVED"
    assert list(report.state_changes.values_list("state", "by", "note")) == [
        ("ACKNOWLEDGED", "ann", "I call them"),
        ("ACKNOWLEDGED", "ann", "they mend it on Monday"),
        ("RESOLVED", "ann", ""),
    ]
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("id")] == [
        "acknowledged: I call them",
        "note: they mend it on Monday",
        "resolved",
    ]


def test_an_empty_note_alone_changes_nothing(operator, reports):
    report = reports["delivery.refused"]
    url = reverse("admin:errorreports_errorreport_state", args=[report.pk])

    page = operator.post(url, {"state": "", "note": " "}, follow=True)
    unknown = operator.post(url, {"state": "GONE", "note": "no such state"})

    assert "There was no note: nothing was changed." in words(page)
    assert unknown.status_code == 400
    assert not report.state_changes.exists()
    assert not LogEntry.objects.exists()


def test_whoever_comes_second_is_told_that_it_was_done_already(operator, reports):
    report = reports["delivery.refused"]
    states.change(report.pk, "ACKNOWLEDGED", by="bob", note="", now=NOON)
    url = reverse("admin:errorreports_errorreport_state", args=[report.pk])
    chosen = {"action": "acknowledge", "_selected_action": [report.pk], "note": ""}

    on_its_page = words(operator.post(url, {"state": "ACKNOWLEDGED", "note": ""}, follow=True))
    in_the_list = words(operator.post(LIST, chosen, follow=True))

    assert f"“{report}” is acknowledged already: nothing was changed." in on_its_page
    assert "What you chose is acknowledged already: nothing was changed." in in_the_list
    assert [change.by for change in report.state_changes.all()] == ["bob"]


def test_a_note_alone_leaves_the_state_that_somebody_else_chose_meanwhile(operator, reports, monkeypatch):
    report = ErrorReport.objects.get(pk=reports["delivery.refused"].pk)
    states.change(report.pk, "RESOLVED", by="bob", note="mended", now=NOON)
    page = admin.site.get_model_admin(ErrorReport)
    monkeypatch.setattr(page, "get_object", lambda request, pk: report)  # as it was read before that
    url = reverse("admin:errorreports_errorreport_state", args=[report.pk])

    operator.post(url, {"state": "", "note": "they know"})

    monkeypatch.undo()
    report.refresh_from_db()
    assert report.state == "RESOLVED"
    assert list(report.state_changes.values_list("state", "by")) == [("RESOLVED", "bob"), ("RESOLVED", "ann")]
    assert LogEntry.objects.get().get_change_message() == "note: they know"


def test_many_reports_are_resolved_at_once_with_one_note(operator, reports):
    chosen = [reports["delivery.refused"].pk, reports["pull.unreachable"].pk]

    page = operator.post(
        LIST, {"action": "resolve", "_selected_action": chosen, "note": "network mended"}, follow=True
    )

    assert "2 reports are resolved now." in words(page)
    assert set(ErrorReport.objects.filter(state="RESOLVED").values_list("kind", flat=True)) == {
        "delivery.refused", "pull.unreachable", "delivery.server_error",
    }  # fmt: skip
    assert StateChange.objects.filter(by="ann", note="network mended").count() == 2
    assert LogEntry.objects.filter(object_id__in=map(str, chosen)).count() == 2


def test_who_may_only_look_changes_nothing(reports):
    reader = staff("view_errorreport")
    report = reports["delivery.refused"]

    page = reader.get(page_of(report))
    refused = reader.post(
        reverse("admin:errorreports_errorreport_state", args=[report.pk]), {"state": "RESOLVED"}
    )
    reader.post(LIST, {"action": "resolve", "_selected_action": [report.pk]})

    assert (page.status_code, refused.status_code) == (200, 403)
    assert "Resolve: it is mended" not in words(page)
    assert "Resolve: it is mended" not in words(reader.get(LIST))
    report.refresh_from_db()
    assert report.state == "OPEN"
    assert not StateChange.objects.filter(report=report).exists()


def test_who_may_not_look_sees_neither_reports_nor_their_number(reports):
    clerk = staff("view_platform")

    assert clerk.get(LIST).status_code == 403
    assert clerk.get(page_of(reports["delivery.refused"])).status_code == 403
    assert "Error reports" not in words(clerk.get("/admin/"))


def test_nobody_adds_changes_or_deletes_a_report_by_hand(operator, reports):
    report = reports["delivery.refused"]

    answers = [
        operator.post(f"{LIST}add/", {}),
        operator.post(page_of(report), {"state": "RESOLVED"}),
        operator.post(reverse("admin:errorreports_errorreport_delete", args=[report.pk]), {"post": "yes"}),
        operator.get(reverse("admin:errorreports_errorreport_state", args=[report.pk])),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403, 403]
    assert ErrorReport.objects.get(pk=report.pk).state == "OPEN"


def test_the_index_begins_with_the_number_of_open_reports(operator, reports):
    page = operator.get("/admin/")
    seen = words(page)

    assert f'<a href="{LIST}">Error reports (3 open)</a>' in page.content.decode()
    assert seen.index("Error reports (3 open)") < seen.index("Authentication and Authorization")


def test_a_report_of_a_partner_that_is_gone_still_opens(operator, reports, cpo):
    number = cpo.platform.pk
    cpo.platform.delete()

    assert f"#{number}, which is gone" in words(operator.get(LIST))
    seen = words(operator.get(page_of(reports["pull.unreachable"])))
    assert f"Partner: #{number}, which is gone" in seen


def test_text_of_a_partner_is_no_markup(operator, emsp):
    bad = '<img src=x onerror="alert(1)">'
    evidence = Evidence("PUT", f"https://msp.example/{bad}", bad, 200, 2001, bad)
    ids = MessageIDs("r", bad)
    write(
        [
            Noted(
                "delivery.refused",
                emsp.platform.pk,
                "locations",
                bad,
                subject=bad,
                evidence=evidence,
                ids=ids,
            )
        ]
    )

    for page in (operator.get(LIST), operator.get(page_of(ErrorReport.objects.get()))):
        assert "<img src=x" not in page.content.decode()


def test_the_page_of_a_report_says_that_it_shows_some_of_many(operator, emsp):
    write(
        [
            Noted("delivery.refused", emsp.platform.pk, "locations", f"no. {number}", at=NOON)
            for number in range(99)
        ]
    )

    seen = words(operator.get(page_of(ErrorReport.objects.get())))

    assert "Of 99 some are kept; the newest 20:" in seen
    assert "no. 98" in seen
    assert "no. 50" not in seen


def test_what_the_hub_itself_failed_on_is_no_strangers_fault(operator, db):
    write([Noted("hub.redis", None, "", "no connection", at=NOON)])

    seen = words(operator.get(LIST))

    assert "Redis did not answer the hub itself" in seen
    assert "somebody unknown" not in seen


def test_the_page_of_a_partner_leads_to_its_open_reports(operator, reports, emsp):
    page = operator.get(reverse("admin:partners_platform_change", args=[emsp.platform.pk])).content.decode()

    link = re.search(r'open error reports.*?href="([^"]+)">1<', page, re.DOTALL)
    assert link is not None
    followed = operator.get(link[1].replace("&amp;", "&"))
    assert [row.kind for row in followed.context["cl"].result_list] == ["delivery.refused"]


def test_what_was_mailed_can_be_read_later(operator, emsp):
    Digest.objects.create(
        day=NOON.date(),
        settled_at=NOON,
        recipients="ann@hub.example",
        subject="OCPI hub: 1 new",
        text="* LOC1\n",
    )
    Digest.objects.create(day=NOON.date(), platform=emsp.platform, due_at=NOON, problem="535 bad password")

    Digest.objects.create(day=timezone.now().date(), platform=emsp.platform, due_at=NOON, problem="451 later")

    seen = words(operator.get("/admin/errorreports/digest/"))
    assert "the operators sent at 2026-03-01 12:00:00 UTC OCPI hub: 1 new" in seen
    assert f"MSP (#{emsp.platform.pk}) not sent, the next one tells it: 535 bad password" in seen
    assert f"MSP (#{emsp.platform.pk}) not sent so far: 451 later" in seen
    sent = Digest.objects.get(platform=None)
    page = words(operator.get(reverse("admin:errorreports_digest_change", args=[sent.pk])))
    assert "ann@hub.example empty: there was nothing to tell Subject: OCPI hub: 1 new Text: * LOC1" in page


def test_a_correlation_id_leads_to_the_journey_of_its_message(operator, reports):
    page = operator.get(page_of(reports["delivery.refused"])).content.decode()

    links = re.findall(r'href="(/admin/journey/\?[^"]*)"', page)
    assert links == ["/admin/journey/?q=correlation-1"] * 2
    assert operator.get(links[0]).status_code == 200
