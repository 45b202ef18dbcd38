"""The daily digest: to the operators, and to each partner that is to get its own.

A row for each reader and day says whether it has been sent; whichever worker looks first claims it. What could not
be sent today is told by tomorrow's, because each one tells what changed since the last that went out.
"""

import logging
import smtplib
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ocpi_hub.connections import release_connection
from ocpi_hub.errorreports import letters, occurrences
from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.errorreports.letters import Letter
from ocpi_hub.errorreports.models import Digest, ErrorReport
from ocpi_hub.partners.models import Platform

logger = logging.getLogger(__name__)

CLAIMED = timedelta(minutes=10)  # then another worker may send it
SCHEDULE = [60, 300, 900]  # seconds between tries, the last one again and again until the day is over

Reader = Platform | None  # None: the operators


def send() -> None:
    """Send what is due; each worker does it every few seconds."""
    send_due(timezone.now())


def send_due(now: datetime) -> int:
    """How many digests went out."""
    if not settings.EMAIL_HOST or now.hour < settings.HUB_DIGEST_HOUR:
        return 0
    return sum(_send_to(reader, now) for reader in _waiting(now))


def readers() -> list[Reader]:
    partners = Platform.objects.filter(reports_by_email=True).exclude(report_email="")
    return [*([None] if settings.HUB_OPERATORS else []), *partners]


def recipients(reader: Reader) -> list[str]:
    return [reader.report_email] if reader else list(settings.HUB_OPERATORS)


def of(reader: Reader) -> QuerySet[Digest]:
    return Digest.objects.filter(about=reader.pk if reader else 0)


def last_settled(reader: Reader) -> Digest | None:
    return of(reader).filter(due_at=None).order_by("-day").first()


def reports_for(reader: Reader) -> list[ErrorReport]:
    rows = ErrorReport.objects.defer("request", "answer").select_related("platform")
    if reader is not None:
        mendable = [kind.name for kind in KINDS.values() if kind.concerns_partner]
        rows = rows.filter(platform=reader, kind__in=mendable)
    return list(rows)


def letter_to(reader: Reader, reports: Iterable[ErrorReport]) -> Letter | None:
    """What it would be told now; None when nothing has changed since the last one."""
    last = last_settled(reader)
    found = letters.news(reports, last.standing if last else {})
    return letters.to_partner(reader, found, last) if reader else letters.to_operators(found, last)


def post(letter: Letter, addresses: list[str]) -> None:
    """Raises OSError, of which SMTPException is one, when the server does not take it."""
    release_connection()
    EmailMessage(letter.subject, letter.text, settings.DEFAULT_FROM_EMAIL, addresses).send()


def _waiting(now: datetime) -> list[Reader]:
    busy = Digest.objects.filter(Q(due_at=None) | Q(due_at__gt=now), day=now.date())
    told = set(busy.values_list("about", flat=True))
    return [reader for reader in readers() if (reader.pk if reader else 0) not in told]


def _send_to(reader: Reader, now: datetime) -> bool:
    digest = _claim(reader, now)
    if digest is None:
        return False
    reports = reports_for(reader)
    letter = letter_to(reader, reports)
    addresses = recipients(reader) if letter else []
    if letter:
        try:
            post(letter, addresses)
        except (OSError, ValueError) as error:
            _try_again(digest, reader, said(error), now)
            return False
    of(reader).filter(pk=digest.pk).update(
        due_at=None,
        settled_at=now,
        problem="",
        recipients=", ".join(addresses),
        subject=letter.subject if letter else "",
        text=letter.text if letter else "",
        standing=letters.standing(reports),
    )
    return bool(letter)


def _claim(reader: Reader, now: datetime) -> Digest | None:
    """Today's, when nobody else is at it."""
    Digest.objects.bulk_create([Digest(day=now.date(), platform=reader, due_at=now)], ignore_conflicts=True)
    today = of(reader).filter(day=now.date())
    claimed = today.filter(due_at__lte=now).update(due_at=now + CLAIMED, tries=F("tries") + 1)
    return today.get() if claimed else None


def _try_again(digest: Digest, reader: Reader, problem: str, now: datetime) -> None:
    wait = SCHEDULE[min(digest.tries, len(SCHEDULE)) - 1]
    of(reader).filter(pk=digest.pk).update(due_at=now + timedelta(seconds=wait), problem=problem)
    logger.warning("the digest to %s could not be sent: %s", reader or "the operators", problem)
    text = f"to {reader or 'the operators'}: {problem}"
    occurrences.note("hub.digest", None, "", text, subject=str(reader or ""))


def said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return f"{error.smtp_code} {words.decode(errors='replace') if isinstance(words, bytes) else words}"
    return f"{type(error).__name__}: {error}"
