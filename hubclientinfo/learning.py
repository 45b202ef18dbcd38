"""Reaches the clients of other hubs as those tell of them (docs/decisions/0009-parties-behind-another-hub.md).

What a hub PUTs, or has in its list, is kept as it came (ClientInfo.told_by). Here the parties follow it.
"""

import json
import logging
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.routing import hub_party
from ocpi_hub.partners import claims
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

CHUNK = 200  # parties in one transaction: registrations wait for it


class Told(NamedTuple):
    """A party behind another hub, and the hub that it is to be reached through."""

    country_code: str
    party_id: str
    hub_id: int  # its platform
    statuses: dict[str, str]  # by role

    @property
    def ref(self) -> PartyRef:
        return PartyRef(self.country_code, self.party_id)


def learn() -> int:
    """Make the parties behind other hubs what those tell; how many changed. One query tells when there is nothing."""
    changed = 0
    while found := news():
        hubs = Platform.objects.in_bulk({told.hub_id for told in found})
        with transaction.atomic():
            learnt = [told for told in found if claims.learn(hubs[told.hub_id], told.ref, told.statuses)]
            for told in learnt:
                _follow(hubs[told.hub_id], told)
        changed += len(learnt)
        if len(found) < CHUNK or not learnt:
            break
    return changed


def _follow(hub: Platform, told: Told) -> None:
    """What waits for a party that is there again is due."""
    logger.info("%s is behind %s: %s", told.ref, hub, told.statuses)
    if Status.CONNECTED in told.statuses.values():
        waiting = Delivery.objects.filter(platform=hub, to_party=told.ref.key, state=Delivery.State.PENDING)
        waiting.update(next_attempt_at=timezone.now())


def news() -> list[Told]:
    with connection.cursor() as cursor:
        cursor.execute(_NEWS, {"us": hub_party().key, "chunk": CHUNK})
        return [
            Told(country_code, party_id, hub_id, json.loads(statuses))
            for country_code, party_id, hub_id, statuses in cursor.fetchall()
        ]


# telling: what each hub says of a party. Of several that one counts which has it CONNECTED, and of several such the
#     one that it is reached through already, else the first that told of it. One that has left counts last.
# A party that its own platform has given up is taken when all who knew it were told, hubs among them.
_NEWS = """
WITH telling AS (
    SELECT entry.owner_key AS key, min(entry.country_code) AS country_code, min(entry.party_id) AS party_id,
        platform.id AS hub_id, jsonb_object_agg(entry.role, entry.status) AS told,
        bool_or(entry.status = 'CONNECTED') AND platform.status IN ('CONNECTED', 'OFFLINE') AS there,
        min(entry.created_at) AS since
    FROM hubclientinfo_clientinfo entry
        JOIN partners_party hub ON hub.key = entry.object_id AND NOT hub.behind_hub AND 'HUB' = ANY(hub.roles)
        JOIN partners_platform platform ON platform.id = hub.platform_id
    WHERE entry.role <> 'HUB' AND entry.owner_key <> %(us)s
    GROUP BY entry.owner_key, platform.id
), wanted AS (
    SELECT DISTINCT ON (telling.key) telling.*
    FROM telling LEFT JOIN partners_party party ON party.key = telling.key AND party.behind_hub
    ORDER BY telling.key, there DESC, (party.platform_id = hub_id) DESC NULLS LAST, since, hub_id
)
SELECT wanted.country_code, wanted.party_id, hub_id, wanted.told::text
FROM wanted LEFT JOIN partners_party party ON party.key = wanted.key
WHERE party.id IS NULL
    OR party.behind_hub AND (party.platform_id <> hub_id OR party.told <> wanted.told)
    OR NOT party.behind_hub AND party.roles = '{}' AND party.invited_roles = '{}' AND NOT EXISTS (
        SELECT FROM exchange_message message WHERE message.module = 'hubclientinfo' AND message.expanded_at IS NULL
            AND starts_with(message.parent_key, replace(party.key, '*', '/') || '?'))
ORDER BY wanted.key LIMIT %(chunk)s
"""
