"""System checks of the journal's settings."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from ocpi_hub.journal.kinds import Kind

MODES = ("full", "headers", "off")


@register()
def journal_is_set_up(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    wrong = []
    if settings.HUB_JOURNAL not in MODES:
        wrong.append(f"HUB_JOURNAL is none of {', '.join(MODES)}: {settings.HUB_JOURNAL[:40]!r}.")
    if settings.HUB_JOURNAL_MB < 1:
        wrong.append(
            f"HUB_JOURNAL_MB must be at least 1, and is {settings.HUB_JOURNAL_MB};"
            " HUB_JOURNAL=headers keeps no bodies."
        )
    days = settings.HUB_JOURNAL_DAYS
    wrong += [f"HUB_JOURNAL_DAYS has no days for {kind}." for kind in Kind.values if kind not in days]
    wrong += [
        f"HUB_JOURNAL_DAYS must be at least 1 for {kind}, and is {days[kind]}."
        for kind in Kind.values
        if kind in days and days[kind] < 1
    ]
    wrong += [
        f"HUB_JOURNAL_DAYS names {kind!r}, which is none of {', '.join(Kind.values)}."
        for kind in days
        if kind not in Kind.values
    ]
    hint = "Such as HUB_JOURNAL=full and HUB_JOURNAL_DAYS=drivers:30,invoices:90; see docs/operating.md."
    return [Error(text, hint=hint, id="journal.E001") for text in wrong]
