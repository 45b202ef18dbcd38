"""Nothing here is about drivers (ocpi_hub/erasure.py): requests and answers are with the exchange."""

from ocpi_hub.erasure import harmless

harmless("chargingprofiles.ProfileRequest", "session_id")
