"""System checks of the catalogue of kinds and of the settings that reports are sent by."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from ocpi_hub.errorreports.kinds import KINDS, Kind
from ocpi_hub.errorreports.models import ErrorReport


@register()
def kinds_are_complete(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The kind of failure {name!r} {problem}.",
            hint="Mend it in ocpi_hub/errorreports/catalogue/.",
            id="errorreports.E001",
        )
        for name, kind in KINDS.items()
        for problem in faults(name, kind)
    ]


def faults(name: str, kind: Kind) -> Iterator[str]:
    longest = ErrorReport._meta.get_field("kind").max_length or 0
    if name != kind.name:
        yield f"calls itself {kind.name!r}"
    if len(name) > longest:
        yield f"has a name of more than {longest} characters"
    if missing := [text for text in ("title", "meaning", "action") if not getattr(kind, text).strip()]:
        yield f"has no {' and no '.join(missing)}"
    if kind.concerns_partner != bool(kind.to_partner.strip()):
        wrong = "does not say what it is asked to do" if kind.concerns_partner else "asks it to do something"
        yield f"is to be acted on by {kind.who}, and {wrong}"
