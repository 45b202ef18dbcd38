"""Values that stand in a text as Base64, alone or within more that was encoded: user:UID, or a whole object.

Three bytes are four characters, so that there are three ways in which a value is spelled, by where in these it begins.
What is looked for are the characters that are the value's alone; those at its ends, which it shares, go with it.
"""

import re
import string
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator

SHORTEST_WITHIN = 6  # bytes; a shorter value is found only where it stands alone
SHORTEST_BARE = 4  # bytes; a shorter one only with the padding that tells it from a word

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_PADDING = r"(?:=|%3[Dd]|\\u003[Dd])"
# As in URLs and in JSON.
_SPELLED = {"+": r"(?:[+-]|%2[Bb]|\\u002[Bb])", "/": r"(?:[/_]|%2[Ff]|\\/|\\u002[Ff])"}
_DIFFERS = re.compile(r"[+/]")


class Encoded:
    """Of some values all that they can be in Base64, with and without padding, standard and URL-safe."""

    def __init__(self, values: Iterable[str]) -> None:
        # There may be thousands: what has to be in a text comes first, and a pattern is made for what is.
        self.cores = [found for value in values for found in _cores(value.encode(errors="replace"))]

    def without(self, text: str, mask: str) -> str:
        beginnings = {text[at : at + 4] for at in range(len(text))}
        for certain, raw, before in self.cores:
            # A look at a few characters spares a look through all of the text for nearly all of them.
            if (certain[:4] in beginnings or len(certain) < 4) and certain in text:
                text = re.sub(_pattern(raw, before), mask, text)
        return text


def _cores(raw: bytes) -> Iterator[tuple[str, bytes, int]]:
    """What every spelling has, with the value and how many bytes stand before it in its group of three."""
    for before in range(3 if len(raw) >= SHORTEST_WITHIN else min(len(raw), 1)):
        core = _core(raw, before)
        yield max(_DIFFERS.split(core), key=len), raw, before


def _core(raw: bytes, before: int) -> str:
    """The characters that are its own."""
    if len(raw) < SHORTEST_WITHIN:
        return b64encode(raw).decode().rstrip("=")
    return b64encode(bytes(before) + raw + b"00").decode()[
        (8 * before + 5) // 6 : 8 * (before + len(raw)) // 6
    ]


def _pattern(raw: bytes, before: int) -> str:
    return _within(raw, before) if len(raw) >= SHORTEST_WITHIN else _alone(raw)


def _alone(raw: bytes) -> str:
    padding = f"(?:{_PADDING}{{{-len(raw) % 3}}}){'?' if len(raw) >= SHORTEST_BARE else ''}"
    return rf"(?<![A-Za-z0-9+_-]){_spelled(_core(raw, 0))}{padding}(?![A-Za-z0-9+_-])"


def _within(raw: bytes, before: int) -> str:
    """With the characters before and after its own that it has a part in: so many bits of them."""
    low, high = -8 * before % 6, 8 * (before + len(raw)) % 6
    first = _one_of(lambda bits: bits % 2**low == raw[0] >> 8 - low) if low else ""
    last = _one_of(lambda bits: bits >> 6 - high == raw[-1] % 2**high) if high else ""
    return rf"{first}{_spelled(_core(raw, before))}{last}{_PADDING}{{0,2}}"


def _one_of(fits: Callable[[int], bool]) -> str:
    found = [_spelled(character) for bits, character in enumerate(_ALPHABET) if fits(bits)]
    return f"(?:{'|'.join(found)})"


def _spelled(core: str) -> str:
    return "".join(_SPELLED.get(character, character) for character in core)
