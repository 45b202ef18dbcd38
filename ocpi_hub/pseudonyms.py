"""A driver's names, and texts with a pseudonym in their place (erasure.py)."""

import json
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import quote

from ocpi_hub.partners import secrets

ERASED = "ERASED-"  # how pseudonyms begin


class Form(Enum):
    """How a column holds a token's uid."""

    VALUE = "it is the value"
    JSON = "in a field of an object"
    ADDRESS = "as a part of a URL's path"
    TEXT = "anywhere in a text"
    NAME = "as the value, or the end of a name such as token:DE/MSP/UID"


class Driver(NamedTuple):
    """Whose data it is: a token, and what else names the driver."""

    owner: str  # the provider's key, such as DE*MSP
    uid: str
    others: tuple[str, ...] = ()  # contract ids and visual numbers

    @property
    def names(self) -> tuple[str, ...]:
        return (self.uid, *self.others)

    @property
    def mark(self) -> str:
        """A keyed hash: the same for the same token, and of no use to whoever lacks HUB_KEYS."""
        return secrets.keyed_hash("erased drivers", f"{self.owner}/{self.uid.upper()}")

    @property
    def pseudonym(self) -> str:
        return f"{ERASED}{self.mark[:16].upper()}"


def with_pseudonym(value: Any, driver: Driver, form: Form) -> Any:
    if isinstance(value, str):
        return without(value, driver, form)
    if isinstance(value, list):
        return [with_pseudonym(item, driver, form) for item in value]
    return json.loads(without(json.dumps(value), driver, form))


def without(text: str, driver: Driver, form: Form) -> str:
    """The text with the driver's pseudonym in place of every name."""
    if form is Form.VALUE:
        is_name = text.upper() in {name.upper() for name in driver.names}
        return driver.pseudonym if is_name else text
    return re.sub(
        _pattern(driver, form),
        lambda found: (found["before"] or "") + driver.pseudonym,
        text,
        flags=re.IGNORECASE,
    )


# In an object a short uid is a number like any other, and means something else in other fields.
_FIELD = r'"(?:uid|token_uid|contract_id|visual_number|auth_id)"\s*:\s*"'
_PATH = r"/tokens/(?:[^/?\s\"]+/){0,2}"
_NAMED = r"\b(?:uid|token|card|contract)\W{1,3}"
_ENDS = r"(?![A-Za-z0-9])"
DISTINCT = 5  # characters; a shorter name in a text is one only where the text says so


def _pattern(driver: Driver, form: Form) -> str:
    """With a group of what stands before the name and has to stay."""
    if form is Form.JSON:
        return f"(?P<before>{_FIELD}|{_PATH}){_any(driver.names)}{_ENDS}"
    if form is Form.ADDRESS:
        return f"(?P<before>{_PATH}){_any(driver.names)}{_ENDS}"
    if form is Form.NAME:
        return f"^(?P<before>(?:(?:token|contract):(?:[^/]+/[^/]+/)?)?){_any(driver.names)}$"
    distinct = [name for name in driver.names if len(name) >= DISTINCT]
    anywhere = rf"(?<![A-Za-z0-9]){_any(distinct)}{_ENDS}|" if distinct else ""
    return f"{anywhere}(?P<before>{_NAMED}|{_PATH}|{_FIELD}){_any(driver.names)}{_ENDS}"


def _any(names: Iterable[str]) -> str:
    spelled = {spelling for name in names for spelling in spellings(name)}
    longest_first = sorted(spelled, key=len, reverse=True)
    return f"(?:{'|'.join(re.escape(spelling) for spelling in longest_first)})"


def spellings(name: str) -> set[str]:
    """As it is, as in a URL, and as in JSON; an escape in either knows no case."""
    cases = {name, name.lower(), name.upper()}
    in_json = {json.dumps(case, ensure_ascii=escaped)[1:-1] for case in cases for escaped in (True, False)}
    return cases | in_json | {quote(case, safe="") for case in cases}
