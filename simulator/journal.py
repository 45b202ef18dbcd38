"""What a CPO remembers of charges over a restart: each Session and CDR a line, in a file that only grows."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from simulator import ocpi

MOST = 5_000  # objects of each module that outlive a restart


class Line(msgspec.Struct, omit_defaults=True):
    """An object as it is now, or that the hub has taken one and where it says that it is."""

    module: str
    key: str
    object: msgspec.Raw = msgspec.Raw(b"")
    taken: bool = False
    url: str | None = None


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()

    def write(self, module: str, key: str, raw: bytes) -> None:
        self._append([Line(module, key, msgspec.Raw(raw))])

    def note_taken(self, module: str, key: str, url: str | None) -> None:
        self._append([Line(module, key, taken=True, url=url)])

    def void(self) -> None:
        self.path.unlink(missing_ok=True)

    def read(self) -> tuple[dict[tuple[str, str], bytes], dict[tuple[str, str], str | None]]:
        """The latest state of the newest objects, and which of them the hub has taken; the rest is forgotten."""
        objects: dict[tuple[str, str], bytes] = {}
        taken: dict[tuple[str, str], str | None] = {}
        for line in self._lines():
            if line.taken:
                taken[line.module, line.key] = line.url
            else:
                objects[line.module, line.key] = bytes(line.object)
        counts: dict[str, int] = {}
        for place in reversed(list(objects)):
            counts[place[0]] = counts.get(place[0], 0) + 1
            if counts[place[0]] > MOST:
                del objects[place]
        taken = {place: url for place, url in taken.items() if place in objects}
        self._shorten(objects, taken)
        return objects, taken

    def _lines(self) -> Iterator[Line]:
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            for text in lines:
                if text.endswith(b"\n"):  # else the process ended while it was written
                    yield msgspec.json.decode(text, type=Line)

    def _shorten(
        self, objects: dict[tuple[str, str], bytes], taken: dict[tuple[str, str], str | None]
    ) -> None:
        if not self.path.exists():
            return
        self.void()
        lines = [Line(module, key, msgspec.Raw(raw)) for (module, key), raw in objects.items()]
        self._append(
            [*lines, *(Line(module, key, taken=True, url=url) for (module, key), url in taken.items())]
        )

    def _append(self, lines: list[Line]) -> None:
        with self.lock:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(b"".join(ocpi.encode(line) + b"\n" for line in lines))
