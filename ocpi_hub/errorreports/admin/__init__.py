"""What the operator sees of error reports; Django finds the pages here."""

from ocpi_hub.errorreports.admin import reports  # noqa: F401  # registers its pages
