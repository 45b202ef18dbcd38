"""Nothing here is about drivers (ocpi_hub/erasure.py)."""

from ocpi_hub.erasure import harmless

harmless(
    "hubclientinfo.ClientInfo",
    "object_id",
    "key",
    "document",
    "received",
    "digest",
    "findings",
    "owners_document",
)
