"""What a partner has of the list of clients, compared with what it should have (mod_hub_client_info, Receiver GET).

A partner may have lost or overwritten an entry that it once accepted, and then goes on calling a party that is
gone, or never calls one that is there. What it lacks or has otherwise is pushed to it again.
"""

import logging
from typing import Any

from django.db import transaction

from hubclientinfo.models import ClientInfo, viewer_of
from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.partners.models import Endpoint, Platform, Status
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer, CallFailed, join
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)


def compare_all() -> int:
    """With every partner that is there; how many entries were pushed again."""
    return sum(compare(platform) for platform in Platform.objects.filter(status=Status.CONNECTED))


def compare(platform: Platform) -> int:
    """How many entries this partner lacked or had otherwise. One that offers no GET, or is away, is left alone."""
    endpoint = platform.endpoint(ClientInfo.module, Endpoint.Role.RECEIVER)
    if endpoint is None or platform.pull_only:
        return 0
    rows = list(ClientInfo.objects.visible_to(platform).select_related("source"))
    ids, wrong = MessageIDs.new(), []
    try:
        client = transports.client_for(platform)
        for row in rows:
            transports.release_connection()
            answer = client.request("GET", join(endpoint, row.country_code, row.party_id), ids=ids.child())
            if answer.http_status in (401, 405, 501):
                break
            if differs(row, answer):
                wrong.append(row)
    except (CallFailed, UnreadableSecret) as error:
        logger.info("what %s has of the list of clients is not known: %s", platform, error)
    for row in wrong:
        logger.warning("%s has %s otherwise than it is, and gets it again", platform, row)
        note(
            "object.differs",
            platform.pk,
            ClientInfo.module,
            f"it had {row} otherwise",
            subject=str(row),
            ids=ids,
        )
        _push_again(row, viewer_of(platform.speaks_for), ids)
    return len(wrong)


def differs(row: ClientInfo, answer: Answer) -> bool:
    """Whether a partner has not, or has otherwise, what the row says; any other answer proves nothing.

    A party of several roles has one address, at which its last one stands (interpretations, P132).
    """
    if answer.http_status == 404:
        return True
    data: Any = answer.envelope.data if answer.ok and answer.envelope else None
    return isinstance(data, dict) and data.get("role") == row.role and data.get("status") != row.status


def _push_again(row: ClientInfo, viewer: str, ids: MessageIDs) -> None:
    stored = Stored(row.pk, created=False, audience=viewer)
    with transaction.atomic():
        outbox.publish(ClientInfo, row.own_address, stored, row.source, ids.child())
