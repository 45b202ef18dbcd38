"""Headers of OCPI: authorization, routing, message ids, pagination (transport_and_format.asciidoc)."""

import base64
import binascii
import re
import uuid
from typing import NamedTuple, Protocol, Self

from .codec import InvalidObject
from .types import PartyRef

# A token has at most 64 characters, which Base64 makes 88; some peers encode a line feed with it.
_LONGEST_AUTHORIZATION = 255
_MESSAGE_ID = re.compile(r"[ -~]{1,255}")


class Headers(Protocol):
    """What Django and httpx have: `get` that compares names without case."""

    def get(self, name: str, /) -> str | None: ...


def authorization(token: str, base64: bool = True) -> str:
    return f"Token {_encoded(token) if base64 else token}"


def _encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


def token_candidates(header_value: str) -> tuple[str, ...]:
    """What the caller's token may be: decoded, and as it stands for peers that do not encode it.

    Both are returned because a raw token may happen to be valid Base64; the credentials decide.
    """
    scheme, _, rest = header_value.partition(" ")
    token = rest.strip()
    if scheme.lower() != "token" or not token or len(token) > _LONGEST_AUTHORIZATION:
        return ()
    decoded = _decoded(token)
    return (decoded, token) if decoded else (token,)


def _decoded(token: str) -> str | None:
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.removesuffix("\n").removesuffix("\r")


class Routing(NamedTuple):
    """Which party a message is for and which it is from. Functional modules only."""

    to: PartyRef | None = None
    sender: PartyRef | None = None

    @classmethod
    def from_headers(cls, headers: Headers) -> Self:
        return cls(to=_party(headers, "OCPI-to"), sender=_party(headers, "OCPI-from"))

    def as_headers(self) -> dict[str, str]:
        named = {"OCPI-to": self.to, "OCPI-from": self.sender}
        return {
            f"{prefix}-{suffix}": value
            for prefix, party in named.items()
            if party
            for suffix, value in (("country-code", party.country_code), ("party-id", party.party_id))
        }


def _party(headers: Headers, prefix: str) -> PartyRef | None:
    country_code = (headers.get(f"{prefix}-country-code") or "").strip()
    party_id = (headers.get(f"{prefix}-party-id") or "").strip()
    if not country_code and not party_id:
        return None
    if not country_code or not party_id:
        missing = "country-code" if party_id else "party-id"
        raise InvalidObject(f"{prefix}-{missing}", "required with the other header of the pair")
    try:
        return PartyRef.parse(f"{country_code}*{party_id}")
    except ValueError:
        raise InvalidObject(f"{prefix}-party-id", "does not name a party such as NL and ABC") from None


class MessageIDs(NamedTuple):
    request_id: str
    correlation_id: str

    @classmethod
    def new(cls) -> Self:
        return cls(str(uuid.uuid4()), str(uuid.uuid4()))

    def child(self) -> Self:
        """For a request that is made because of this one."""
        return self._replace(request_id=str(uuid.uuid4()))

    @classmethod
    def from_headers(cls, headers: Headers) -> Self:
        """Those of the caller; new ones for what is missing or could not stand in a header again."""
        return cls(_message_id(headers.get("X-Request-ID")), _message_id(headers.get("X-Correlation-ID")))

    def as_headers(self) -> dict[str, str]:
        return {"X-Request-ID": self.request_id, "X-Correlation-ID": self.correlation_id}


def _message_id(value: str | None) -> str:
    value = (value or "").strip()
    return value if _MESSAGE_ID.fullmatch(value) else str(uuid.uuid4())


_LINK_TOKEN = re.compile(r'<[^>]*>|"(?:[^"\\]|\\.)*"|[^\s"<>,;=]+|[,;=]')
_LONGEST_LINK = 4096


def next_link(link_header: str | None) -> str | None:
    """The target with relation `next` (RFC 8288). Of several `rel` of one link the first counts."""
    if not link_header or len(link_header) > _LONGEST_LINK:
        return None
    target: str | None = None
    name = ""
    for part in _LINK_TOKEN.findall(link_header):
        if part == ",":
            target, name = None, ""
        elif part == ";":
            name = ""
        elif part[0] == "<" and not name:
            target = part[1:-1].strip()
        elif not name:
            name = part.lower()
        elif part != "=" and name == "rel" and target:
            if "next" in part.strip('"').lower().split():
                return target
            target = None
    return None
