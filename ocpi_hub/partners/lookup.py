"""Who calls, and who is called: what every request asks the database, as two statements that are written out.

The ORM would put each of them together anew for every request, at several times the cost of running it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models

from ocpi_hub.partners.models import Agreement, Endpoint, IssuedToken, Party, Platform, Status

Row = TypeVar("Row", bound=models.Model)
LATER = ("business_details",)  # read only when it is asked for


def issued_tokens(digests: Iterable[str], now: datetime) -> list[IssuedToken]:
    """The valid tokens with these digests, with their platforms and those platforms' own parties."""
    with connection.cursor() as cursor:
        cursor.execute(_callers(), {"digests": list(digests), "now": now, "suspended": Status.SUSPENDED})
        rows = cursor.fetchall()
    found: dict[int, tuple[IssuedToken, list[Party]]] = {}
    for row in rows:
        issued, platform, party = _split(row, IssuedToken, Platform, Party)
        if issued.pk not in found:
            issued.platform = platform
            found[issued.pk] = issued, []
        if party.pk is not None:
            party.platform = found[issued.pk][0].platform
            found[issued.pk][1].append(party)
    for issued, parties in found.values():
        issued.platform.speaks_for = parties
    return [issued for issued, _ in found.values()]


def addressee(key: str, sender: str, module: str, role: str) -> Party | None:
    """A party that the hub knows, by its key: with its platform, in `endpoint` the URL of the interface, and in
    `agreement` what was agreed between it and the sender, None where there is no such.
    """
    first, second = sorted((key, sender))
    with connection.cursor() as cursor:
        cursor.execute(
            _addressees(), {"key": key, "module": module, "role": role, "first": first, "second": second}
        )
        row = cursor.fetchone()
    if row is None:
        return None
    party, platform = _split(row, Party, Platform)
    party.platform, party.endpoint, party.agreement = platform, *row[-2:]
    return party


def _split(row: Sequence[Any], *kinds: type[models.Model]) -> list[Any]:
    """The instances that stand side by side in a row, each with the columns of _names()."""
    found, start = [], 0
    for kind in kinds:
        names = _names(kind)
        values = list(row[start : start + len(names)])
        for place in _json(kind):
            values[place] = json.loads(values[place]) if values[place] else None
        found.append(kind.from_db("default", names, values))
        start += len(names)
    return found


@cache
def _json(kind: type[models.Model]) -> list[int]:
    """Where the columns stand that arrive as text, which the ORM would read."""
    names = _names(kind)
    fields = [field for field in kind._meta.concrete_fields if isinstance(field, models.JSONField)]
    return [names.index(field.attname) for field in fields if field.attname in names]


@cache
def _names(kind: type[models.Model]) -> list[str]:
    return [field.attname for field in kind._meta.concrete_fields if field.attname not in LATER]


def _columns(kind: type[models.Model], alias: str) -> str:
    fields = {field.attname: field.column for field in kind._meta.concrete_fields}
    return ", ".join(f"{alias}.{connection.ops.quote_name(fields[name])}" for name in _names(kind))


@cache
def _callers() -> str:
    # Tables and columns are our own models'; every value is a parameter.
    return f"""
        SELECT {_columns(IssuedToken, "token")}, {_columns(Platform, "platform")}, {_columns(Party, "party")}
        FROM {IssuedToken._meta.db_table} token
        JOIN {Platform._meta.db_table} platform ON platform.id = token.platform_id
        LEFT JOIN {Party._meta.db_table} party ON party.platform_id = platform.id AND NOT party.behind_hub
        WHERE token.digest = ANY(%(digests)s) AND (token.expires_at IS NULL OR token.expires_at > %(now)s)
            AND platform.status <> %(suspended)s
        ORDER BY token.id, party.id
    """  # noqa: S608


@cache
def _addressees() -> str:
    return f"""
        SELECT {_columns(Party, "party")}, {_columns(Platform, "platform")}, endpoint.url, (
            SELECT allowed FROM {Agreement._meta.db_table}
            WHERE first = %(first)s AND second = %(second)s AND module IN ('', %(module)s)
            ORDER BY module DESC LIMIT 1)
        FROM {Party._meta.db_table} party
        JOIN {Platform._meta.db_table} platform ON platform.id = party.platform_id
        LEFT JOIN {Endpoint._meta.db_table} endpoint ON endpoint.platform_id = platform.id
            AND endpoint.module = %(module)s AND endpoint.role = %(role)s
        WHERE party.key = %(key)s AND (party.roles <> '{{}}' OR party.invited_roles <> '{{}}')
    """  # noqa: S608
