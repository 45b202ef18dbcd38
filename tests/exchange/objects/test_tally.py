"""Totals of lists say what is there, whatever became of the objects."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange import apps, tasks
from ocpi_hub.exchange.models import Tally
from ocpi_hub.exchange.objects import store, tally, upserts
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject, owned_models
from ocpi_hub.exchange.objects.visibility import EVERYTHING, NOTHING, Share, Visible
from ocpi_hub.protocol.envelope import format_time
from ocpi_hub.protocol.types import PartyRef
from tariffs.models import Tariff
from tests import examples
from tests.conformance.modules import MODULES

MAKE = {module.name: module.named for module in MODULES} | {
    "hubclientinfo": lambda object_id, **changes: examples.client_info(**changes)
}
OWNERS = (PartyRef("NL", "ABC"), PartyRef("nl", "abc"), PartyRef("BE", "DEF"))
PROVIDERS = ("DE*MSP", "AT*PRO")
LOC1 = Address(OWNERS[0], "LOC1")


def everybody(*audiences: str) -> Visible:
    return Visible((Share(frozenset(audiences), frozenset()),))


# -------------------------------------------------------------------------------------- any sequence of changes
class Changes:
    """A history of a module, made up by chance."""

    def __init__(self, model, platform, seed):
        self.model, self.platform, self.chance = model, platform, random.Random(seed)
        self.minute = 0

    def one(self):
        change = self.chance.choice((self.push, self.push, self.page, self.patch, self.delete, self.forget))
        try:
            change()
        except store.NotFound:
            pass  # a PATCH or DELETE of what is not there
        except store.InvalidObject:
            pass  # another one of what never changes, a PATCH of what is final

    def writing(self):
        model, chance = self.model, self.chance
        owner, object_id = chance.choice(OWNERS), chance.choice(("ID1", "id1", "ID2", "ID3"))
        address = Address(owner, object_id, (), chance.choice(model.variants or ("",)))
        audience = chance.choice(PROVIDERS if model.addressed else ("", *PROVIDERS))
        self.minute += chance.choice((1, 1, 1, -2))
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=self.minute)
        fields = {"country_code": owner.country_code, "party_id": owner.party_id}
        fields |= {model.variant_field: address.variant} if model.variant_field else {}
        made = MAKE[model.module](object_id, **fields, last_updated=format_time(moment))
        return upserts.Writing(address, store.examine(model, made), audience=audience)

    def push(self):
        writing = self.writing()
        if self.model.immutable:
            store.add(self.model, writing.address, writing.incoming, self.platform, writing.audience)
        else:
            body = writing.incoming.document.encode()
            store.put(self.model, writing.address, body, self.platform, writing.audience)

    def page(self):
        """What a pull stores at once, each object only once."""
        writings = {name(self.model, writing): writing for writing in (self.writing() for _ in range(6))}
        if not self.model.immutable:
            upserts.save_many(self.model, list(writings.values()), self.platform)

    def patch(self):
        writing = self.writing()
        if not self.model.immutable:
            changes = {"last_updated": json.loads(writing.incoming.document)["last_updated"]}
            store.patch(
                self.model, writing.address, json.dumps(changes).encode(), self.platform, writing.audience
            )

    def delete(self):
        writing = self.writing()
        if self.model.deletable:
            store.delete(self.model, writing.address, self.platform, writing.audience)

    def forget(self):
        store.forget_deleted(timezone.now() + store.TOMBSTONES_STAY * self.chance.choice((0, 2)))


def name(model: type[OwnedObject], writing: upserts.Writing) -> tuple[str, ...]:
    address = writing.address
    return address.owner.key, address.object_id.upper(), address.variant, writing.audience


def there(model):
    rows = model.objects.present().order_by()
    return Counter(rows.values_list("owner_key", "audience", model.variant_field or "missing_since"))


def tallied(model):
    said = Counter()
    for row in Tally.objects.filter(module=model.module):
        said[row.owner_key, row.audience, row.variant or None] += row.count
    return said


@pytest.mark.parametrize("module", [*MAKE])
@pytest.mark.parametrize("seed", range(3))
def test_after_any_change_the_tally_says_what_is_there(cpo, module, seed):
    model = owned_models()[module]
    changes = Changes(model, cpo.platform, seed)
    most = 0
    for _ in range(60):
        changes.one()

        assert +tallied(model) == there(model)
        assert -tallied(model) == Counter()
        most = max(most, there(model).total())
    assert most > 3


@pytest.mark.parametrize("module", [*MAKE])
def test_a_total_is_that_of_the_rows_for_whatever_may_be_visible(cpo, module):
    model = owned_models()[module]
    changes = Changes(model, cpo.platform, 7)
    for _ in range(60):
        changes.one()
    own, other = frozenset({"NL*ABC"}), frozenset({"BE*DEF"})
    visible = [
        Visible(shares, variants)
        for variants in {None, model.variants[:2] or None}
        for shares in (
            (),
            (Share(frozenset({""}), frozenset()),),
            (Share(frozenset({"DE*MSP"}), own),),
            (Share(frozenset({"", *PROVIDERS}), own),),
            (Share(frozenset({"", *PROVIDERS}), own, alone=True),),
            (Share(frozenset({"DE*MSP"}), own, alone=True), Share(frozenset({"AT*PRO"}), other)),
            (Share(frozenset({"", *PROVIDERS}), frozenset(), alone=True),),
        )
    ]

    totals = [tally.total(model, seen) for seen in visible]

    assert totals == [model.objects.seen(seen).count() for seen in visible]
    assert len(set(totals)) > 2


# --------------------------------------------------------------------------------------------- single changes
def put(cpo, object_id="LOC1", **changes):
    body = json.dumps(examples.location(id=object_id, **changes)).encode()
    return store.put(Location, LOC1._replace(object_id=object_id), body, cpo.platform)


def rows():
    return list(
        Tally.objects.order_by("id").values_list("module", "owner_key", "audience", "variant", "count")
    )


def test_an_object_is_tallied_when_it_comes_and_not_when_it_changes(cpo):
    put(cpo)
    put(cpo, name="x", last_updated="2026-03-02T08:00:00Z")
    put(cpo, name="old", last_updated="2026-02-02T08:00:00Z")

    assert rows() == [("locations", "NL*ABC", "", "", 1)]


def test_what_is_stored_at_once_is_tallied_at_once(cpo):
    put(cpo, "LOC3")
    writings = [
        upserts.Writing(
            LOC1._replace(object_id=f"LOC{number}"),
            store.examine(Location, examples.location(id=f"LOC{number}")),
        )
        for number in range(5)
    ]
    upserts.save_many(Location, writings, cpo.platform)

    assert rows() == [("locations", "NL*ABC", "", "", 1), ("locations", "NL*ABC", "", "", 4)]


def test_what_comes_again_after_it_was_deleted_is_tallied_again(cpo):
    for method in ("put", "delete", "put", "put"):
        body = () if method == "delete" else (examples.tariff(),)
        assert getattr(cpo, method)("receiver/tariffs/NL/ABC/TARIFF1", *body).codes[1] == 1000

    assert [row[-1] for row in rows()] == [1, -1, 1]
    assert tally.total(Tariff, EVERYTHING) == 1


def test_nobody_sees_nothing(cpo):
    put(cpo)

    assert (tally.total(Location, NOTHING), tally.total(Location, EVERYTHING)) == (0, 1)


@pytest.mark.usefixtures("transactional_db")
def test_a_total_counts_what_the_list_shows_while_an_older_transaction_is_open(cpo):
    for number in range(3):
        cpo.put(f"receiver/tariffs/NL/ABC/T{number}", examples.tariff(id=f"T{number}"))
    # Older than all transactions there are, those of other databases on this server included.
    Tariff.objects.update(inserted_in="3")
    Tally.objects.update(inserted_in="3")
    older = connection.copy("older")
    try:
        with older.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
        cpo.put("receiver/tariffs/NL/ABC/NEW", examples.tariff(id="NEW"))
        cpo.put("receiver/tariffs/NL/ABC/GONE", examples.tariff(id="GONE"))
        cpo.delete("receiver/tariffs/NL/ABC/GONE")
        cpo.delete("receiver/tariffs/NL/ABC/T0")

        assert tally.total(Tariff, EVERYTHING) == Tariff.objects.seen(EVERYTHING).settled().count() == 2
        tally.condense()
        assert tally.total(Tariff, EVERYTHING) == 2
    finally:
        older.close()
    settled = Tariff.objects.seen(EVERYTHING).count()
    assert settled == 3
    assert sum(Tally.objects.values_list("count", flat=True)) == 3


# ---------------------------------------------------------------------------------------------------- upkeep
def add(count, **its):
    row = {"module": "locations", "owner_key": "NL*ABC", "inserted_in": "4", **its}
    Tally.objects.create(count=count, **row)


@pytest.mark.django_db
def test_rows_of_one_kind_become_one():
    add(3, inserted_in="3")
    add(2)
    add(-1)
    add(1, audience="DE*MSP")
    add(1, owner_key="BE*DEF")
    add(1, module="tariffs")
    add(1, module="tokens", variant="RFID")
    add(1, module="tokens", variant="OTHER")
    before = tally.total(Location, EVERYTHING)
    tally.condense()

    assert sorted(rows()) == [
        ("locations", "BE*DEF", "", "", 1),
        ("locations", "NL*ABC", "", "", 4),
        ("locations", "NL*ABC", "DE*MSP", "", 1),
        ("tariffs", "NL*ABC", "", "", 1),
        ("tokens", "NL*ABC", "", "OTHER", 1),
        ("tokens", "NL*ABC", "", "RFID", 1),
    ]
    assert before == tally.total(Location, EVERYTHING) == 5


@pytest.mark.django_db
def test_what_came_and_went_leaves_no_row():
    add(1)
    add(-1)
    tally.condense()

    assert rows() == []


@pytest.mark.django_db
def test_what_is_condensed_already_is_left_alone():
    add(1, inserted_in="3")
    add(1, inserted_in="3", owner_key="BE*DEF")
    before = list(Tally.objects.values_list("pk"))
    tally.condense()

    assert list(Tally.objects.values_list("pk")) == before


def test_what_a_transaction_that_is_still_open_added_is_not_condensed(cpo):
    add(1)
    put(cpo)
    tally.condense()

    assert sorted(row[-1] for row in rows()) == [1, 1]


def test_an_existing_installation_is_counted(cpo):
    put(cpo)
    cpo.put("receiver/tariffs/NL/ABC/T1", examples.tariff(id="T1"))
    cpo.put("receiver/tariffs/NL/ABC/T2", examples.tariff(id="T2"))
    cpo.delete("receiver/tariffs/NL/ABC/T2")
    Tally.objects.all().delete()
    apps.make_ready()

    assert sorted(rows()) == [("locations", "NL*ABC", "", "", 1), ("tariffs", "NL*ABC", "", "", 1)]


def test_a_module_that_has_a_tally_is_not_counted_at_each_start(cpo):
    put(cpo)
    Tally.objects.update(count=7)
    tally.begin()

    assert rows() == [("locations", "NL*ABC", "", "", 7)]


def test_a_restored_tally_counts_at_once(cpo):
    put(cpo)
    Tally.objects.update(inserted_in="999999999999")
    assert tally.total(Location, EVERYTHING) == 0
    store.settle_restored()

    assert tally.total(Location, EVERYTHING) == 1


def test_what_was_counted_wrongly_is_mended_once_a_day_and_said(cpo, caplog):
    put(cpo)
    put(cpo, "LOC2")
    cpo.put("receiver/tariffs/NL/ABC/T1", examples.tariff(id="T1"))
    Location.objects.filter(key="LOC2").delete()  # as an operator may with SQL
    Tariff.objects.update(audience="DE*MSP")
    add(2, module="tokens", owner_key="DE*MSP", variant="OTHER")
    tasks.compare_totals()

    assert [record.getMessage() for record in caplog.records if record.name == tally.__name__] == [
        "the total of locations of NL*ABC for every fitting role was 1 too high; it is mended",
        "the total of tariffs of NL*ABC for every fitting role was 1 too high; it is mended",
        "the total of tariffs of NL*ABC for DE*MSP was 1 too low; it is mended",
        "the total of tokens (OTHER) of DE*MSP for every fitting role was 2 too high; it is mended",
    ]
    assert +tallied(Location) == there(Location) == Counter({("NL*ABC", "", None): 1})
    assert +tallied(Tariff) == there(Tariff) == Counter({("NL*ABC", "DE*MSP", None): 1})
    assert tally.compare() == 0


def test_nothing_is_said_of_totals_that_are_right(cpo, caplog):
    put(cpo)

    assert tally.compare() == 0
    assert rows() == [("locations", "NL*ABC", "", "", 1)]
    assert [record for record in caplog.records if record.name == tally.__name__] == []
