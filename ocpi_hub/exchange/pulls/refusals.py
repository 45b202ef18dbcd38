"""What the hub could not take, kept for its operator: reason and document, one row for each object.

Of one partner and module so many are kept and no more: what comes beyond is counted in one row, for a broken or
hostile list has a new name for every object.
"""

from django.db.models import F, QuerySet
from django.utils import timezone

from ocpi_hub.exchange.calls.verdicts import masked
from ocpi_hub.exchange.models import Pull, RefusedObject
from ocpi_hub.partners.models import Platform

MOST_KEPT = 2_000  # of one partner and module
LONGEST_DOCUMENT = 200_000  # characters that are kept of one
BEYOND = "all that are only counted"  # the name of the row for the others


def note(platform: Platform, module: str, name: str, reason: str, document: bytes, times: int = 1) -> None:
    """Write down a refusal, or that it happened again."""
    token = platform.token
    name, reason = masked(name, token)[:200], masked(reason, token)
    rows = _rows(platform, module)
    if not rows.filter(object_key=name).exists() and rows.count() >= MOST_KEPT:
        name, reason, document = BEYOND, _only_counted(name, reason), b""
    said = {"reason": reason, "document": _kept(masked(_text(document), token))}
    row, created = RefusedObject.objects.get_or_create(
        platform=platform, module=module, object_key=name, defaults={**said, "times": times}
    )
    if not created:
        again = RefusedObject.objects.filter(pk=row.pk)
        again.update(**said, times=F("times") + times, last_seen_at=timezone.now())


def _only_counted(name: str, reason: str) -> str:
    return (
        f"only counted, for {MOST_KEPT} others of this list are kept one by one. Their owner must mend the list. The"
        f" last of them: {name}: {reason}"
    )


def _text(document: bytes) -> str:
    return document.decode(errors="replace").replace("\x00", "�")


def _kept(text: str) -> str:
    return text if len(text) <= LONGEST_DOCUMENT else text[: LONGEST_DOCUMENT - 1] + "…"


def forget(platform: Platform, module: str, names: list[str]) -> None:
    """What was refused under these names has come whole."""
    _rows(platform, module).filter(object_key__in=names).delete()


def forget_the_count(platform: Platform, pull: Pull) -> None:
    """After a full pull in which nothing was counted beyond what is kept."""
    _rows(platform, pull.module).filter(object_key=BEYOND, last_seen_at__lt=pull.started_at).delete()


def _rows(platform: Platform, module: str) -> QuerySet[RefusedObject]:
    return RefusedObject.objects.filter(platform=platform, module=module).order_by()
