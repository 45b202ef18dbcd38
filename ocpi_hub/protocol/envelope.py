"""The envelope around every answer, and its status codes (transport_and_format, status_codes)."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Any

import msgspec

from .codec import dump
from .times import format_time as format_time
from .times import parse_time as parse_time
from .times import utcnow as utcnow
from .types import Wire


class StatusCode(IntEnum):
    SUCCESS = 1000
    CLIENT_ERROR = 2000
    INVALID_PARAMETERS = 2001
    NOT_ENOUGH_INFORMATION = 2002
    UNKNOWN_LOCATION = 2003
    UNKNOWN_TOKEN = 2004
    SERVER_ERROR = 3000
    CLIENT_API_UNUSABLE = 3001
    UNSUPPORTED_VERSION = 3002
    ENDPOINTS_MISSING = 3003
    HUB_ERROR = 4000
    UNKNOWN_RECEIVER = 4001
    TIMEOUT = 4002
    CONNECTION_PROBLEM = 4003


class Envelope(Wire, kw_only=True):
    """An answer as read from a partner. Only the status code is insisted on."""

    status_code: int
    status_message: Any = None
    timestamp: Any = None
    data: Any = None


def envelope(
    status_code: int = StatusCode.SUCCESS,
    data: Any = msgspec.UNSET,
    status_message: str | None = None,
    now: datetime | None = None,
) -> bytes:
    """`data` is left out when unset; bytes and msgspec.Raw are JSON already."""
    if data is msgspec.UNSET:
        return _frame(None, status_code, status_message, now)
    encoded = bytes(data) if isinstance(data, bytes | msgspec.Raw) else dump(data)
    return _frame(encoded, status_code, status_message, now)


def envelope_list(
    documents: Iterable[str | bytes],
    status_code: int = StatusCode.SUCCESS,
    status_message: str | None = None,
    now: datetime | None = None,
) -> bytes:
    """An answer of stored documents, which are JSON already and are put in as they are."""
    encoded = (text.encode() if isinstance(text, str) else text for text in documents)
    return _frame(b"[" + b",".join(encoded) + b"]", status_code, status_message, now)


def _frame(data: bytes | None, status_code: int, status_message: str | None, now: datetime | None) -> bytes:
    rest: dict[str, Any] = {"status_code": int(status_code)}
    if status_message is not None:
        rest["status_message"] = status_message
    rest["timestamp"] = format_time(now or utcnow())
    encoded = dump(rest)
    return encoded if data is None else b'{"data":' + data + b"," + encoded[1:]
