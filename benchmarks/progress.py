"""What a run tells while it goes on."""

from datetime import datetime


def say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)  # noqa: DTZ005 - the clock of who watches
