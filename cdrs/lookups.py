"""What the hub knows beside CDRs, for their findings: a fixed number of queries, however many CDRs there are."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Upper

from cdrs.credits import Credited
from cdrs.plausibility import Beside, KnownSession, is_unknown, owner, provider
from ocpi_hub.exchange.objects.findings import FILLER
from ocpi_hub.exchange.objects.grants import Use, given
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.partners.models import Party
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.codec import check, parse

Name = tuple[str, str]  # the owner's key and an id, upper case


def beside(cdrs: list[CDR]) -> list[Beside]:
    sessions, evses, credited = _sessions(cdrs), _evses(cdrs), _credited(cdrs)
    agreed = _agreed_on_1970(cdrs)
    references = given([_use(cdr) for cdr in cdrs])
    return [
        Beside(
            session=_session_of(cdr, sessions),
            given=known,
            evse_owner=_other_owner(cdr, evses),
            unknown_as_1970=owner(cdr).key in agreed,
            credited=credited.get(_name(cdr, cdr.id), Credited()),
        )
        for cdr, known in zip(cdrs, references, strict=True)
    ]


def _name(cdr: CDR, object_id: str) -> Name:
    return owner(cdr).key, object_id.upper()


def _rows(model: type[OwnedObject], names: set[Name]) -> QuerySet[Any]:
    """A little more than these objects, where several owners have one id; found by their key."""
    owners, keys = {name[0] for name in names}, {name[1] for name in names}
    return model.objects.present().filter(owner_key__in=owners, key__in=keys)


# ----------------------------------------------------------------------------------------------- sessions
def _sessions(cdrs: list[CDR]) -> dict[Name, list[KnownSession]]:
    model = owned_models().get("sessions")
    names = {_name(cdr, cdr.session_id) for cdr in cdrs if cdr.session_id is not None}
    found: dict[Name, list[KnownSession]] = {}
    if model is not None and names:
        for owner_key, key, *columns in _rows(model, names).values_list(
            "owner_key", "key", *KnownSession._fields
        ):
            found.setdefault((owner_key, key), []).append(KnownSession(*columns))
    return found


def _session_of(cdr: CDR, sessions: dict[Name, list[KnownSession]]) -> KnownSession | None:
    """The one for the same provider, if there is such: a copy may have gone to another one."""
    found = sessions.get(_name(cdr, cdr.session_id), []) if cdr.session_id is not None else []
    fitting = [known for known in found if known.audience == provider(cdr).key]
    return next(iter(fitting + found), None)


def _use(cdr: CDR) -> Use:
    end = cdr.last_updated if is_unknown(cdr.end_date_time) else cdr.end_date_time
    return Use(provider(cdr), cdr.cdr_token.uid, owner(cdr), end, cdr.authorization_reference)


# -------------------------------------------------------------------------------------------------- EVSEs
Owners = dict[tuple[str, ...], set[str]]  # by (evse_id,) and by (Location, uid)


def _evses(cdrs: list[CDR]) -> Owners:
    """Whose EVSEs the hub knows under these names: an evse_id is unique in the world, a uid at its Location only."""
    locations = owned_models().get("locations")
    found: Owners = {}
    if locations is None:
        return found
    ids = {cdr.cdr_location.evse_id.upper() for cdr in cdrs} - {FILLER}
    by_id = locations.objects.present().annotate(evse=Upper("evse_rows__evse_id")).filter(evse__in=ids)
    for owner_key, evse_id in by_id.values_list("owner_key", "evse"):
        found.setdefault((evse_id,), set()).add(owner_key)
    places = {cdr.cdr_location.id.upper() for cdr in cdrs}
    uids = {cdr.cdr_location.evse_uid.upper() for cdr in cdrs} - {FILLER}
    by_place = locations.objects.present().filter(key__in=places, evse_rows__key__in=uids)
    for owner_key, *place in by_place.values_list("owner_key", "key", "evse_rows__key"):
        found.setdefault(tuple(place), set()).add(owner_key)
    return found


def _other_owner(cdr: CDR, owners: Owners) -> str:
    """Whose its EVSE is, when that is not the CDR's owner."""
    place = cdr.cdr_location
    for mark in ((place.evse_id.upper(),), (place.id.upper(), place.evse_uid.upper())):
        if known := owners.get(mark):
            return "" if owner(cdr).key in known else min(known)
    return ""


# ------------------------------------------------------------------------------------------------- credits
def _credited(cdrs: list[CDR]) -> dict[Name, Credited]:
    """For each credit, what it takes back, by the credit's own name; also from among these CDRs."""
    wanted = {_reference(cdr) for cdr in cdrs if cdr.credit}
    if not wanted:
        return {}
    originals = stored(wanted) | {_name(cdr, cdr.id): cdr for cdr in cdrs}
    credits = _credits_of(wanted)
    found = {}
    for cdr in cdrs:
        if cdr.credit:
            known = credits.setdefault(_reference(cdr), [])
            earlier = tuple(other for other in known if other.upper() != cdr.id.upper())
            found[_name(cdr, cdr.id)] = Credited(originals.get(_reference(cdr)), earlier)
            known.append(cdr.id)
    return found


def _reference(credit: CDR) -> Name:
    return _name(credit, credit.credit_reference_id or "")


def stored(names: set[Name]) -> dict[Name, CDR]:
    """The CDRs of these names that the hub has."""
    rows = _rows(owned_models()["cdrs"], names).values_list("owner_key", "key", "document")
    return {(owner_key, key): check(parse(text.encode()), CDR) for owner_key, key, text in rows}


def _credits_of(names: set[Name]) -> dict[Name, list[str]]:
    """The ids of the credits that the hub has of these CDRs."""
    rows = owned_models()["cdrs"].objects.present().annotate(of=Upper("credit_reference_id"))
    rows = rows.filter(owner_key__in={name[0] for name in names}, of__in={name[1] for name in names})
    found: dict[Name, list[str]] = {}
    for owner_key, of, object_id in rows.order_by("id").values_list("owner_key", "of", "object_id"):
        found.setdefault((owner_key, of), []).append(object_id)
    return found


def original_of(credit: CDR) -> CDR | None:
    return stored({_reference(credit)}).get(_reference(credit))


# ---------------------------------------------------------------------------------------------------- 1970
def _agreed_on_1970(cdrs: list[CDR]) -> set[str]:
    """The owners whose platform may say so, as far as that is asked."""
    owners = {
        owner(cdr).key for cdr in cdrs if is_unknown(cdr.start_date_time) or is_unknown(cdr.end_date_time)
    }
    if not owners:
        return set()
    agreed = Party.objects.filter(key__in=owners, platform__unknown_times_as_1970=True)
    return set(agreed.values_list("key", flat=True))
