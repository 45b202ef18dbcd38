"""Log lines that name the message they belong to, for people or as JSON (HUB_LOG_FORMAT)."""

import json
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import NamedTuple

from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.masking import masked, private_values

current_ids: ContextVar[MessageIDs | None] = ContextVar("current_ids", default=None)
# What no line may show while one message is worked on; asked for when there is a line.
current_private: ContextVar[Callable[[], set[str]] | None] = ContextVar("current_private", default=None)


class MessageFilter(logging.Filter):
    """Gives each record the X-Request-ID and X-Correlation-ID that are being worked on."""

    def filter(self, record: logging.LogRecord) -> bool:
        ids = current_ids.get()
        record.request_id = ids.request_id if ids else "-"
        record.correlation_id = ids.correlation_id if ids else "-"
        return True


class PathFilter(logging.Filter):
    """Masks what a path names that is a driver's, in the lines that Django writes of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                masked(value, private_values(path=value)) if isinstance(value, str) else value
                for value in record.args
            )
        return True


# A partner's text in a message must not look like a line of its own, nor speak to the terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x0A: "\\n",
    0x0D: "\\r",
}


def on_one_line(text: str) -> str:
    """The text with its control characters to be seen, wherever it is shown: in a log, a mail, a terminal."""
    return text.translate(_CONTROL)


# What a library may put into an error: the header that we send, the password in a URL.
_SECRETS = re.compile(r"\b(Token|Bearer|Basic) +[A-Za-z0-9+/=._~-]{16,}|(?<=://)[^/\s@]*:[^/\s@]+(?=@)")


def without_secrets(text: str) -> str:
    """As a last defence: whoever logs must not name a secret at all."""
    return _SECRETS.sub(lambda found: f"{found[1]} ***" if found[1] else "***", text)


class Record(NamedTuple):
    """What a line tells of a record, ready to be shown."""

    time: str
    text: str
    trace: list[str]  # lines


def readable(formatter: logging.Formatter, record: logging.LogRecord) -> Record:
    moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    trace = formatter.formatException(record.exc_info) if record.exc_info else ""
    private = _private()
    return Record(
        f"{moment}Z",
        masked(without_secrets(record.getMessage()), private).translate(_CONTROL),
        [line.translate(_CONTROL) for line in masked(without_secrets(trace), private).splitlines()],
    )


def _private() -> set[str]:
    """What is private in the message that is being worked on: an error may name whatever it met in there."""
    find = current_private.get()
    try:
        return find() if find else set()
    except Exception:  # noqa: BLE001  # a line of the log must never fail what it tells of
        return set()


class LineFormatter(logging.Formatter):
    """One line a record: time, level, logger, correlation id, request id, text; a traceback below, indented."""

    def format(self, record: logging.LogRecord) -> str:
        time, text, trace = readable(self, record)
        correlation, request = getattr(record, "correlation_id", "-"), getattr(record, "request_id", "-")
        head = (
            f"{time} {record.levelname:<7} {record.name} correlation={correlation} request={request} {text}"
        )
        return "\n".join([head, *(f"    {line}" for line in trace)])


class JSONFormatter(logging.Formatter):
    """One JSON object a record, on one line; ids are null outside a request, `exception` is there when there is one."""

    def format(self, record: logging.LogRecord) -> str:
        time, text, trace = readable(self, record)
        told = {
            "time": time,
            "level": record.levelname,
            "logger": record.name,
            "message": text,
            "request_id": _id(record, "request_id"),
            "correlation_id": _id(record, "correlation_id"),
        }
        return json.dumps(told | ({"exception": "\n".join(trace)} if trace else {}), ensure_ascii=False)


def _id(record: logging.LogRecord, name: str) -> str | None:
    value = str(getattr(record, name, "-")).translate(_CONTROL)
    return None if value == "-" else value
