"""What the proof of delivery holds of drivers (ocpi_hub/erasure.py): a gap is named after what is missing."""

from django.db.models import Q

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.mentions import Form
from ocpi_hub.protocol.types import PartyRef
from ocpi_hub.pseudonyms import Driver

TEXTS = {
    "Gap": {"reason": Form.TEXT, "note": Form.TEXT},
    "Reconciliation": {"note": Form.TEXT},
    "Run": {"notes": Form.TEXT, "error": Form.TEXT},
    "Asking": {"reason": Form.TEXT},
}


def of_token(driver: Driver) -> Q:
    """No other object is named after a provider and the uid of a token."""
    return Q(path__iexact=Address(PartyRef.parse(driver.owner), driver.uid).path)


holds(
    Holding(
        "proof.Gap",
        "gaps of the token",
        Fate.DELETED,
        "there is nothing left to be filled",
        {"path": Form.ADDRESS},
        rows=of_token,
    )
)
for model, columns in TEXTS.items():
    holds(
        Holding(
            f"proof.{model}",
            f"what reconciliations say of {model.lower()}s",
            Fate.REPLACED,
            "what was compared, and what was missing, stays",
            columns,
        )
    )
harmless("proof.Run", "modules", "counts", "holder")
