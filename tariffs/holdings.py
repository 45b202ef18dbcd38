"""Nothing here is about drivers (ocpi_hub/erasure.py)."""

from ocpi_hub.erasure import harmless

harmless(
    "tariffs.Tariff", "object_id", "key", "document", "received", "digest", "findings", "owners_document"
)
