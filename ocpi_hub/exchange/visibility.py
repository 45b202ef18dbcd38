"""What a platform may read of a module, said once: for the rows of a list and for their total."""

from typing import NamedTuple

from django.db.models import Q


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


NOTHING = Visible(())
EVERYTHING = Visible((Share(frozenset({""}), frozenset()),))  # that is for every fitting role
