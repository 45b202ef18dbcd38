"""What a platform may read of a module, said once: for the rows of a list and for their total."""

from typing import NamedTuple

from django.db.models import Q

from ocpi_hub.partners.agreements import Terms


class Share(NamedTuple):
    """What is for some audiences: of all owners but these, or of these alone."""

    audiences: frozenset[str]  # keys of parties; the empty one is that of what is for every fitting role
    owners: frozenset[str]  # keys of parties
    alone: bool = False

    def where(self) -> Q:
        theirs = Q(owner_key__in=sorted(self.owners))
        return Q(audience__in=sorted(self.audiences)) & (theirs if self.alone else ~theirs)


class Visible(NamedTuple):
    """All that is in one of the shares."""

    shares: tuple[Share, ...]
    variants: tuple[str, ...] | None = None  # of a module that has variants; None: all of them

    def where(self, variant_field: str) -> Q:
        """For whatever has the columns owner_key, audience, and this one."""
        if not self.shares:
            return Q(pk__in=[])
        found = Q()
        for share in self.shares:
            found |= share.where()
        return found if self.variants is None else found & Q(**{f"{variant_field}__in": self.variants})


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
