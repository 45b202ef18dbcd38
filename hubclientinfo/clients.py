"""Who is to be in the list of clients, compared with who is, by one query.

Everybody reads the entries for all, except a platform that has terms of its own with a party (Agreement): that one
has entries of its own about it, which stay and follow once they are there. So there are few of them.
"""

from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from hubclientinfo.models import SEES, ClientInfo
from ocpi_hub.partners import agreements


class Client(NamedTuple):
    """A party in one role, as the hub knows it and as it is listed, to everybody or to one viewer."""

    country_code: str
    party_id: str
    role: str
    platform_id: int
    platform_status: str | None  # None: the party no longer has the role
    announced: bool  # in this role; else it was only invited
    listed: str | None  # None: not yet
    viewer: str = ""  # empty: everybody without an entry of its own
    exchanges: bool = True  # anything at all with that viewer
    listed_to_all: str | None = None  # as `listed`, in the entry for everybody


def candidates() -> list[Client]:
    """All that may have to be listed otherwise; few of them need not."""
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, _parameters())
        return [Client(*row) for row in cursor.fetchall()]


def _parameters() -> dict[str, Any]:
    pairs = [(role, seen) for role, others in SEES.items() for seen in others]
    return {
        "seers": [role for role, _ in pairs],
        "seen": [seen for _, seen in pairs],
        "modules": [module for module in settings.OCPI_MODULES if module != ClientInfo.module],
        "open": agreements.open_by_default(),
    }


# client: parties in each role that they have or were invited in; one behind another hub is what that hub tells,
#     unless the hub itself is away. A platform that the hub registers with by itself is
#     nobody's client before it has answered: it has no invitation.
# pair: whether two parties with an agreement exchange anything at all; it compares bytes, as agreements do.
# viewer: the parties of each platform, with the key that stands for the platform (viewer_of).
# own: which platform has, or may need, entries of its own about which party; it needs them in all roles or in none.
_CANDIDATES = """
WITH client AS (
    SELECT party.key, party.country_code, party.party_id, role.name AS role, role.name = ANY(party.roles) AS announced,
        platform.id AS platform_id, party.behind_hub,
        coalesce(nullif(party.told ->> role.name, 'CONNECTED'), platform.status) AS status
    FROM partners_party party JOIN partners_platform platform ON platform.id = party.platform_id
        CROSS JOIN LATERAL (SELECT DISTINCT unnest(party.roles || party.invited_roles)) role(name)
    WHERE role.name <> 'HUB' AND (platform.status <> 'PLANNED' OR EXISTS (
        SELECT FROM partners_issuedtoken token WHERE token.platform_id = platform.id AND token.kind = 'A'))
), entry AS (
    SELECT * FROM hubclientinfo_clientinfo WHERE object_id = ''
), pair AS (
    SELECT first, second, coalesce(bool_or(allowed) FILTER (WHERE module <> ''), false)
        OR count(*) FILTER (WHERE module <> '') < cardinality(%(modules)s::text[])
            AND coalesce(bool_or(allowed) FILTER (WHERE module = ''), %(open)s) AS open
    FROM partners_agreement WHERE module = '' OR module = ANY(%(modules)s) GROUP BY first, second
), viewer AS (
    SELECT platform_id, first_value(key) OVER (PARTITION BY platform_id ORDER BY id) AS viewer, key AS party, roles
    FROM partners_party WHERE NOT behind_hub
), sees AS (
    SELECT * FROM unnest(%(seers)s::text[], %(seen)s::text[]) AS sees(seer, seen)
), own AS (
    SELECT viewer.platform_id, viewer, pair.other AS key
    FROM viewer JOIN (
        SELECT first AS one, second AS other, open FROM pair UNION ALL SELECT second, first, open FROM pair
    ) pair ON viewer.party = pair.one COLLATE "C" WHERE pair.open <> %(open)s
    UNION
    SELECT viewer.platform_id, viewer, client.key
    FROM viewer CROSS JOIN client WHERE 'HUB' = ANY(viewer.roles) AND NOT %(open)s AND NOT client.behind_hub
    UNION
    SELECT viewer.platform_id, viewer, entry.owner_key
    FROM viewer JOIN entry ON entry.audience = viewer
), view AS (
    SELECT own.*, about.role, hub, exchanges, entry.status AS listed,
        bool_or(exchanges <> %(open)s OR entry.id IS NOT NULL) OVER (PARTITION BY own.viewer, own.key) AS needed
    FROM own JOIN (SELECT key, role FROM client UNION SELECT owner_key, role FROM entry) about USING (key)
        JOIN LATERAL (
            SELECT bool_or(sees.seer = 'HUB') AS hub,
                bool_or(sees.seer = 'HUB' OR coalesce(pair.open, %(open)s)) AS exchanges
            FROM viewer JOIN sees ON sees.seer = ANY(viewer.roles) AND sees.seen = about.role
                LEFT JOIN pair ON pair.first = least(viewer.party COLLATE "C", own.key COLLATE "C")
                    AND pair.second = greatest(viewer.party COLLATE "C", own.key COLLATE "C")
            WHERE viewer.platform_id = own.platform_id
        ) terms ON exchanges IS NOT NULL
        LEFT JOIN entry ON entry.audience = own.viewer AND entry.owner_key = own.key AND entry.role = about.role
)
SELECT coalesce(client.country_code, entry.country_code), coalesce(client.party_id, entry.party_id),
    coalesce(client.role, entry.role), coalesce(client.platform_id, entry.source_id),
    client.status, coalesce(client.announced, false), entry.status, '', %(open)s, entry.status
FROM client FULL JOIN (SELECT * FROM entry WHERE audience = '') entry
    ON entry.owner_key = client.key AND entry.role = client.role
WHERE entry.status IS DISTINCT FROM CASE WHEN %(open)s THEN client.status ELSE 'PLANNED' END
    OR %(open)s AND NOT client.announced
UNION ALL
SELECT coalesce(client.country_code, entry.country_code), coalesce(client.party_id, entry.party_id),
    view.role, coalesce(client.platform_id, entry.source_id),
    client.status, coalesce(client.announced, false), view.listed, view.viewer, view.exchanges, entry.status
FROM view
    LEFT JOIN client ON client.key = view.key AND client.role = view.role
    LEFT JOIN entry ON entry.audience = '' AND entry.owner_key = view.key AND entry.role = view.role
WHERE view.needed AND client.platform_id IS DISTINCT FROM view.platform_id
    AND NOT (view.hub AND coalesce(client.behind_hub, false))
    AND (view.listed IS DISTINCT FROM CASE WHEN view.exchanges THEN client.status ELSE 'PLANNED' END
        OR view.exchanges AND NOT client.announced)
ORDER BY 1, 2, 3, 8
"""
