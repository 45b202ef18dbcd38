"""What commands hold of drivers (ocpi_hub/erasure.py); their requests are with the exchange."""

from django.db.models import Q

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.mentions import Form

holds(
    Holding(
        "commands.Command",
        "commands",
        Fate.REPLACED,
        "what was asked of whom, and what became of it, stays",
        {"token_uid": Form.VALUE, "note": Form.TEXT},
        rows=lambda driver: Q(token_uid__iexact=driver.uid, from_party=driver.owner),
        parties=("from_party",),
    )
)
harmless(
    "commands.Command",
    *("location_id", "evse_uid", "connector_id", "session_id", "reservation_id", "authorization_reference"),
    "led_to_id",
)
