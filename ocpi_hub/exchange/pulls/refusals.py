"""What the hub could not take, kept for its operator: reason and document, one row for each object."""

from django.db.models import F
from django.utils import timezone

from ocpi_hub.exchange.calls.verdicts import masked
from ocpi_hub.exchange.models import RefusedObject
from ocpi_hub.partners.models import Platform


def note(platform: Platform, module: str, name: str, reason: str, document: bytes, times: int = 1) -> None:
    """Write down a refusal, or that it happened again."""
    token = platform.token
    text = masked(document.decode(errors="replace").replace("\x00", "�"), token)
    said = {"reason": masked(reason, token), "document": text}
    row, created = RefusedObject.objects.get_or_create(
        platform=platform,
        module=module,
        object_key=masked(name, token)[:200],
        defaults={**said, "times": times},
    )
    if not created:
        again = RefusedObject.objects.filter(pk=row.pk)
        again.update(**said, times=F("times") + times, last_seen_at=timezone.now())


def forget(platform: Platform, module: str, names: list[str]) -> None:
    """What was refused under these names has come whole."""
    RefusedObject.objects.filter(platform=platform, module=module, object_key__in=names).delete()
