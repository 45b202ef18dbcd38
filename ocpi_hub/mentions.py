"""Where a text names a driver, however that is spelled, and whose token the text says that it is (pseudonyms.py).

What is compared are decoded values: partners write a slash as \\/, a letter as \\u0045 or %45, and mean the same. What
is found are places in the text as it stands, so that all else in it may stay as it was sent.
"""

import json
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote


class Form(Enum):
    """How a column holds a token's uid."""

    VALUE = "it is the value"
    JSON = "in a field of an object"
    ADDRESS = "as a part of a URL's path"
    TEXT = "anywhere in a text"
    NAME = "as the value, or the end of a name such as token:DE/MSP/UID"


class Mention(NamedTuple):
    start: int
    end: int
    owner: str  # the provider whose token it is, such as DE*MSP; empty: the text does not say
    quote: str = ""  # what a text needs around it in this place


NO_TOKEN = "no token"  # noqa: S105  # no secret; in place of an owner: the same uid, of a charger
# A name of so many letters and digits is that of nothing else; a shorter one, or a word, may mean anything.
LONG, MIXED, NUMBER = 16, 8, 10

# In an object a short uid is a number like any other, and means something else in other fields.
FIELDS = ("uid", "token_uid", "contract_id", "visual_number", "auth_id")
EVSES = "evses"
_OF_AN_EVSE = {EVSES, "connectors", "evse_id", "capabilities", "physical_reference", "floor_level"}


def is_distinct(name: str) -> bool:
    """Whether a text that has it as a word means a driver by it, whatever it is about: unlike CARD or 1234."""
    letters, digits = sum(map(str.isalpha, name)), sum(map(str.isdigit, name))
    if not letters:
        return digits >= NUMBER
    return letters + digits >= LONG or "@" in name or (letters + digits >= MIXED and digits >= 2)


def mentions(
    text: str, names: Iterable[str], form: Form, providers: Iterable[str] = (), *, anywhere: bool = False
) -> list[Mention]:
    """In order. Some parties are known to be providers: before a uid they name its owner wherever they stand.

    `anywhere` is for texts that are about the driver: there a name that is no distinct one is found as any word, and
    elsewhere only where the text says that it is a token's.
    """
    wanted = tuple(sorted(set(names)))
    if form is Form.VALUE:
        return [Mention(0, len(text), "")] if text.strip().upper() in _upper(wanted) else []
    found = list(_in_objects(text, _upper(wanted))) if form in (Form.JSON, Form.TEXT) else []
    for match in _pattern(wanted, form, anywhere).finditer(text):
        start, end = match.span(match.lastgroup or 0)
        if match.lastgroup == "told" and not anywhere and _is_a_word(text[start:end], wanted):
            continue
        if not any(one.start < end and start < one.end for one in found):
            found.append(Mention(start, end, _owner_before(text[max(0, start - 200) : start], providers)))
    return sorted(found)


def _is_a_word(found: str, names: tuple[str, ...]) -> bool:
    """As in "no such card": a token CARD is spelled as it is, or in capitals, where it is one."""
    return found.isalpha() and found.islower() and found not in names


def _upper(names: tuple[str, ...]) -> set[str]:
    return {name.strip().upper() for name in names}


# ------------------------------------------------------------------------------------------------ any spelling
# Once, in JSON within JSON, and within that again; without an end, a body of backslashes would keep us for hours.
_ESCAPE = r"\\{1,8}"
_PERCENT = rf"(?:%|{_ESCAPE}u0025)(?:25){{0,3}}"
_LETTER = "(?:3[0-9]|[46][1-9a-f]|[57][0-9a])"  # or digit, as two hexadecimal digits
_GOES_ON = rf"(?:[a-z0-9]|{_ESCAPE}u00{_LETTER}|{_PERCENT}{_LETTER})"
_BEGINS = (
    rf"(?:(?<![a-z0-9])|(?<=%(?!{_LETTER})[0-9a-f]{{2}})|(?<=\\u(?!00{_LETTER})[0-9a-f]{{4}})|(?<=\\[bfnrt]))"
)
_ENDS = rf"(?!{_GOES_ON})"
_ENDS_SEGMENT = rf"(?!(?:[._~:*+@=-]|{_PERCENT}(?:2a|2d|2e|3a))*{_GOES_ON})"


