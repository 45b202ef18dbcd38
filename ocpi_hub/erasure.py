"""A driver's data, erased on request: what each app holds of a driver, and what becomes of it.

An app names it in its `holdings.py`: tables and columns, whether rows are deleted, keep a pseudonym in place of the
driver's token, or stay as they are, and why. A system check walks all columns that could hold a token's uid, so that
no new one is forgotten. Erasing goes table by table and batch by batch; whoever runs it again finishes what was left.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import OperationalError, connection, models, transaction
from django.db.models import Case, GeneratedField, Model, Q, QuerySet, TextField, When
from django.db.models.functions import Cast

from ocpi_hub.mentions import Form, spelled
from ocpi_hub.pseudonyms import Driver, like_a_word, owners_named, with_pseudonym

LARGE_TABLES = 6  # whose counting may be left off before the time for it is over
BATCH = 500  # rows changed in one transaction
SHORTEST_NAME = 36  # characters of the shortest column that a token's uid fits into whatever it is


class Fate(Enum):
    DELETED = "is deleted"
    REPLACED = "keeps a pseudonym in place of the token"
    KEPT = "stays as it is"


class Holding(NamedTuple):
    """What one table holds of drivers."""

    model: str  # such as exchange.Message
    what: str  # for people, in the plural
    fate: Fate
    why: str
    columns: dict[str, Form]
    rows: Callable[[Driver], Q] | None = None  # which rows; without it those that name the driver
    about: Callable[[Driver], Q] | None = (
        None  # which rows are about the driver, though no column names the token
    )
    parties: tuple[
        str, ...
    ] = ()  # columns with the keys of parties, one of which may be the token's provider
    waits: Callable[[], Q] | None = None  # rows that cannot be touched yet
    until: str = ""  # what they wait for
    besides: Callable[[Any], dict[str, object]] | None = None  # what else changes in a row
    remove: Callable[[type[Any], list[int]], object] | None = None  # how rows are deleted, if not simply so
    day: str = ""  # the column by which the table is partitioned


class Finding(NamedTuple):
    """What is there, or what was done: rows of a holding, and how many of them have to wait."""

    holding: Holding
    rows: int
    waiting: int = 0
    unclear: int = 0  # besides: rows that may name another provider's token of the same uid, and are left
    counted: bool = True  # if not, counting would have taken too long
    alike: int = 0  # rows with a word in a text like a short or common uid, that nothing says to be one

    @property
    def left(self) -> int:
        return self.waiting + self.unclear

    @property
    def is_anything(self) -> bool:
        return bool(self.rows or self.unclear or self.alike or not self.counted)


class Plan(NamedTuple):
    driver: Driver
    findings: list[Finding]
    notes: list[str]  # what somebody should know or do besides

    @property
    def waiting(self) -> int:
        return sum(found.left for found in self.findings)


_holdings: list[Holding] = []
_harmless: dict[str, set[str]] = {}
_notes: list[Callable[[Driver], Iterator[str]]] = []
_aliases: list[Callable[[str, str], set[str]]] = []
_rivals: list[Callable[[str, str], set[str]]] = []


def holds(holding: Holding) -> None:
    """Holdings are erased in the order in which they are named."""
    _holdings.append(holding)


def harmless(model: str, *columns: str) -> None:
    """These columns hold nothing of a driver."""
    _harmless.setdefault(model, set()).update(columns)


def tells(note: Callable[[Driver], Iterator[str]]) -> Callable[[Driver], Iterator[str]]:
    """What an app has to say besides, to whoever is about to erase."""
    _notes.append(note)
    return note


def also_names(find: Callable[[str, str], set[str]]) -> Callable[[str, str], set[str]]:
    """What else names the driver of a token, by its owner's key and its uid."""
    _aliases.append(find)
    return find


def also_has(find: Callable[[str, str], set[str]]) -> Callable[[str, str], set[str]]:
    """Which other providers have a token of the same uid, by its owner's key and its uid."""
    _rivals.append(find)
    return find


def driver_of(owner: str, uid: str, others: Iterable[str] = ()) -> Driver:
    owner = owner.upper()
    found = {name for find in _aliases for name in find(owner, uid)} | set(others)
    rivals = {key for find in _rivals for key in find(owner, uid)}
    names = sorted(name for name in found if name.upper() != uid.upper())
    return Driver(owner, uid, tuple(names), tuple(sorted(rivals)))


