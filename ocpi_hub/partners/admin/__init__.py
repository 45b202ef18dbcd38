"""What the operator sees of the partners; Django finds the pages here."""

from ocpi_hub.partners.admin import agreements, parties  # noqa: F401  # they register their pages
