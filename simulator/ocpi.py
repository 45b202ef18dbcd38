"""OCPI 2.2.1 on the wire: times, envelope, credentials tokens, message ids, routing headers, paging.

The simulator shares no code with the hub on purpose: a mistake that both sides make would never show.
"""

import base64
import binascii
import re
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import Message
from typing import Any, NamedTuple

import msgspec

VERSION = "2.2.1"
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_NEXT = re.compile(r'<([^>]*)>[^,]*;\s*rel="?next"?', re.IGNORECASE)


class Party(NamedTuple):
    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"

    @classmethod
    def parse(cls, text: str) -> "Party":
        """A party from NL-ABC or NL*ABC."""
        match = re.fullmatch(r"([A-Za-z]{2})[-*]([A-Za-z0-9]{1,3})", text)
        if not match:
            raise ValueError(f"{text!r} is not a party; write it as country and party, such as NL-ABC")
        return cls(match[1].upper(), match[2].upper())


class OCPIError(Exception):
    """What the caller did wrong: becomes an answer with this HTTP status and OCPI status code."""

    def __init__(
        self, code: int, message: str, http_status: int = 200, allow: str = "", data: Any = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.http_status = code, message, http_status
        self.allow, self.data = allow, data


def decode(text: bytes | str) -> Any:
    """The JSON in text, with every fraction as the Decimal that was written."""
    return _decoder.decode(text)


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def now() -> datetime:
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds where there are any."""
    spec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def parse_time(text: Any) -> datetime | None:
    """The moment that text names, without designator in UTC; None when it names none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def later(previous: Any, moment: datetime) -> str:
    """A last_updated of now that is above the previous one even when the clock has not moved."""
    before = parse_time(previous)
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return format_time(max(moment, before + timedelta(milliseconds=1)) if before else moment)


def envelope(data: Any = None, code: int = 1000, message: str | None = None) -> bytes:
    answer = {"data": data, "status_code": code, "status_message": message, "timestamp": format_time(now())}
    return encode({name: value for name, value in answer.items() if value is not None})


def new_token() -> str:
    """A credentials token; its hyphen keeps it apart from anything in Base64."""
    return f"sim-{secrets.token_hex(20)}"


def authorization(token: str) -> str:
    return f"Token {base64.b64encode(token.encode()).decode()}"


def presented_tokens(header: str | None) -> tuple[str, ...]:
    """What the Authorization header may mean: the decoded token, and the raw one of older peers."""
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "token" or not value:
        return ()
    try:
        return (base64.b64decode(value, validate=True).decode().rstrip("\r\n"), value)
    except (binascii.Error, UnicodeDecodeError):
        return (value,)


def message_ids(correlation: str | None = None) -> dict[str, str]:
    return {"X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": correlation or str(uuid.uuid4())}


def routing(to: Party | None, sender: Party | None) -> dict[str, str]:
    headers = {}
    for direction, party in (("to", to), ("from", sender)):
        if party:
            headers[f"OCPI-{direction}-country-code"] = party.country_code
            headers[f"OCPI-{direction}-party-id"] = party.party_id
    return headers


def routed(headers: Message, direction: str) -> Party | None:
    """The party that the OCPI-to or OCPI-from headers name."""
    country, party = headers.get(f"OCPI-{direction}-country-code"), headers.get(f"OCPI-{direction}-party-id")
    return Party(country.upper(), party.upper()) if country and party else None


def next_link(header: str | None) -> str | None:
    """The URL of the next page, when the Link header names one."""
    match = _NEXT.search(header or "")
    return match[1] if match else None
