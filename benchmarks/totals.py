"""How long the total of an unfiltered list takes, inside a process that has the settings of a hub: JSON in and out."""

import json
import os
import sys
import time
from statistics import median
from typing import Any

TIMES = 31


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")
    import django

    django.setup()
    json.dump(answer(**json.load(sys.stdin)), sys.stdout)


def answer(module: str, mend: bool = False, platform_id: int = 0) -> dict[str, Any]:
    """The total that a platform is told, and the median of the milliseconds that it takes; or a tally that holds
    what was filled in past the store."""
    from ocpi_hub.exchange.objects import tally
    from ocpi_hub.exchange.objects.ownedobject import owned_models
    from ocpi_hub.partners.models import Platform

    model = owned_models()[module]
    if mend:
        return {"mended": len(tally.mend(model))}
    visible = model.visible_to(Platform.objects.get(pk=platform_id))
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        total = tally.total(model, visible)
        took.append((time.perf_counter() - began) * 1000)
    return {"total": total, "milliseconds": median(took)}


if __name__ == "__main__":
    main()
