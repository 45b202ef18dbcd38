"""Which Session a command led to: for many commands at once, by what the operators say in their Sessions.

Of several commands that one Session could come from, the last one before it counts: a driver who tries again.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import connection

from commands.states import NEVER_GOT_IT, SESSION_BEFORE, SESSION_WITHIN
from ocpi_hub.exchange.objects.ownedobject import owned_models


class Found(NamedTuple):
    """A Session."""

    owner: str  # the key of its operator
    session_id: str


_OF_BOTH = """
    session.owner_key = command.to_party AND session.audience = command.from_party
    AND command.callback_id = ANY(%(ids)s)
"""
# Nobody else's already, and no later attempt of the same driver at that place.
_FREE = """
    NOT EXISTS (
        SELECT FROM commands_command other
        WHERE other.led_to_owner = session.owner_key AND upper(other.led_to_id) = session.key
            AND other.command = command.command AND other.callback_id <> command.callback_id)
    AND NOT EXISTS (
        SELECT FROM commands_command later
        WHERE later.from_party = command.from_party AND upper(later.token_uid) = upper(command.token_uid)
            AND later.to_party = command.to_party AND later.command = command.command
            AND upper(later.location_id) = upper(command.location_id)
            AND (later.evse_uid = '' OR upper(later.evse_uid) = upper(session.evse_uid))
            AND (later.requested_at, later.callback_id) > (command.requested_at, command.callback_id)
            AND later.requested_at <= session.start_date_time + %(before)s
            AND later.state <> ALL(%(never)s))
"""
_BY_REFERENCE = """
SELECT command.callback_id, command.command, session.owner_key, session.object_id
FROM commands_command command JOIN {sessions} session
    ON upper(session.authorization_reference) = upper(command.authorization_reference)
WHERE {of_both} AND command.command IN ('START_SESSION', 'RESERVE_NOW') AND command.authorization_reference <> ''
    AND greatest(session.created_at, session.start_date_time) >= command.requested_at - %(before)s AND {free}
ORDER BY command.requested_at DESC, session.start_date_time
"""
_BY_DRIVER = """
SELECT command.callback_id, command.command, session.owner_key, session.object_id
FROM commands_command command JOIN {sessions} session ON upper(session.token_uid) = upper(command.token_uid)
WHERE {of_both} AND command.command IN ('START_SESSION', 'RESERVE_NOW')
    AND session.token_type = command.token_type AND upper(session.location_id) = upper(command.location_id)
    AND (command.evse_uid = '' OR upper(session.evse_uid) = upper(command.evse_uid))
    AND (command.command = 'START_SESSION' OR session.status = 'RESERVATION')
    AND session.start_date_time >= command.requested_at - %(before)s
    AND session.start_date_time <= command.requested_at + %(within)s AND {free}
ORDER BY command.requested_at DESC, session.start_date_time
"""
_STOPPED = """
SELECT command.callback_id, command.command, session.owner_key, session.object_id
FROM commands_command command JOIN {sessions} session ON session.key = upper(command.session_id)
WHERE {of_both} AND command.command = 'STOP_SESSION' AND session.status = 'COMPLETED'
"""


def sessions_of(ids: list[int]) -> dict[int, Found]:
    """The Sessions that these commands led to, as far as there are any."""
    model = owned_models().get("sessions")
    if model is None or not ids:
        return {}
    parameters = {
        "ids": ids,
        "before": SESSION_BEFORE,
        "within": SESSION_WITHIN,
        "never": [str(state) for state in NEVER_GOT_IT],
    }
    table = connection.ops.quote_name(model._meta.db_table)
    found: dict[int, Found] = {}
    with connection.cursor() as cursor:
        for query in (_STOPPED, _BY_REFERENCE, _BY_DRIVER):
            cursor.execute(query.format(sessions=table, of_both=_OF_BOTH, free=_FREE), parameters)
            _take(cursor.fetchall(), found)
    return found


def _take(rows: Iterable[tuple[int, str, str, str]], found: dict[int, Found]) -> None:
    """One Session for a command, and one command of a kind for a Session."""
    taken: set[tuple[str, Found]] = set()
    for command_id, command, owner, session_id in rows:
        session = Found(owner, session_id)
        if command_id not in found and (command, session) not in taken:
            found[command_id] = session
            taken.add((command, session))