# ------------------------------------------------------------------------------------- what is there, and erasing it
def plan(driver: Driver, seconds: float = math.inf) -> Plan:
    """What would go and what would stay; changes nothing. What is not counted by then is left uncounted.

    No table takes the time of all others, so that of many small ones and a large one the small ones are counted.
    """
    until = monotonic() + seconds
    findings = [
        _look_until(min(until, monotonic() + seconds / LARGE_TABLES), holding, driver)
        for holding in _holdings
    ]
    notes = [text for note in _notes for text in note(driver)]
    in_order = sorted(
        (found for found in findings if found.is_anything),
        key=lambda found: [*Fate].index(found.holding.fate),
    )
    return Plan(driver, in_order, notes)


def erase(
    driver: Driver,
    progress: Callable[[Finding], object] = lambda found: None,
    *,
    before: Callable[[int, Holding], object] = lambda number, holding: None,
    alive: Callable[[], object] = lambda: None,
    begin_at: int = 0,
) -> list[Finding]:
    """Do it; each table's finding as soon as it is done. What waits is left for the next time.

    `before` is told of each table, `alive` is called every so many rows, and may raise to leave off.
    """
    done = []
    for number, holding in enumerate(_holdings[begin_at:], begin_at):
        before(number, holding)
        found = _erase(holding, driver, alive)
        if found.is_anything:
            done.append(found)
            progress(found)
    return done


def tables() -> list[str]:
    """In the order in which they are erased."""
    return [holding.what for holding in _holdings]


class TookTooLong(Exception):
    """Counting was left off."""


def _look_until(until: float, holding: Holding, driver: Driver) -> Finding:
    def alive() -> None:
        if monotonic() > until:
            raise TookTooLong

    try:
        alive()
        if math.isinf(until):
            return _look(holding, driver, alive)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {max(int((until - monotonic()) * 1000), 1)}")
            found = _look(holding, driver, alive)
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
            return found
    except TookTooLong:
        return Finding(holding, 0, counted=False)
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        return Finding(holding, 0, counted=False)


class Found(NamedTuple):
    """Rows that are about the driver, each with its day if the table has days; and how many may be."""

    rows: dict[Any, Any]
    unclear: int = 0
    alike: int = 0


def _look(holding: Holding, driver: Driver, alive: Callable[[], object]) -> Finding:
    found = _found(holding, driver, alive)
    waiting = _waiting(holding, list(found.rows))
    return Finding(holding, len(found.rows), len(waiting), found.unclear, alike=found.alike)


def _erase(holding: Holding, driver: Driver, alive: Callable[[], object]) -> Finding:
    found = _found(holding, driver, alive)
    rows = found.rows
    waiting = _waiting(holding, list(rows)) if holding.fate is not Fate.KEPT else set()
    free = [pk for pk in rows if pk not in waiting]
    for start in range(0, len(free), BATCH):
        alive()
        batch = free[start : start + BATCH]
        if holding.fate is Fate.DELETED:
            _delete(holding, batch)
        elif holding.fate is Fate.REPLACED:
            _replace(holding, driver, {pk: rows[pk] for pk in batch})
    return Finding(holding, len(rows), len(waiting), found.unclear, alike=found.alike)


def _found(holding: Holding, driver: Driver, alive: Callable[[], object]) -> Found:
    """In one reading of the table."""
    if holding.rows and holding.fate is not Fate.REPLACED:
        rows = _rows(holding).filter(holding.rows(driver)).values_list("pk", flat=True)
        return Found(dict.fromkeys(rows))
    rows = _naming(holding, driver)
    if holding.rows:
        rows = rows.filter(holding.rows(driver))
    days = [holding.day] if holding.day else []
    found, unclear, alike = {}, 0, 0
    rows = rows.only("pk", *days, *holding.parties, *holding.columns)
    for number, row in enumerate(rows.iterator(1000)):
        if number % 1000 == 0:
            alive()
        if changes := _changes(holding, driver, row):
            found[row.pk] = getattr(row, holding.day) if days else None
        elif _whose(holding, driver, row) is Whose.UNCLEAR:
            unclear += 1
            continue
        alike += _has_a_word_alike(holding, driver, row, changes)
    return Found(dict(sorted(found.items(), key=lambda item: item[1])) if days else found, unclear, alike)


def _rows(holding: Holding) -> QuerySet[Any]:
    model: Any = apps.get_model(holding.model)
    rows: QuerySet[Any] = model._default_manager.order_by()
    return rows


def _marked(holding: Holding, driver: Driver) -> QuerySet[Any]:
    """All rows, each with what the table can say of whether it is about the driver."""
    about = holding.about(driver) if holding.about else Q(pk__in=[])
    return _rows(holding).annotate(is_about=Case(When(about, then=True), default=False))


