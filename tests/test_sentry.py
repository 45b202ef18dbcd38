"""What leaves for Sentry: faults of the hub, and nothing of partners' and drivers' data."""

import json
import logging

import pytest
import sentry_sdk
from django.contrib.admin.sites import AdminSite
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import DataError, close_old_connections
from sentry_sdk.transport import Transport

from ocpi_hub import sentry
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.protocol.headers import authorization
from ocpi_hub.server import call, wsgi_environ
from tests import examples

pytestmark = pytest.mark.django_db

UID = "04A1B2C3D4E5F6"
SECRET = "hunter2-hunter2-hunter2"


class Fake(Transport):
    """Keeps what would be sent."""

    def __init__(self, options=None):
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope):
        self.events += [json.loads(item.get_bytes()) for item in envelope.items if item.type == "event"]


@pytest.fixture
def sent(settings):
    """The events that left; Sentry is off again after the test."""
    settings.SENTRY_DSN = "https://key@sentry.example/1"
    # A web process gives its connection back after each request; here it is the test's own.
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    transport = Fake()
    assert sentry.start(transport=transport)
    yield transport.events
    for signal in ends:
        signal.connect(close_old_connections)
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def fail(error):
    """The fault of the hub that the next push runs into, with what it has in its variables."""

    def failing(*args, **kwargs):
        credentials = SECRET
        raise error(f"{credentials} {UID}")

    return failing


def asked(method, path, query="", body=b"", **headers):
    """What the WSGI handler answers, as a web process asks it: status and headers."""
    scope = {
        "method": method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()
        ],
        "client": ("127.0.0.1", "1"),
        "server": ("127.0.0.1", "8000"),
        "scheme": "http",
        "http_version": "1.1",
    }
    answer = call(get_wsgi_application(), wsgi_environ(scope, body, []))
    return answer.status, {name.decode(): value.decode() for name, value in answer.headers}


def test_a_fault_of_the_hub_is_one_event_without_what_it_was_about(sent, emsp, monkeypatch):
    monkeypatch.setattr(outbox, "message", fail(RuntimeError))

    status, headers = asked(
        "PUT",
        f"/ocpi/2.2.1/receiver/tokens/DE/MSP/{UID}",
        f"type=RFID&secret={SECRET}",
        json.dumps(examples.token(uid=UID)).encode(),
        authorization=authorization(emsp.token),
        x_correlation_id="corr-9",
        host="localhost",
    )

    assert status == 500
    (event,) = sent
    assert event["tags"] == {
        "request_id": headers["x-request-id"],
        "correlation_id": "corr-9",
        "method": "PUT",
        "module": "tokens",
    }
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RuntimeError", "*** ***")
    assert error["stacktrace"]["frames"][-1]["function"] == "failing"
    text = json.dumps(event)
    for private in (UID, SECRET, emsp.token, authorization(emsp.token), "MSP", "Authorization", "vars"):
        assert private not in text


def test_what_people_ask_the_admin_for_is_told_once_and_by_its_view(sent, monkeypatch):
    monkeypatch.setattr(AdminSite, "login", fail(RuntimeError))
    monkeypatch.setattr(AdminSite, "has_permission", fail(RuntimeError))

    status, _ = asked("GET", "/admin/", f"q={SECRET}", cookie=f"sessionid={SECRET}", host="localhost")

    assert status == 500
    (event,) = sent
    assert event["tags"] == {"method": "GET", "module": "admin"}
    assert event["transaction"] == "django.contrib.admin.sites.AdminSite.index"
    text = json.dumps(event)
    assert SECRET not in text
    assert "cookie" not in text


def test_an_error_that_is_logged_is_an_event_with_the_words_of_ours(sent):
    logging.getLogger("ocpi_hub.story").error("no key reads the token %s of %s", SECRET, "NL*ABC")
    logging.getLogger("ocpi_hub.story").warning("this is for the log alone")

    (event,) = sent
    assert event["logentry"] == {
        "message": "no key reads the token %s of %s",
        "formatted": "no key reads the token *** of NL*ABC",
    }
    assert "extra" not in event


def test_what_postgresql_says_of_a_row_stays_here(sent):
    try:
        raise DataError(f"duplicate key value\nDETAIL:  Key (key)=({UID}) already exists, Ms Jane Doe")
    except DataError:
        logging.getLogger("ocpi_hub.story").exception("a row cannot be written")

    (event,) = sent
    assert event["exception"]["values"][0]["value"] == "duplicate key value\n***"
    assert "Doe" not in json.dumps(event)


def test_a_task_that_fails_is_told_without_its_arguments(sent):
    from celery import shared_task

    @shared_task(name="story")
    def story(secret):
        raise RuntimeError(f"with {secret}")

    story.apply((SECRET,))

    (event,) = sent
    assert event["exception"]["values"][0]["value"] == "with ***"
    assert event["transaction"] == "story"
    assert SECRET not in json.dumps(event)


def test_refusals_are_no_faults(sent, emsp):
    assert emsp.put("receiver/tokens/DE/MSP/X", {"uid": "X"}).status_code == 2001

    assert sent == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("HTTP 500 of #12", "HTTP 500 of #12"),
        ("a driver: jane@example.com", "a driver: ***"),
        ("KeyError: 'DE-MSP-C12345'", "KeyError: '***'"),
        ("Token abcdefghijklmnopqrst", "Token ***"),
    ],
)
def test_a_text_keeps_our_words(text, left):
    assert sentry.harmless(text) == left


def test_without_a_dsn_nothing_is_started(settings):
    settings.SENTRY_DSN = ""

    assert sentry.start() is False
    assert not sentry_sdk.get_client().is_active()


def test_a_dsn_that_cannot_be_read_is_told_and_stops_nothing(settings, caplog):
    settings.SENTRY_DSN = "https://sentry.example"

    assert sentry.start() is False
    assert "SENTRY_DSN cannot be read" in caplog.text
