"""Nothing here is about drivers (ocpi_hub/erasure.py)."""

from ocpi_hub.erasure import harmless

harmless(
    "locations.Location", "object_id", "key", "document", "received", "digest", "findings", "owners_document"
)
harmless("locations.Location", "name", "address", "city")
harmless("locations.EVSE", "uid", "key", "evse_id")
