"""What the demo's environment may say, checked before anything starts."""

from collections.abc import Mapping

from simulator.ocpi import Party
from simulator.terminal import Failed


def number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, "").strip() or str(default)
    try:
        value = int(text)
    except ValueError:
        raise Failed(f"{name} is not a whole number: {text[:40]!r}") from None
    if not least <= value <= most:
        raise Failed(f"{name} must be between {least} and {most}, and is {value}")
    return value


def given_parties(environment: Mapping[str, str]) -> list[Party]:
    try:
        return [Party.parse(text) for text in environment.get("PARTY", "").replace(",", " ").split()]
    except ValueError as error:
        raise Failed(f"PARTY: {error}") from error
