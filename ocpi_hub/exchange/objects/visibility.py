"""What a platform may read of a module, said once: for the rows of a list and for their total."""

from typing import Any, NamedTuple

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from ocpi_hub.partners.agreements import Terms


class Condition(NamedTuple):
    """What is asked of a row, in SQL; every value is a parameter."""

    sql: str
    parameters: list[Any]

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(f"{self.sql} AND {other.sql}", [*self.parameters, *other.parameters])

    def as_filter(self) -> RawSQL:
        return RawSQL(f"({self.sql})", self.parameters, output_field=BooleanField())  # noqa: S611  # no value in it


class Share(NamedTuple):
    """What is for some audiences: of all owners but these, or of these alone."""

    audiences: frozenset[str]  # keys of parties; the empty one is that of what is for every fitting role
    owners: frozenset[str]  # keys of parties
    alone: bool = False

    def condition(self) -> Condition:
        theirs = "owner_key = ANY(%s)" if self.alone else "NOT owner_key = ANY(%s)"
        parameters = [sorted(self.audiences), sorted(self.owners)]
        return Condition(f"(audience = ANY(%s) AND {theirs})", parameters)


class Visible(NamedTuple):
    """All that is in one of the shares."""

    shares: tuple[Share, ...]
    variants: tuple[str, ...] | None = None  # of a module that has variants; None: all of them

    def condition(self, variant_field: str) -> Condition:
        """For whatever has the columns owner_key, audience, and this one."""
        if not self.shares:
            return Condition("false", [])
        each = [share.condition() for share in self.shares]
        found = Condition(
            f"({' OR '.join(one.sql for one in each)})", [value for one in each for value in one.parameters]
        )
        if self.variants is None:
            return found
        return found & Condition(f'"{variant_field}" = ANY(%s)', [list(self.variants)])


def shared_with(own: frozenset[str], readers: list[str], terms: Terms, module: str) -> Share:
    """What all owners made for everybody, for those who have an agreement with one of the readers at least.

    `own` are the parties of the readers' platform, which see nothing of their own.
    """
    exceptions = [terms.exceptions(reader, module) for reader in readers]
    return Share(frozenset({""}), *_owners(own, exceptions, terms))


def addressed_to(own: frozenset[str], terms: Terms, module: str) -> tuple[Share, ...]:
    """What is for these parties: for each of them that of the owners it has an agreement with."""
    audiences: dict[tuple[frozenset[str], bool], set[str]] = {}
    for key in sorted(own):
        owners = _owners(own, [terms.exceptions(key, module)], terms)
        audiences.setdefault(owners, set()).add(key)
    return tuple(Share(frozenset(keys), *owners) for owners, keys in audiences.items())


def _owners(own: frozenset[str], exceptions: list[set[str]], terms: Terms) -> tuple[frozenset[str], bool]:
    if terms.default:
        return own | set.intersection(*exceptions), False
    return frozenset(set.union(*exceptions) - own), True


NOTHING = Visible(())
EVERYTHING = Visible((Share(frozenset({""}), frozenset()),))  # that is for every fitting role

# A row that an older transaction, still open, may yet slip in front of waits; those of our own are shown.
SETTLED = Condition(
    "(inserted_in < pg_snapshot_xmin(pg_current_snapshot()) OR inserted_in = pg_current_xact_id_if_assigned())",
    [],
)
