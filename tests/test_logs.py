"""Log lines: one a record, whatever a partner wrote into it."""

import json
import logging
import sys

import pytest

from ocpi_hub.exchange.messages import outbox
from ocpi_hub.logs import JSONFormatter, LineFormatter, MessageFilter, current_ids, without_secrets
from ocpi_hub.protocol.headers import MessageIDs
from tests import examples


def line(message: str, *arguments: object, exc_info: object = None) -> str:
    record = logging.LogRecord("hub", logging.INFO, "", 0, message, arguments, exc_info)
    record.created = 1772366400.5
    return LineFormatter().format(record)


def test_a_partners_text_cannot_make_a_line_of_its_own() -> None:
    text = line("refused: %s", "x\n2026-01-01 INFO forged\r\x1b[31m\x9b")

    assert text == (
        "2026-03-01T12:00:00.500Z INFO    hub correlation=- request=- "
        "refused: x\\n2026-01-01 INFO forged\\r\\x1b[31m\\x9b"
    )


def test_a_traceback_stands_below_its_line_and_is_indented() -> None:
    try:
        raise ValueError("one\ntwo\x1b")
    except ValueError:
        lines = line("failed", exc_info=sys.exc_info()).split("\n")

    assert lines[0].endswith(" failed")
    assert all(below.startswith("    ") for below in lines[1:])
    assert lines[-1] == "    two\\x1b"


def test_what_django_writes_of_a_request_names_no_drivers_token(db, emsp, monkeypatch, caplog) -> None:
    monkeypatch.setattr(outbox, "message", lambda *args, **kwargs: 1 / 0)

    answered = emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4E5F6", examples.token(uid="04A1B2C3D4E5F6"))

    assert answered.codes == (500, 3000)
    (said,) = [record.getMessage() for record in caplog.records if record.name == "django.request"]
    assert said == "Internal Server Error: /ocpi/2.2.1/receiver/tokens/DE/MSP/***"
    assert "04A1B2C3D4E5F6" not in caplog.text


# ------------------------------------------------------------------------------------------------------- JSON
def told(message: str, *arguments: object, exc_info: object = None) -> dict[str, object]:
    record = logging.LogRecord("hub", logging.WARNING, "", 0, message, arguments, exc_info)
    record.created = 1772366400.5
    MessageFilter().filter(record)
    text = JSONFormatter().format(record)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text)
    return json.loads(text)


def test_as_json_a_record_is_one_object() -> None:
    mark = current_ids.set(MessageIDs("req-1", "corr-1"))
    try:
        said = told("%s is offline: ÄÖ", "NL*ABC")
    finally:
        current_ids.reset(mark)

    assert said == {
        "time": "2026-03-01T12:00:00.500Z",
        "level": "WARNING",
        "logger": "hub",
        "message": "NL*ABC is offline: ÄÖ",
        "request_id": "req-1",
        "correlation_id": "corr-1",
    }


def test_as_json_nothing_controls_a_terminal_even_when_it_is_decoded() -> None:
    said = told("refused: %s", "x\n\x1b[31m\x7f\x9b")

    assert said["message"] == "refused: x\\n\\x1b[31m\\x7f\\x9b"
    assert (said["request_id"], said["correlation_id"]) == (None, None)
    assert "exception" not in said


def test_as_json_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("one\x1b")
    except ValueError:
        said = told("failed", exc_info=sys.exc_info())

    lines = str(said["exception"]).split("\n")
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", "ValueError: one\\x1b")
    assert said["message"] == "failed"


# ---------------------------------------------------------------------------------------------------- secrets
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Token dG9rZW4tb2YtYS1wYXJ0bmVy", "Authorization: Token ***"),
        ("{'Authorization': 'Bearer abcdefghijklmnop.q'}", "{'Authorization': 'Bearer ***'}"),
        ("postgresql://hub:pass%40word@db:5432/hub", "postgresql://***@db:5432/hub"),
        ("redis://:word@10.0.0.1:6379", "redis://***@10.0.0.1:6379"),
        ("our Token for DE*MSP cannot be read", "our Token for DE*MSP cannot be read"),
        ("GET https://cpo.example/ocpi/versions at 12:00", "GET https://cpo.example/ocpi/versions at 12:00"),
    ],
)
def test_secrets_that_a_library_tells_are_masked(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert line("%s", text).endswith(f" {shown}")
    assert told("%s", text)["message"] == shown
