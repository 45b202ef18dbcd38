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


class LineFormatter(logging.Formatter):
    """One line a record: time, level, logger, correlation id, request id, text."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        text = super().format(record).replace("\r", "\\r")
        ids = f"correlation={getattr(record, 'correlation_id', '-')} request={getattr(record, 'request_id', '-')}"
        return f"{moment}Z {record.levelname:<7} {record.name} {ids} {text}"
