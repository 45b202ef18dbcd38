"""What the demo says: lines, and one line that is written over while something is in progress."""

import contextlib
import time
from typing import TextIO

PLAIN_EVERY = 5.0  # seconds between progress lines where they cannot be written over


class Failed(Exception):
    """The demo cannot go on; the message is for its user."""


def counted(count: int, module: str) -> str:
    """Such as `1 Location`, `2 Locations`."""
    name = module.capitalize()
    return f"{count} {name.removesuffix('s') if count == 1 else name}"


class Terminal:
    def __init__(self, output: TextIO) -> None:
        self.output = output
        self.overwrites = output.isatty()
        self.shown = ""
        self.last = 0.0

    def line(self, text: str) -> None:
        self._write(f"{self._blank()}{text}\n")
        self.shown = ""

    def progress(self, text: str) -> None:
        if text == self.shown:
            return
        if self.overwrites:
            self._write(f"{self._blank()}{text}")
            self.shown = text
        elif time.monotonic() - self.last > PLAIN_EVERY:
            self._write(f"{text}\n")
            self.shown, self.last = text, time.monotonic()

    def _blank(self) -> str:
        return "\r\x1b[K" if self.overwrites else ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal may have been closed
            self.output.write(text)
            self.output.flush()
