"""Log lines that name the message they belong to."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

from ocpi_hub.protocol.headers import MessageIDs

current_ids: ContextVar[MessageIDs | None] = ContextVar("current_ids", default=None)


class MessageFilter(logging.Filter):
    """Gives each record the X-Request-ID and X-Correlation-ID that are being worked on."""

    def filter(self, record: logging.LogRecord) -> bool:
        ids = current_ids.get()
        record.request_id = ids.request_id if ids else "-"
        record.correlation_id = ids.correlation_id if ids else "-"
        return True


# A partner's text in a message must not look like a line of its own, nor speak to the terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x0A: "\\n",
    0x0D: "\\r",
}


class LineFormatter(logging.Formatter):
    """One line a record: time, level, logger, correlation id, request id, text; a traceback below, indented."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        correlation, request = getattr(record, "correlation_id", "-"), getattr(record, "request_id", "-")
        text = record.getMessage().translate(_CONTROL)
        head = f"{moment}Z {record.levelname:<7} {record.name} correlation={correlation} request={request} {text}"
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        below = [f"    {line.translate(_CONTROL)}" for line in trace.splitlines()]
        return "\n".join([head, *below])
