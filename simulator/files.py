"""Locations from a file, in any of the shapes in which feeds are published, with their faults."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from simulator.objects import head
from simulator.ocpi import Party

LISTS = (
    "body",
    "data",
    "locations",
    "content",
)  # a recorded answer, an OCPI response, Mer, NDW: in this order
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


class Unreadable(Exception):
    """The file cannot be served; the message says why, for whoever gave it."""


def locations(path: Path) -> Iterator[bytes]:
    """Every Location in the file as the bytes that stand there."""
    try:
        with path.open("rb") as lines:
            if line_by_line(lines):
                lines.seek(0)
                yield from from_lines(path, lines)
                return
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        if not text.strip():
            raise Unreadable(f"{path} is empty")
        yield from found(path, text)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def line_by_line(lines: Iterable[bytes]) -> bool:
    filled = (line for line in lines if line.strip())
    first, second = next(filled, b""), next(filled, b"")
    return bool(second) and alone(first.removeprefix(b"\xef\xbb\xbf"))


def alone(line: bytes) -> bool:
    """Whether one line is a whole JSON object: the file then holds an object, or a response, a line."""
    try:
        _members.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def from_lines(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if text := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield from found(path, text, f" line {number}")


def found(path: Path, text: bytes, place: str = "") -> Iterator[bytes]:
    try:
        yield from unwrapped(text)
    except msgspec.DecodeError as error:
        raise Unreadable(f"{path}{place}: not JSON: {error}") from error
    except LookupError as error:
        raise Unreadable(f"{path}{place}: no list of Locations under {', '.join(LISTS)}") from error


def unwrapped(text: bytes | msgspec.Raw) -> Iterator[bytes]:
    if opening(text) == b"[":
        yield from (bytes(element) for element in _elements.decode(text))
        return
    members = _members.decode(text)
    for name in LISTS:
        if name in members and opening(members[name]) in (b"[", b"{"):
            yield from unwrapped(members[name])
            return
    if "id" not in members:
        raise LookupError(text)
    yield bytes(text)


def opening(text: bytes | msgspec.Raw) -> bytes:
    return bytes(memoryview(text)[:64]).lstrip()[:1]


def parties(path: Path, given: Sequence[Party]) -> list[Party]:
    """The parties to announce: every owner in the file, and the given ones when objects name no owner."""
    owners: dict[Party, None] = {}
    nameless = 0
    for raw in locations(path):
        owner = head(raw).owner
        if owner:
            owners.setdefault(owner)
        else:
            nameless += 1
    if nameless and not given:
        who = "1 Location names" if nameless == 1 else f"{nameless} Locations name"
        raise Unreadable(f"{path}: {who} no owner; say whose they are with --party")
    return list(dict.fromkeys([*(given if nameless else ()), *owners]))
