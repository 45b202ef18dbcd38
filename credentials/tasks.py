"""Telling partners that the hub's endpoints changed (version_information_endpoint.asciidoc)."""

import logging

from celery import shared_task

from credentials import handshake
from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.calls.causes import SECRET_UNREADABLE
from ocpi_hub.exchange.exceptions import OCPIError
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.secrets import UnreadableSecret

logger = logging.getLogger(__name__)


@shared_task
def announce_changes() -> int:
    """PUT credentials to every partner that last saw other endpoints; how many were told.

    A partner that cannot be told now is told by the next run.
    """
    told = 0
    for platform in Platform.objects.registered().exclude(announced=handshake.announcement()):
        try:
            handshake.announce(platform)
        except (OCPIError, UnreadableSecret) as failure:
            logger.warning("%s could not be told that our endpoints changed: %s", platform, failure)
            kind = SECRET_UNREADABLE if isinstance(failure, UnreadableSecret) else "handshake.not_told"
            note(kind, platform.pk, "credentials", str(failure))
        else:
            told += 1
    return told
