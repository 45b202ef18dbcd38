"""Log lines: one a record, whatever a partner wrote into it."""

import logging
import sys

from ocpi_hub.logs import LineFormatter


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