def _naming(holding: Holding, driver: Driver) -> QuerySet[Any]:
    """Rows whose columns have one of the names in them, in whatever spelling; some that mean something else too."""
    as_text = {f"{column}_as_text": Cast(column, TextField()) for column in holding.columns}
    wanted = Q()
    for column in as_text:
        # PostgreSQL is faster with a pattern for each than with one for all.
        for name in driver.names:
            wanted |= Q(**{f"{column}__iregex": spelled(name)})
    return _marked(holding, driver).annotate(**as_text).filter(wanted)


def _waiting(holding: Holding, ids: list[Any]) -> set[Any]:
    if not holding.waits or not ids:
        return set()
    return set(_rows(holding).filter(holding.waits(), pk__in=ids).values_list("pk", flat=True))


def _delete(holding: Holding, ids: list[Any]) -> None:
    model: Any = apps.get_model(holding.model)
    with transaction.atomic():
        if holding.remove:
            holding.remove(model, ids)
        else:
            model._default_manager.filter(pk__in=ids).delete()


def _replace(holding: Holding, driver: Driver, found: dict[Any, Any]) -> None:
    rows = _rows(holding)
    with transaction.atomic():
        locked = _marked(holding, driver).order_by("pk").select_for_update(of=("self",))
        for row in locked.filter(_at(holding, found)):
            if changes := _changes(holding, driver, row):
                more = holding.besides(row) if holding.besides else {}
                rows.filter(_at(holding, {row.pk: found[row.pk]})).update(**changes, **more)


def _at(holding: Holding, found: dict[Any, Any]) -> Q:
    """What finds rows by the primary key, which of a table of days begins with the day."""
    days = Q(**{f"{holding.day}__in": set(found.values())}) if holding.day else Q()
    return Q(pk__in=found) & days


def _changes(holding: Holding, driver: Driver, row: Model) -> dict[str, object]:
    """The columns as they are to be, of those that name the driver."""
    found = {}
    unsaid = _whose(holding, driver, row) is Whose.THE_DRIVERS
    about = unsaid and _is_about(holding, driver, row)
    for column, form in holding.columns.items():
        value = getattr(row, column)
        if value and (new := with_pseudonym(value, driver, form, unsaid, anywhere=about)) != value:
            found[column] = new
    return found


def _is_about(holding: Holding, driver: Driver, row: Any) -> bool:
    """Whether more than a text that has a word like its uid says that a row is about the driver's token."""
    if row.is_about:
        return True
    named = {
        owner
        for column, form in holding.columns.items()
        if form is not Form.TEXT and (value := getattr(row, column))
        for owner in owners_named(value, driver, form)
    }
    return bool(named & {"", driver.owner})


def _has_a_word_alike(holding: Holding, driver: Driver, row: Any, changes: dict[str, object]) -> bool:
    """Whether a text has such a word, and keeps it."""
    texts = [column for column, form in holding.columns.items() if form is Form.TEXT]
    return any(
        like_a_word(text if isinstance(text, str) else json.dumps(text), driver)
        for column in texts
        if (text := changes.get(column, getattr(row, column)))
    )


class Whose(Enum):
    """Whose token it is that a row names without its provider."""

    THE_DRIVERS = "the driver's"
    ANOTHERS = "another provider's"
    UNCLEAR = "nobody can tell"


def _whose(holding: Holding, driver: Driver, row: Model) -> Whose:
    """By what else the row says; if it says nothing, it can only be told where one provider alone has such a uid."""
    named = {
        owner
        for column, form in holding.columns.items()
        if (value := getattr(row, column))
        for owner in owners_named(value, driver, form)
    }
    parties = {getattr(row, column) for column in holding.parties}
    said = (named - {""}) or (parties & set(driver.providers))
    if said:
        return Whose.THE_DRIVERS if driver.owner in said else Whose.ANOTHERS
    return Whose.UNCLEAR if driver.rivals and named else Whose.THE_DRIVERS


# ------------------------------------------------------------------------------------------- that none is forgotten
def unnamed() -> list[str]:
    """Columns that a token's uid fits into, and of which nobody says what becomes of them: app.Model.column."""
    named = {(holding.model, column) for holding in _holdings for column in holding.columns}
    named |= {(model, column) for model, columns in _harmless.items() for column in columns}
    return sorted(
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if could_name(field) and (model._meta.label, field.name) not in named
    )


def could_name(field: Any) -> bool:
    """Whether it is text of that length whose values are not from a list of ours."""
    kind = field.output_field if isinstance(field, GeneratedField) else field
    kind = kind.base_field if isinstance(kind, ArrayField) else kind
    if not isinstance(kind, models.CharField | models.TextField | models.JSONField) or kind.choices:
        return False
    return (kind.max_length or SHORTEST_NAME) >= SHORTEST_NAME
