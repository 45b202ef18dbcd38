"""What of a message only the two parties it is between should read: tokens of drivers, and the parties' secrets.

The values are found in the message itself, in its JSON and in the path of its URL, and are then replaced wherever
they occur: in an answer that repeats the uid it complains about as well as in the request.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ocpi_hub.protocol.encoded import Encoded

MASK = "***"
SHORTEST_END = 4  # characters of a response_url's last segment; what is shorter is a number, and no secret

# mod_tokens, mod_cdrs CdrToken: what names a driver's card or contract.
_PERSONAL = {"contract_id", "visual_number", "group_id", "auth_id"}
# As partners spell these names themselves: contractId, UID.
_SPELLED = {name.replace("_", "") for name in _PERSONAL}
_SECRET = {"token", "response_url"}
_OF_AN_EVSE = {
    "connectors",
    "evse_id",
    "capabilities",
    "physical_reference",
    "floor_level",
    "status_schedule",
}
# mod_tokens: {tokens}/{country_code}/{party_id}/{token_uid}, and {tokens}/{token_uid}/authorize.
_IN_PATH = re.compile(r"/tokens/(?:[A-Za-z]{2}/[^/]{3}/([^/?#]+)|([^/?#]+)/authorize)", re.IGNORECASE)
# As partners mistype it at one of the hub's interfaces: without the owner, or with more than belongs there.
_ASTRAY = re.compile(r"/(?:sender|receiver)/tokens/([^?#\s]*)", re.IGNORECASE)
_NO_UID = re.compile(r".{0,3}|authorize", re.IGNORECASE)
_RAW = re.compile(
    r'"(uid|token|response_url|contract_?id|visual_?number|group_?id|auth_?id)"\s*:\s*'
    r'(?:"((?:[^"\\]|\\.)*)|(-?\d[^\s,}\]]*))',
    re.IGNORECASE,
)

# Contract ids (eMI3, ISO 15118) mean the same with hyphens, with stars or with nothing between their parts.
_BETWEEN = r"(?:[-*]|%2[ADad])"
_SEPARATOR = re.compile(_BETWEEN)
_CONTRACT = re.compile(r"[A-Za-z]{2}[-*]?[A-Za-z0-9]{3}[-*]?[A-Za-z0-9]+(?:[-*][A-Za-z0-9]+)*")
_SHORTEST_CONTRACT = 7  # letters and digits; "DE*MSP" is a party and no contract
_MOST_PARTS = 12
_RUN = re.compile(rf"(%[0-9A-Fa-f]{{2}}|\\u[0-9A-Fa-f]{{4}})?([A-Za-z0-9]+(?:{_BETWEEN}[A-Za-z0-9]+)*)")


def secret_values(*bodies: bytes | str | None) -> set[str]:
    """What nobody may read who is no party to it, not even whoever may see personal data.

    Credentials tokens and the secret ends of response_urls.
    """
    found = set()
    for body in bodies:
        if body and _may_hold_a_secret(body):
            found |= {value for name, value in _named(body) if name in _SECRET}
    return {value for value in found if value.strip()}


def _may_hold_a_secret(body: bytes | str) -> bool:
    if isinstance(body, str):
        return '"token"' in body or '"response_url"' in body
    return b'"token"' in body or b'"response_url"' in body


def private_values(*bodies: bytes | str | None, path: str = "") -> set[str]:
    """What is to be masked: driver's tokens, credentials tokens and the secret ends of response_urls."""
    found = {unquote(uid) for match in _IN_PATH.finditer(path) for uid in match.groups() if uid}
    segments = [unquote(text) for match in _ASTRAY.finditer(path) for text in match[1].split("/")]
    found |= {segment for segment in segments if not _NO_UID.fullmatch(segment)}
    for body in bodies:
        if body:
            found |= {value for _, value in _named(body)}
    return {value for value in found if value.strip()}


