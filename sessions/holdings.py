"""What Sessions hold of drivers (ocpi_hub/erasure.py)."""

from django.db.models import Q

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.exchange.holdings import still_to_be_told
from ocpi_hub.exchange.objects.digests import digest_of
from ocpi_hub.mentions import Form
from ocpi_hub.protocol.codec import parse
from ocpi_hub.pseudonyms import Driver
from sessions.models import Session

OVER = ("COMPLETED", "INVALID")


def of_driver(driver: Driver) -> Q:
    names = Q(token_uid__iexact=driver.uid)
    for name in driver.others:
        names |= Q(contract_id__iexact=name)
    return Q(audience=driver.owner) & names


def known_by_what_it_was(row: Session) -> dict[str, object]:
    """When its operator lists it again as it was, it is not taken for a change, which would bring the token back."""
    return {"digest": row.digest or digest_of(parse(row.document.encode()))}


holds(
    Holding(
        "charging_sessions.Session",
        "Sessions",
        Fate.REPLACED,
        "when, where and how much was charged is needed to look at invoices until the CDR is settled; the driver is"
        " named there",
        {
            "document": Form.JSON,
            "received": Form.JSON,
            "findings": Form.TEXT,
            "token_uid": Form.VALUE,
            "contract_id": Form.VALUE,
        },
        rows=of_driver,
        parties=("audience",),
        waits=lambda: ~Q(status__in=OVER) | still_to_be_told(Session.module),
        until="they are over, and their provider has their end",
        besides=known_by_what_it_was,
    )
)
harmless(
    "charging_sessions.Session",
    *(
        "object_id",
        "key",
        "digest",
        "owners_document",
        "authorization_reference",
        "location_id",
        "evse_uid",
        "connector_id",
    ),
)
