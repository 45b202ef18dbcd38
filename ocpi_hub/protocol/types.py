"""Types that every chapter uses (types.asciidoc), named by meaning."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self

from msgspec import Meta, Struct

# Patterns end with \Z, because $ would let a trailing line feed through.
_ASCII = r"^[ -~]*\Z"
_TEXT = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
_URL = r"^(?i:https?)://[^\s/?#\x00-\x20\x7f-\x9f]+[^\s\x00-\x20\x7f-\x9f]*\Z"
_COUNTRY = r"^[A-Za-z]{2}\Z"
_COUNTRY_ALPHA_3 = r"^[A-Za-z]{3}\Z"
_PARTY = r"^[A-Za-z0-9]{1,3}\Z"
_CREDENTIALS_TOKEN = r"^[!-~]{1,64}\Z"  # noqa: S105  a pattern, not a token
_LATITUDE = r"^-?[0-9]{1,2}\.[0-9]{5,7}\Z"
_LONGITUDE = r"^-?[0-9]{1,3}\.[0-9]{5,7}\Z"
_CLOCK = r"^(?:[0-1][0-9]|2[0-3]):[0-5][0-9]\Z"
_DATE = r"^[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\Z"
# Spelt unlike the country of three letters, because each pattern has words of its own below.
_CURRENCY = r"^[a-zA-Z]{3}\Z"

# What a string that does not match its pattern is told.
PATTERN_PROBLEMS = {
    _ASCII: "holds characters other than printable ASCII",
    _TEXT: "holds a control character",
    _URL: "not an absolute http or https URL",
    _COUNTRY: "not a country code of two letters",
    _COUNTRY_ALPHA_3: "not a country code of three letters",
    _PARTY: "not a party id of one to three letters or digits",
    _CREDENTIALS_TOKEN: "not 1 to 64 printable ASCII characters without blanks",
    _LATITUDE: "not a latitude with 1 or 2 digits, a point and 5 to 7 decimals",
    _LONGITUDE: "not a longitude with 1 to 3 digits, a point and 5 to 7 decimals",
    _CLOCK: "not a time of day as HH:MM",
    _DATE: "not a date as YYYY-MM-DD",
    _CURRENCY: "not a currency code of three letters",
}

# CiString(n): printable ASCII, compared without case. Those that name an object are never empty, because
# an empty path segment names nothing.
ObjectID = Annotated[str, Meta(min_length=1, max_length=36, pattern=_ASCII)]
CdrID = Annotated[str, Meta(min_length=1, max_length=39, pattern=_ASCII)]
CountryCode = Annotated[str, Meta(max_length=2, pattern=_COUNTRY)]
PartyID = Annotated[str, Meta(max_length=3, pattern=_PARTY)]
CiString4 = Annotated[str, Meta(max_length=4, pattern=_ASCII)]
CiString32 = Annotated[str, Meta(max_length=32, pattern=_ASCII)]
CiString36 = Annotated[str, Meta(max_length=36, pattern=_ASCII)]
CiString39 = Annotated[str, Meta(max_length=39, pattern=_ASCII)]
CiString48 = Annotated[str, Meta(max_length=48, pattern=_ASCII)]

# string(n): printable Unicode, compared with case.
Text2 = Annotated[str, Meta(max_length=2, pattern=_TEXT)]
Text3 = Annotated[str, Meta(max_length=3, pattern=_TEXT)]
Text4 = Annotated[str, Meta(max_length=4, pattern=_TEXT)]
Text10 = Annotated[str, Meta(max_length=10, pattern=_TEXT)]
Text16 = Annotated[str, Meta(max_length=16, pattern=_TEXT)]
Text20 = Annotated[str, Meta(max_length=20, pattern=_TEXT)]
Text45 = Annotated[str, Meta(max_length=45, pattern=_TEXT)]
Text64 = Annotated[str, Meta(max_length=64, pattern=_TEXT)]
Text100 = Annotated[str, Meta(max_length=100, pattern=_TEXT)]
Text255 = Annotated[str, Meta(max_length=255, pattern=_TEXT)]
Text512 = Annotated[str, Meta(max_length=512, pattern=_TEXT)]
Text5000 = Annotated[str, Meta(max_length=5000, pattern=_TEXT)]

URL = Annotated[str, Meta(max_length=255, pattern=_URL)]
CredentialsToken = Annotated[str, Meta(max_length=64, pattern=_CREDENTIALS_TOKEN)]
CountryAlpha3 = Annotated[str, Meta(max_length=3, pattern=_COUNTRY_ALPHA_3)]
# The lengths of the specification (10, 11) cut its own pattern short; docs/decisions/0004 follows the pattern.
Latitude = Annotated[str, Meta(max_length=11, pattern=_LATITUDE)]
Longitude = Annotated[str, Meta(max_length=12, pattern=_LONGITUDE)]
ClockTime = Annotated[str, Meta(max_length=5, pattern=_CLOCK)]
LocalDate = Annotated[str, Meta(max_length=10, pattern=_DATE)]
Currency = Annotated[str, Meta(max_length=3, pattern=_CURRENCY)]

DateTime = datetime
Number = Decimal
# The bounds are those of a database integer: no volt, watt or second of this planet is larger.
Int = Annotated[int, Meta(ge=-2_147_483_648, le=2_147_483_647)]
Pixels = Annotated[int, Meta(ge=0, le=99_999)]
Weekday = Annotated[int, Meta(ge=1, le=7)]

Role = Literal["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"]
InterfaceRole = Literal["SENDER", "RECEIVER"]
ModuleID = Literal[
    "cdrs",
    "chargingprofiles",
    "commands",
    "credentials",
    "hubclientinfo",
    "locations",
    "sessions",
    "tariffs",
    "tokens",
]
VersionNumber = Literal["2.0", "2.1", "2.1.1", "2.2", "2.2.1"]
ProfileType = Literal["CHEAP", "FAST", "GREEN", "REGULAR"]
TokenType = Literal["AD_HOC_USER", "APP_USER", "OTHER", "RFID"]
WhitelistType = Literal["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"]
AllowedType = Literal["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"]
Status = Literal[
    "AVAILABLE",
    "BLOCKED",
    "CHARGING",
    "INOPERATIVE",
    "OUTOFORDER",
    "PLANNED",
    "REMOVED",
    "RESERVED",
    "UNKNOWN",
]


class RuleBroken(ValueError):
    """A rule between fields of one object. `field` is the place below that object, such as `roles[1]`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Wire(Struct, kw_only=True, omit_defaults=True):
    """An object of the wire. Fields that it does not know are tolerated, fields that are None left out."""


class PartyRef(NamedTuple):
    """A party: country code and party id. Spelling is kept; compare by `key`."""

    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"

    @property
    def key(self) -> str:
        return str(self).upper()

    @classmethod
    def parse(cls, text: str) -> Self:
        country_code, _, party_id = text.partition("*")
        if not (re.search(_COUNTRY, country_code) and re.search(_PARTY, party_id)):
            raise ValueError("not a party such as NL*ABC")
        return cls(country_code, party_id)


class DisplayText(Wire, kw_only=True):
    language: Text2
    text: Text512


class Price(Wire, kw_only=True):
    excl_vat: Number
    incl_vat: Number | None = None


def first_repeated(keys: list[str]) -> int | None:
    """The index of the first key that an earlier one equals without case."""
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key.upper() in seen:
            return index
        seen.add(key.upper())
    return None
