"""A list that is no JSON as a whole, for a fault in one of its objects, taken apart so that the others are read.

Feeds have NaN where a number is missing, line breaks in a text, and half of a character where a text was cut.
"""

import json
from collections.abc import Iterator
from typing import Any

from .client import MOST_DOCUMENTS, Answer

_LENIENT = json.JSONDecoder(strict=False)
_BLANK = " \t\r\n"


def objects_of(answer: Answer) -> list[bytes] | None:
    """The objects of a list that says success, each as it came, or None when it is none even so."""
    if not 200 <= answer.http_status < 300:
        return None
    text = answer.body.decode(errors="surrogateescape")
    try:
        fields = {name: text[start:end] for name, start, end in _members(text, "{", "}")}
        status_code = _LENIENT.decode(fields.get("status_code", "null"))
        data = fields.get("data", "")
        documents = [data[start:end] for _, start, end in _members(data, "[", "]")]
    except (ValueError, RecursionError):
        return None
    success = isinstance(status_code, int) and 1000 <= status_code < 2000
    if not success or len(documents) > MOST_DOCUMENTS:
        return None
    return [document.encode(errors="surrogateescape") for document in documents]


def _members(text: str, opening: str, closing: str) -> Iterator[tuple[Any, int, int]]:
    """The places of an object's values, with their names, or of a list's, which have none."""
    at = _after(text, 0, opening)
    if text.startswith(closing, _behind_blanks(text, at)):
        return
    while True:
        name, start = None, _behind_blanks(text, at)
        if opening == "{":
            name, end = _LENIENT.raw_decode(text, start)
            start = _behind_blanks(text, _after(text, end, ":"))
        end = _LENIENT.raw_decode(text, start)[1]
        yield name, start, end
        if text.startswith(closing, _behind_blanks(text, end)):
            return
        at = _after(text, end, ",")


def _after(text: str, at: int, sign: str) -> int:
    at = _behind_blanks(text, at)
    if not text.startswith(sign, at):
        raise ValueError(f"no {sign} at {at}")
    return at + 1


def _behind_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
