"""What CDRs hold of drivers (ocpi_hub/erasure.py)."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Q

from cdrs.models import CDR
from ocpi_hub.erasure import Fate, Holding, harmless, holds, tells
from ocpi_hub.mentions import Form
from ocpi_hub.pseudonyms import Driver


def of_driver(driver: Driver) -> Q:
    names = Q(token_uid__iexact=driver.uid)
    for name in driver.others:
        names |= Q(contract_id__iexact=name)
    return Q(audience=driver.owner) & names


holds(
    Holding(
        "cdrs.CDR",
        "CDRs",
        Fate.KEPT,
        "invoices rest on them, and the law asks for these to be kept: whole, with the token, until HUB_CDR_DAYS",
        {
            "document": Form.JSON,
            "received": Form.JSON,
            "findings": Form.TEXT,
            "token_uid": Form.VALUE,
            "contract_id": Form.VALUE,
        },
        rows=of_driver,
    )
)
harmless(
    "cdrs.CDR",
    *(
        "object_id",
        "key",
        "digest",
        "owners_document",
        "session_id",
        "authorization_reference",
        "credit_reference_id",
    ),
    *("location_id", "evse_uid", "receiver_url"),
)


@tells
def how_long_they_stay(driver: Driver) -> Iterator[str]:
    if CDR.objects.filter(of_driver(driver)).exists():
        days = settings.HUB_CDR_DAYS
        yield f"CDRs stay {f'for {days} days after their last change' if days else 'for ever: HUB_CDR_DAYS is 0'}."
