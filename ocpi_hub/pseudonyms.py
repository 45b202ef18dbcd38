"""A driver's names, and values with a pseudonym in their place (erasure.py)."""

import json
from typing import Any, NamedTuple

from ocpi_hub.mentions import NO_TOKEN, Form, mentions
from ocpi_hub.partners import secrets

ERASED = "ERASED-"  # how pseudonyms begin


class Driver(NamedTuple):
    """Whose data it is: a token, and what else names the driver."""

    owner: str  # the provider's key, such as DE*MSP
    uid: str
    others: tuple[str, ...] = ()  # contract ids and visual numbers
    rivals: tuple[str, ...] = ()  # other providers that have a token of the same uid

    @property
    def names(self) -> tuple[str, ...]:
        return (self.uid, *self.others)

    @property
    def providers(self) -> tuple[str, ...]:
        return (self.owner, *self.rivals)

    @property
    def marks(self) -> list[str]:
        """Keyed hashes, the writing key's first: the same for the same token, of no use to whoever lacks HUB_KEYS."""
        return secrets.keyed_hashes("erased drivers", f"{self.owner}/{self.uid.upper()}")

    @property
    def mark(self) -> str:
        return self.marks[0]

    @property
    def pseudonym(self) -> str:
        return f"{ERASED}{self.mark[:16].upper()}"


def owners_named(value: Any, driver: Driver, form: Form) -> set[str]:
    """Whose tokens the value says that it names; with an empty one where it does not say."""
    if isinstance(value, list):
        return {owner for item in value for owner in owners_named(item, driver, form)}
    text = value if isinstance(value, str) else json.dumps(value)
    return {one.owner for one in mentions(text, driver.names, form, driver.providers)} - {NO_TOKEN}


def with_pseudonym(value: Any, driver: Driver, form: Form, unsaid: bool = True) -> Any:
    if isinstance(value, str):
        return without(value, driver, form, unsaid)
    if isinstance(value, list):
        return [with_pseudonym(item, driver, form, unsaid) for item in value]
    return json.loads(without(json.dumps(value), driver, form, unsaid))


def without(text: str, driver: Driver, form: Form, unsaid: bool = True) -> str:
    """The text with the driver's pseudonym in place of every name, `unsaid` also where it does not say whose it is."""
    pieces, end = [], 0
    for one in mentions(text, driver.names, form, driver.providers):
        if one.owner == driver.owner or (unsaid and not one.owner):
            pieces += [text[end : one.start], one.quote, driver.pseudonym, one.quote]
            end = one.end
    return "".join([*pieces, text[end:]])
