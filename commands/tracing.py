"""One traced state for each command: begun when it goes out, settled whenever something may have changed it.

Whoever settles locks the commands first and reads what is known about them afterwards, so that the last one to
come sees everything. reconcile() is what the sweeper of each worker does, some seconds apart.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from commands import states
from commands.joining import Found, sessions_of
from commands.models import Command
from commands.states import State
from ocpi_hub.errorreports.occurrences import Noted, write
from ocpi_hub.exchange.models import Callback, Grant
from ocpi_hub.exchange.objects import grants, upserts
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.routing import Route
from ocpi_hub.logs import current_ids
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

BATCH = 500  # commands settled in one transaction
WRITTEN = ["state", "since", "note", "look_at", "led_to_owner", "led_to_id"]
_ABOUT = (
    "location_id", "evse_uid", "connector_id", "session_id", "reservation_id", "authorization_reference",
)  # fmt: skip


def begin(name: str, wire: Any, route: Route, requester: Platform, body: bytes, ids: MessageIDs) -> Callback:
    """Note a command that is about to go out, and the authorization_reference that goes with it."""
    assert route.to is not None
    token = getattr(wire, "token", None)
    reserved = getattr(wire, "expiry_date", None)
    with transaction.atomic():
        callback = callbacks.expect(
            route,
            requester,
            "commands",
            name,
            wire.response_url,
            ids,
            until=upserts.aware(reserved) if reserved else None,
            request=body.decode(),
        )
        Command.objects.create(
            callback=callback,
            command=name,
            from_party=callback.from_party,
            to_party=callback.to_party,
            token_uid=token.uid if token else "",
            token_type=token.type if token else "",
            **{field: getattr(wire, field, None) or "" for field in _ABOUT},
            requested_at=callback.created_at,
            since=callback.created_at,
            look_at=callback.created_at + states.EVERY,
        )
        if token:
            grants.note(route.sender, token.uid, route.to, wire.authorization_reference, name)
    return callback


def reconcile(now: datetime | None = None) -> int:
    """Settle the commands that time or a Session may have changed; how many were looked at."""
    now = now or timezone.now()
    looked_at = 0
    while ids := list(Command.objects.filter(look_at__lte=now).values_list("pk", flat=True)[:BATCH]):
        done = settle(ids, now, skip_locked=True)
        looked_at += done
        if not done:  # another worker has them
            break
    return looked_at


def settle_now(command_id: int) -> None:
    settle([command_id], timezone.now())


def settle(ids: list[int], now: datetime, *, skip_locked: bool = False) -> int:
    """Bring the state of these commands up to date; how many there were."""
    with transaction.atomic():
        locked = Command.objects.select_for_update(skip_locked=skip_locked)
        rows = list(locked.filter(pk__in=ids).order_by("pk"))
        known = Callback.objects.in_bulk([row.pk for row in rows])
        _join(rows, known, now)
        changed = [row for row in rows if _update(row, known[row.pk], now)]
        Command.objects.bulk_update(rows, WRITTEN)
        _withdraw(row for row in changed if row.state in states.NEVER_GOT_IT and row.authorization_reference)
        without_session = [row for row in changed if row.state == State.NO_SESSION]
        write([_without_session(row, known[row.pk], now) for row in without_session])
    for row in changed:
        if row.state in states.LED_TO_NOTHING:
            _report(row, known[row.pk])
    return len(rows)


def _join(rows: list[Command], known: dict[int, Callback], now: datetime) -> None:
    """Name the Sessions of those that a Session may still come from."""
    uncertain = [
        row.pk
        for row in rows
        if row.command in states.LEADS_TO_SESSION
        and states.state_at(row.facts(known[row.pk]), now) in states.UNCERTAIN
    ]
    found: dict[int, Found] = sessions_of(uncertain)
    for row in rows:
        if session := found.get(row.pk):
            row.led_to_owner, row.led_to_id = session


def _update(row: Command, callback: Callback, now: datetime) -> bool:
    """Whether its state is another one now."""
    state = states.state_at(row.facts(callback), now)
    row.look_at = states.next_look(row.command, state, row.requested_at, now)
    if state == row.state:
        return False
    row.state, row.since, row.note = state, now, meaning(row, callback, state)
    return True


def _withdraw(rows: Iterable[Command]) -> None:
    """Forget the references of commands that their operators never took: they authorized nothing."""
    for row in rows:
        given = Grant.objects.filter(
            token_owner=row.from_party,
            token_key=row.token_uid.upper(),
            operator=row.to_party,
            reference=row.authorization_reference,
            given_by=row.command,
        )
        Grant.objects.filter(pk__in=given.order_by("-pk").values("pk")[:1]).delete()


# --------------------------------------------------------------------------------------- what people are told
def meaning(row: Command, callback: Callback, state: State) -> str:
    """What a state means where somebody has to act; empty for all others."""
    if state == State.NO_RESULT:
        told = f"within {callback.timeout} s" if callback.timeout is not None else "in time"
        return (
            f"{row.to_party} accepted it and sent no result {told}: whether it works is unknown, and the driver may"
            f" wait in vain. {row.to_party} must send a result for each command that it accepts"
        )
    if state == State.NO_SESSION:
        return (
            f"{row.to_party} says that it worked, and no Session came: the driver may charge without being billed, or"
            f" not charge at all. {row.to_party} must push the Session, or say why there is none"
        )
    return callback.problem


def _without_session(row: Command, callback: Callback, now: datetime) -> Noted:
    text = f"{row} ({row.place}): {row.note}"
    ids = MessageIDs("", callback.correlation_id)
    return Noted(
        "command.no_session", callback.receiver_id, callback.module, text, party=row.to_party, ids=ids, at=now
    )


def _report(row: Command, callback: Callback) -> None:
    token = f", token {row.short_token}" if row.token_uid else ""
    mark = current_ids.set(MessageIDs("-", callback.correlation_id))
    try:
        logger.warning(
            "command %s, %s of %s to %s (%s%s), led to nothing: %s",
            row.pk, row.command, row.from_party, row.to_party, row.place, token, row.note,
        )  # fmt: skip
    finally:
        current_ids.reset(mark)
