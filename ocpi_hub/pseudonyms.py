"""A driver's names, and values with a pseudonym in their place (erasure.py)."""

import json
from typing import Any, NamedTuple

from ocpi_hub.mentions import NO_TOKEN, Form, is_distinct, mentions
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


def with_pseudonym(
    value: Any, driver: Driver, form: Form, unsaid: bool = True, *, anywhere: bool = False
) -> Any:
    if isinstance(value, str):
        return without(value, driver, form, unsaid, anywhere=anywhere)
    if isinstance(value, list):
        bare = form is not Form.NAME or _are_of_the_token(value, driver)
        return [without(item, driver, form, unsaid) if bare or ":" in item else item for item in value]
    return json.loads(without(json.dumps(value), driver, form, unsaid))


def _are_of_the_token(names: list[str], driver: Driver) -> bool:
    """Whether a bare id among these full names is the token's: a Session or a Location may have the same."""
    kinds = {
        full.partition(":")[0]
        for full in names
        if ":" in full
        and full.upper().endswith(tuple(f"{end}{name.upper()}" for name in driver.names for end in ":/"))
    }
    return bool(kinds) and kinds <= {"token", "contract"}


def without(text: str, driver: Driver, form: Form, unsaid: bool = True, *, anywhere: bool = False) -> str:
    """The text with the driver's pseudonym in place of every name, `unsaid` also where it does not say whose it is."""
    pieces, end = [], 0
    for one in mentions(text, driver.names, form, driver.providers, anywhere=anywhere):
        if one.owner == driver.owner or (unsaid and not one.owner):
            pieces += [text[end : one.start], one.quote, driver.pseudonym, one.quote]
            end = one.end
    return "".join([*pieces, text[end:]])


def like_a_word(text: str, driver: Driver) -> bool:
    """Whether a word of a text is the same as a name of the driver that may mean anything."""
    words = [name for name in driver.names if not is_distinct(name)]
    found = mentions(text, words, Form.TEXT, driver.providers, anywhere=True) if words else []
    return any(one.owner in ("", driver.owner) for one in found)
