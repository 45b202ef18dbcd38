"""What the operator sees of error reports; Django finds the pages here."""

from ocpi_hub.errorreports.admin import mails, reports  # noqa: F401  # they register their pages