def _named(body: bytes | str) -> Iterator[tuple[str, str]]:
    """Each private value with the name of its field."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body if isinstance(body, str) else body.decode(errors="replace")
        for name, quoted, bare in _RAW.findall(text):
            value = quoted or bare
            yield name.lower(), _secret_end(value) if name.lower() == "response_url" else value
        return
    yield from _walk(raw, "")


def _walk(raw: Any, above: str) -> Iterator[tuple[str, str]]:
    """`above` is the name of the field that holds this; lists hand on their own."""
    if isinstance(raw, list):
        for item in raw:
            yield from _walk(item, above)
    elif isinstance(raw, dict):
        for name, value in raw.items():
            if isinstance(value, dict | list):
                named = name not in _SECRET and _is_private(name, raw, above)
                yield from ((name, leaf) for leaf in _leaves(value)) if named else _walk(value, name)
            elif isinstance(value, str | int | float) and _is_private(name, raw, above):
                yield name, _secret_end(str(value)) if name == "response_url" else str(value)


def _is_private(name: str, holder: dict[str, Any], above: str) -> bool:
    if name in _PERSONAL or name in _SECRET:
        return True
    spelled = name.replace("_", "").lower()
    if spelled == "uid":
        # An EVSE has a uid as well, and that is on the charger's sticker.
        return above != "evses" and not _OF_AN_EVSE.intersection(holder)
    return spelled in _SPELLED


def _leaves(raw: Any) -> Iterator[str]:
    """What stands in the place of a text that a partner has wrapped in something."""
    for value in raw.values() if isinstance(raw, dict) else raw:
        if isinstance(value, dict | list):
            yield from _leaves(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def _secret_end(url: str) -> str:
    """Of a response_url: whoever knows it could send a result there."""
    end = url.rstrip("/").rpartition("/")[2]
    return end if len(end) >= SHORTEST_END else ""


def masked(text: str, values: Iterable[str]) -> str:
    """The text without these values, however they are spelled or encoded, as Base64 too (encoded.py).

    Words that merely hold one stay.
    """
    # A page of a list has thousands of values, and a pattern of all of them takes seconds.
    values = set(values)
    folded = text.casefold()
    bare = _SEPARATOR.sub("", folded)
    text = Encoded(_encodable(values)).without(text, MASK)
    return _masker({value for value in values if _may_be_in(folded, bare, value)})(text)


def _may_be_in(folded: str, bare: str, value: str) -> bool:
    spelled = any(form.casefold() in folded for form in _forms(value))
    return spelled or any(core in bare for core in _cores(value))


def masker(values: Iterable[str]) -> Callable[[str], str]:
    """The same for many texts."""
    values = set(values)
    encoded, plain = Encoded(_encodable(values)), _masker(values)
    return lambda text: plain(encoded.without(text, MASK))


def _encodable(values: set[str]) -> set[str]:
    """As they may have been spelled before they were encoded, whereafter their case can no longer be told."""
    bare = {_SEPARATOR.sub("", value) for value in values if _CONTRACT.fullmatch(value)}
    return {form for value in values | bare for form in (value, value.upper(), value.lower())}


def _masker(values: set[str]) -> Callable[[str], str]:
    forms = {form for value in values for form in _forms(value) if form}
    if not forms:
        return str
    longest_first = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    # As in results%2FSECRET and \u002fSECRET: what ends in a letter there is no word that goes on.
    begins = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
    pattern = re.compile(rf"{begins}(?:{longest_first})(?![A-Za-z0-9])", re.IGNORECASE)
    cores = {core for value in values for core in _cores(value)}
    if not cores:
        return lambda text: pattern.sub(MASK, text)
    # Not in the pattern: a thousand contracts with a separator or none at every place would take seconds.
    return lambda text: _RUN.sub(lambda run: _without_contracts(run, cores), pattern.sub(MASK, text))


def _without_contracts(run: re.Match[str], cores: set[str]) -> str:
    """A run of words and separators without the contracts that it spells, whatever stands before and after."""
    words, between = _SEPARATOR.split(run[2]), _SEPARATOR.findall(run[2])
    left, at = [run[1] or ""], 0
    while at < len(words):
        count = _words_of_a_contract(words[at : at + _MOST_PARTS], cores)
        left.append(MASK if count else words[at])
        at += count or 1
        left += between[at - 1 : at]
    return "".join(left)


def _words_of_a_contract(words: list[str], cores: set[str]) -> int:
    """How many of the first words are one together; as many as can be."""
    found, joined = 0, ""
    for count, word in enumerate(words, 1):
        joined += word.casefold()
        found = count if joined in cores else found
    return found


def _cores(value: str) -> Iterator[str]:
    """Of a contract id its letters and digits alone, with its check digit and without."""
    if not _CONTRACT.fullmatch(value):
        return
    for text in (value, value[:-2]) if value[-2] in "-*" else (value,):
        core = _SEPARATOR.sub("", text).casefold()
        if len(core) >= _SHORTEST_CONTRACT:
            yield core


def _forms(value: str) -> set[str]:
    return {value, quote(value, safe=""), _escaped(value), json.dumps(value)[1:-1]}


def _escaped(value: str) -> str:
    """As it stands in JSON that writes every character as itself; others write \\u00e9."""
    return msgspec.json.encode(value).decode()[1:-1]
