"""The operators' webhook is told of what is new or came back: soon, at least once, and of nothing else."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.conf import settings
from django.db import connection, transaction

from ocpi_hub import background
from ocpi_hub.connections import InsideTransaction
from ocpi_hub.errorreports import alerts, states
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.errorreports.occurrences import Evidence, Noted, write
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.partners.models import Platform
from tests.errorreports.threads import at_once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.django_db(transaction=True)


class Webhook:
    """Answers what `answers` holds, then 200; keeps what it took."""

    def __init__(self):
        self.answers, self.asked, self.told, self.connections = [], [], [], []

    def __call__(self, request):
        self.asked.append(request)
        self.connections.append(connection.connection)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.told.append(json.loads(request.content))
        return httpx.Response(answer)

    @property
    def texts(self):
        return [message["text"] for message in self.told]


@pytest.fixture
def webhook(monkeypatch):
    webhook = Webhook()
    monkeypatch.setattr(alerts, "transport", httpx.MockTransport(webhook))
    monkeypatch.setattr(settings, "HUB_ALERT_URL", "https://chat.example/hooks/secret-path")
    return webhook


@pytest.fixture
def msp(db):
    return Platform.objects.create(name="MSP")


def failed(msp, at=NOON, module="locations", **more):
    write([Noted("delivery.refused", msp.pk, module, "they said <!channel>", at=at, **more)])
    return ErrorReport.objects.get(module=module)


def due():
    """A moment at which what was written just now is due."""
    return datetime.now(UTC) + SECOND


def test_a_new_report_is_told_once(webhook, msp):
    report = failed(msp, evidence=Evidence(answer='{"status_code":2001}'))

    assert [alerts.tell_due(due()), alerts.tell_due(due() + timedelta(days=1))] == [1, 0]

    kind = KINDS["delivery.refused"]
    url = f"{settings.HUB_BASE_URL}/admin/errorreports/errorreport/{report.pk}/change/"
    assert webhook.told == [
        {
            "text": f"OCPI hub: {kind.title}. MSP (#{msp.pk}), locations, once, at 2026-03-01 12:00:00 UTC. {url}\n"
            f"What it means: {kind.meaning}\nWho must act: {kind.who}.\nWhat to do: {kind.action}",
            "hub": "OCPI hub",
            "reports": [
                {
                    "id": report.pk,
                    "url": url,
                    "event": "new",
                    "kind": "delivery.refused",
                    "title": kind.title,
                    "meaning": kind.meaning,
                    "who": kind.who,
                    "action": kind.action,
                    "platform": {"id": msp.pk, "name": "MSP"},
                    "module": "locations",
                    "state": "OPEN",
                    "count": 1,
                    "first_seen_at": "2026-03-01T12:00:00Z",
                    "last_seen_at": "2026-03-01T12:00:00Z",
                    "newest": "they said <!channel>",
                    "correlation_id": None,
                }
            ],
        }
    ]
    request = webhook.asked[0]
    assert (request.method, str(request.url)) == ("POST", "https://chat.example/hooks/secret-path")
    assert request.headers["Content-Type"] == "application/json"


def test_what_goes_on_is_not_told_again_and_what_comes_back_is(webhook, msp):
    report = failed(msp)
    alerts.tell_due(due())
    failed(msp, NOON + SECOND)
    assert alerts.tell_due(due()) == 0

    states.change(report.pk, "RESOLVED", by="ann", note="", now=NOON + 2 * SECOND)
    failed(msp, NOON + 3 * SECOND)

    assert alerts.tell_due(due()) == 1
    assert webhook.texts[1].startswith("OCPI hub: Again: Delivery failed: ")
    assert webhook.told[1]["reports"][0]["event"] == "reopened"


def test_several_reports_are_told_by_one_call(webhook, msp):
    write([Noted("request.unknown_token", None, "", "from 192.0.2.7", at=NOON)])
    failed(msp)
    failed(msp, module="tariffs")

    assert alerts.tell_due(due()) == 3

    listed, *advice = webhook.texts[0].split("\n\n")
    head, *lines = listed.split("\n")
    stranger, refused = KINDS["request.unknown_token"], KINDS["delivery.refused"]
    assert head == "OCPI hub: 3 error reports"
    assert sorted(line.partition(". ")[0] for line in lines) == sorted(
        f"- {kind.title}" for kind in (refused, refused, stranger)
    )
    assert sorted(advice) == sorted(
        f"{kind.title}\nWhat it means: {kind.meaning}\nWho must act: {kind.who}.\nWhat to do: {kind.action}"
        for kind in (refused, stranger)
    )
    assert [row["platform"] and row["platform"]["name"] for row in webhook.told[0]["reports"]] == [
        None,
        "MSP",
        "MSP",
    ]


def test_a_call_about_the_kinds_with_the_longest_words_fits_into_a_chat(db):
    longest = sorted(KINDS.values(), key=lambda kind: len(kind.meaning) + len(kind.action))[-alerts.AT_ONCE :]
    write([Noted(kind.name, None, "", "x", at=NOON) for kind in longest])

    assert len(alerts.text(list(ErrorReport.objects.all()))) < 16_000


def test_a_flood_of_reports_is_told_in_calls_of_bounded_size(webhook, msp):
    write([Noted("delivery.refused", number, "cdrs", "x", at=NOON) for number in range(1000, 1000 + 45)])

    assert [alerts.tell_due(due()) for _ in range(4)] == [20, 20, 5, 0]
    assert len({row["id"] for message in webhook.told for row in message["reports"]}) == 45


@pytest.mark.parametrize(
    "problem",
    [500, 404, 302, httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("x")],
    ids=str,
)
def test_what_the_webhook_did_not_take_is_told_later(webhook, msp, problem, caplog):
    failed(msp)
    webhook.answers = [problem, problem]
    now = due()

    assert alerts.tell_due(now) == 0
    assert alerts.tell_due(now + 9 * SECOND) == 0
    assert len(webhook.asked) == 1
    assert alerts.tell_due(now + 10 * SECOND) == 0
    assert alerts.tell_due(now + 39 * SECOND) == 0
    assert len(webhook.asked) == 2
    assert alerts.tell_due(now + 40 * SECOND) == 1

    assert len(webhook.told) == 1
    assert "could not be told of 1 error reports: chat.example: " in caplog.text
    assert "secret-path" not in caplog.text


def test_a_webhook_that_does_not_answer_is_an_error_report_itself(webhook, msp):
    failed(msp)
    webhook.answers = [500]
    alerts.tell_due(due())
    background.flush()

    report = ErrorReport.objects.get(kind="hub.alerts")
    assert report.text == "the webhook of HUB_ALERT_URL: chat.example: it answered HTTP 500"


def test_a_webhook_that_is_away_for_more_than_a_day_is_told_no_more(webhook, msp):
    failed(msp)
    webhook.answers = [500] * 100
    now = due()
    for _ in range(100):
        alerts.tell_due(now)
        waiting = ErrorReport.objects.get(module="locations").alert_due_at
        if waiting is None:
            break
        now = waiting

    assert timedelta(hours=23) < now - due() < timedelta(hours=25)
    assert len(webhook.asked) == len(alerts.SCHEDULE) + 1


def test_several_workers_that_look_at_once_tell_each_report_once(webhook, msp):
    write([Noted("delivery.refused", number, "cdrs", "x", at=NOON) for number in range(1000, 1060)])
    now = due()

    told = at_once(*[lambda: alerts.tell_due(now)] * 4)

    while more := alerts.tell_due(now):
        told.append(more)
    assert sum(told) == 60
    ids = [row["id"] for message in webhook.told for row in message["reports"]]
    assert len(ids) == len(set(ids)) == 60


def test_a_report_that_somebody_is_writing_is_not_waited_for(webhook, msp):
    failed(msp)
    failed(msp, module="tariffs")

    with transaction.atomic():
        failed(msp, NOON + SECOND, module="tariffs")
        assert at_once(lambda: alerts.tell_due(due()), seconds=20) == [1]

    assert alerts.tell_due(due()) == 1
    assert [row["module"] for message in webhook.told for row in message["reports"]] == [
        "locations",
        "tariffs",
    ]


def test_what_a_worker_claimed_and_never_told_another_one_tells(webhook, msp, monkeypatch):
    failed(msp)
    now = due()
    monkeypatch.setattr(alerts, "post", lambda body: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        alerts.tell_due(now)
    monkeypatch.undo()
    monkeypatch.setattr(alerts, "transport", httpx.MockTransport(webhook))
    monkeypatch.setattr(settings, "HUB_ALERT_URL", "https://chat.example/hooks/secret-path")

    assert alerts.tell_due(now + alerts.CLAIMED - SECOND) == 0
    assert alerts.tell_due(now + alerts.CLAIMED) == 1


def test_a_report_that_reopens_while_it_is_being_told_is_told_again(webhook, msp):
    report = failed(msp)

    def meanwhile(request):
        states.change(report.pk, "RESOLVED", by="ann", note="", now=NOON + SECOND)
        failed(msp, NOON + 2 * SECOND)
        return httpx.Response(200)

    alerts.transport = httpx.MockTransport(meanwhile)
    alerts.tell_due(due())
    alerts.transport = httpx.MockTransport(webhook)

    assert alerts.tell_due(due()) == 1
    assert webhook.told[0]["reports"][0]["event"] == "reopened"


def test_what_an_operator_knows_already_is_not_told(webhook, msp):
    report = failed(msp)
    states.change(report.pk, "ACKNOWLEDGED", by="ann", note="", now=NOON)

    assert alerts.tell_due(due()) == 0


def test_without_a_webhook_nothing_is_kept_for_one(msp, webhook, monkeypatch):
    monkeypatch.setattr(settings, "HUB_ALERT_URL", "")
    failed(msp)
    assert alerts.tell_due(due()) == 0
    monkeypatch.setattr(settings, "HUB_ALERT_URL", "https://chat.example/")

    assert alerts.tell_due(due()) == 0
    assert webhook.asked == []


def test_no_database_connection_is_held_while_the_webhook_is_called(webhook, msp):
    failed(msp)

    alerts.tell_due(due())

    assert webhook.connections == [None]


def test_the_webhook_is_never_called_inside_a_transaction(webhook, msp):
    failed(msp)

    with transaction.atomic(), pytest.raises(InsideTransaction):
        alerts.tell_due(due())
    assert webhook.asked == []


def test_workers_tell_in_every_round():
    assert alerts.tell in sweeper.rounds()
