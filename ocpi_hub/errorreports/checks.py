"""System checks of the catalogue of kinds and of the settings that reports are sent by."""

from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from ocpi_hub.errorreports.kinds import KINDS, Kind
from ocpi_hub.errorreports.models import ErrorReport

LAST_HOUR = 23


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
    if "the text " in kind.to_partner.lower() and not kind.text_is_theirs:
        yield "tells the partner of a text that it does not get"


@register()
def mail_can_be_sent(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = "See the section on error reports in docs/operating.md."
    return [Error(problem, hint=hint, id="errorreports.E002") for problem in wrong_settings()]


@register()
def sender_is_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    sender = settings.DEFAULT_FROM_EMAIL
    if not settings.EMAIL_HOST or not sender.endswith("@localhost"):
        return []
    text = f"EMAIL_HOST is set and EMAIL_FROM is not: mail comes from {sender}, which many servers refuse."
    hint = "Set EMAIL_FROM to an address of yours, such as ocpi-hub@example.com."
    return [Warning(text, hint=hint, id="errorreports.W003")]


def wrong_settings() -> Iterator[str]:
    if not 0 <= settings.HUB_DIGEST_HOUR <= LAST_HOUR:
        yield f"HUB_DIGEST_HOUR must be between 0 and {LAST_HOUR}, and is {settings.HUB_DIGEST_HOUR}."
    senders = [settings.DEFAULT_FROM_EMAIL] if settings.EMAIL_HOST else []
    for name, addresses in (("HUB_OPERATORS", settings.HUB_OPERATORS), ("EMAIL_FROM", senders)):
        yield from (
            f"{name} holds {text[:80]!r}, which is no address." for text in addresses if not is_address(text)
        )
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        yield "EMAIL_USE_TLS and EMAIL_USE_SSL are both on: the first is STARTTLS, the second TLS from the beginning."
    if settings.HUB_OPERATORS and not settings.EMAIL_HOST:
        yield "HUB_OPERATORS is set and EMAIL_HOST is not, so no digest can be sent."


def is_address(text: str) -> bool:
    """A sender may have a name, as in OCPI hub <hub@example.com>."""
    try:
        validate_email(parseaddr(text)[1] or text)
    except ValidationError:
        return False
    return True