@lru_cache(maxsize=1_000)
def spelled(text: str) -> str:
    """A pattern, for Python and for PostgreSQL and without regard to case, of all that decodes to the text."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    forms = {_ESCAPE + re.escape(character)} if character in '"\\/' else set()
    for case in {character, character.lower(), character.upper()}:
        pairs = case.encode("utf-16-be").hex(" ", 2).split()
        forms.add("".join(f"{_ESCAPE}u{pair}" for pair in pairs))
        forms.add("".join(f"{_PERCENT}{byte:02x}" for byte in case.encode()))
        forms.add(re.escape(case))
    return f"(?:{'|'.join(sorted(forms))})"


def _any_of(names: Iterable[str]) -> str:
    longest_first = sorted(names, key=len, reverse=True)
    return f"(?:{'|'.join(map(spelled, longest_first))})"


def _plain(text: str) -> str:
    """What a few segments of a path or a name are, however they are spelled."""
    text = re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text, flags=re.IGNORECASE)
    return unquote(unquote(re.sub(r"\\+/", "/", text))).upper()


# ----------------------------------------------------------------------------------------------------- in texts
_SLASH, _QUOTE = spelled("/"), spelled('"')
_SEGMENT = rf"(?:[^/?#\s\"\\]|{_ESCAPE}u[0-9a-f]{{4}}){{1,200}}?"
_PATH = f"{_SLASH}{spelled('tokens')}{_SLASH}(?:{_SEGMENT}{_SLASH}){{0,2}}"
_FIELD = rf"{_QUOTE}{_any_of(FIELDS)}{_QUOTE}\s*:\s*{_QUOTE}\s*"
_NAMED = r"(?:\b(?:uid|token|card|contract)\W{1,3}|token:[a-z]{2}/[a-z0-9]{3}/)"
_CHARACTER = rf"(?:{_ESCAPE}u[0-9a-f]{{4}}|{_PERCENT}[0-9a-f]{{2}}|[a-z0-9])"
_PARTY_BEFORE = re.compile(
    rf"(?:(?P<sure>{_SLASH}{spelled('tokens')}{_SLASH}|{spelled('token:')})|{_BEGINS})"
    rf"(?P<country>{_CHARACTER}{{2}})(?:{_SLASH}|{spelled('*')}|-)(?P<party>{_CHARACTER}{{3}}){_SLASH}$",
    re.IGNORECASE,
)


@lru_cache(maxsize=100)
def _pattern(names: tuple[str, ...], form: Form, anywhere: bool = False) -> re.Pattern[str]:
    """With a group of the name alone."""
    name, in_path = _any_of(names), f"{_PATH}(?P<segment>{_any_of(names)}){_ENDS_SEGMENT}"
    words = [name for name in names if anywhere or is_distinct(name)]
    pattern = {
        Form.ADDRESS: in_path,
        Form.JSON: rf"{in_path}|{_FIELD}(?P<value>{name})(?=\s*(?:{_QUOTE}|$))",
        Form.NAME: rf"^(?:(?:token|contract):(?:[^/]+/[^/]+/)?)?(?P<whole>{name})$",
        Form.TEXT: f"(?:{_PATH}|{_FIELD})(?P<said>{name}){_ENDS}|{_NAMED}(?P<told>{name}){_ENDS}"
        + (f"|{_BEGINS}(?P<anywhere>{_any_of(words)}){_ENDS}" if words else ""),
    }[form]
    return re.compile(pattern, re.IGNORECASE)


def _owner_before(text: str, providers: Iterable[str]) -> str:
    if not (found := _PARTY_BEFORE.search(text)):
        return ""
    owner = f"{_plain(found['country'])}*{_plain(found['party'])}"
    return owner if found["sure"] or owner in providers else ""


# --------------------------------------------------------------------------------------------------- in objects
_JSON = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)(?:"|\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


class _Value(NamedTuple):
    text: str
    start: int
    end: int
    quote: str


def _in_objects(text: str, names: set[str]) -> Iterator[Mention]:
    """By the fields of JSON, also of what stands in the midst of a text, or is cut."""
    holders: list[dict[str, _Value]] = [{}]
    below: list[str] = []  # the fields that hold what is open
    last = key = ""
    for found in _JSON.finditer(text):
        if found[0] in "{[":
            below.append(key or (below[-1] if below else ""))
        elif found[0] in "}]":
            del below[-1:]
        if found[0] == "{":
            holders.append({EVSES: _Value("", 0, 0, "")} if below[-1] == EVSES else {})
            key = ""
        elif found[0] == "}":
            yield from _of_token(holders.pop(), names)
            holders = holders or [{}]
        elif found[0] == ":":
            key, last = last, ""
        elif found[0] not in "[],":
            value = _value(found)
            if key:
                holders[-1][key] = value
            key, last = "", "" if value.quote else value.text
    for holder in holders:
        yield from _of_token(holder, names)


def _value(found: re.Match[str]) -> _Value:
    if found["text"] is None:
        return _Value(found[0], *found.span(), quote='"')
    try:
        text = str(json.loads(f'"{found["text"]}"', strict=False)) if "\\" in found["text"] else found["text"]
    except ValueError:
        text = found["text"]
    return _Value(text, *found.span("text"), quote="")


def _of_token(holder: dict[str, _Value], names: set[str]) -> Iterator[Mention]:
    """A country and a party beside a uid are the token's; without one they may be those of a Session."""
    for field in FIELDS:
        value = holder.get(field)
        if value and value.text.strip().upper() in names:
            yield Mention(value.start, value.end, _owner_beside(holder), value.quote)


def _owner_beside(holder: dict[str, _Value]) -> str:
    if "uid" in holder and _OF_AN_EVSE & holder.keys():
        return NO_TOKEN
    country, party = holder.get("country_code"), holder.get("party_id")
    if "uid" not in holder or not country or not party:
        return ""
    owner = f"{country.text.strip()}*{party.text.strip()}".upper()
    return owner if re.fullmatch(r"[A-Z]{2}\*[A-Z0-9]{3}", owner) else ""
