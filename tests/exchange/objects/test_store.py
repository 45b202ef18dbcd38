"""The only writer of Client Owned Objects."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from locations.models import Location
from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.objects import store, upserts
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tokens.models import Token

OWNER = PartyRef("NL", "ABC")
LOC1 = Address(OWNER, "LOC1")
EIGHT, NINE, TEN = ("2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z")


def put(cpo, raw, *children, address=LOC1):
    return store.put(Location, address._replace(children=children), json.dumps(raw).encode(), cpo.platform)


def patch(cpo, raw, *children):
    return store.patch(Location, LOC1._replace(children=children), json.dumps(raw).encode(), cpo.platform)


def document():
    return json.loads(Location.objects.get().document)


def times():
    location = document()
    evse = location["evses"][0]
    return [location["last_updated"], evse["last_updated"], evse["connectors"][0]["last_updated"]]


# ------------------------------------------------------------------------------------------- whole objects
def test_an_object_is_created_and_then_replaced(cpo):
    created = put(cpo, examples.location(name="one"))
    replaced = put(cpo, examples.location(name="two", last_updated=NINE))

    row = Location.objects.get()
    assert created == upserts.Stored(row.pk, created=True)
    assert replaced == upserts.Stored(row.pk, created=False)
    assert (row.name, row.last_updated) == ("two", datetime(2026, 3, 1, 9, tzinfo=UTC))
    assert row.source == cpo.platform


def test_ids_that_differ_in_case_name_one_object(cpo):
    put(cpo, examples.location())
    stored = put(cpo, examples.location(id="loc1", country_code="nl", last_updated=NINE))

    assert stored.created is False
    assert (Location.objects.get().object_id, Location.objects.get().country_code) == ("loc1", "nl")


def test_the_document_is_kept_as_it_was_sent(cpo):
    body = json.dumps(examples.location(), indent=4).encode()
    store.put(Location, LOC1, body, cpo.platform)

    assert Location.objects.get().document == body.decode()


def test_times_are_brought_into_the_form_of_the_specification(cpo):
    put(cpo, examples.location(last_updated="2026-03-01T10:00:00.123456+01:00"))

    assert document() == examples.location(last_updated="2026-03-01T09:00:00.123Z")


@pytest.mark.parametrize(("moment", "stale"), [(EIGHT, True), (NINE, False), (TEN, False)])
def test_an_older_object_is_left_out_and_an_equal_one_is_taken(cpo, moment, stale):
    first = put(cpo, examples.location(last_updated=NINE, name="first"))
    second = put(cpo, examples.location(last_updated=moment, name="second"))

    note = upserts.OLDER_THAN_OURS if stale else None
    assert second == upserts.Stored(first.row_id, created=False, stale=stale, note=note)
    assert document()["name"] == ("first" if stale else "second")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[]", "$: an object is expected"),
        (b'"x"', "$: an object is expected"),
        (b"{}", "$.country_code: required field is missing"),
    ],
)
def test_what_is_no_object_is_refused(cpo, body, error):
    for write in (store.put, store.patch):
        with pytest.raises(InvalidObject) as refused:
            write(Location, LOC1, body, cpo.platform)
        if write is store.put:
            assert str(refused.value) == error
    assert Location.objects.count() == 0


def test_what_is_no_json_is_refused(cpo):
    with pytest.raises(MalformedJSON):
        store.put(Location, LOC1, b"{", cpo.platform)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id": "LOC2"}, "$.id: the body has 'LOC2', the URL 'LOC1'"),
        ({"party_id": "XYZ"}, "$.party_id: the body has 'XYZ', the URL 'ABC'"),
        ({"country_code": "BE"}, "$.country_code: the body has 'BE', the URL 'NL'"),
    ],
)
def test_url_and_body_name_the_same_object(cpo, changes, error):
    with pytest.raises(InvalidObject) as refused:
        put(cpo, examples.location(**changes))

    assert str(refused.value) == error
    assert Location.objects.count() == 0


def test_a_token_is_of_the_type_that_its_url_names(emsp):
    address = Address(PartyRef("DE", "MSP"), "04A1B2C3D4", (), "APP_USER")
    with pytest.raises(InvalidObject) as refused:
        store.put(Token, address, json.dumps(examples.token()).encode(), emsp.platform)

    assert str(refused.value) == "$.type: the body has 'RFID', the URL 'APP_USER'"


# ------------------------------------------------------------------------------------------------- patches
def test_a_patch_changes_what_it_names_and_is_checked_as_a_whole(cpo):
    put(cpo, examples.location(name="one"))
    patch(cpo, {"city": "Delft", "last_updated": NINE})

    assert document() == examples.location(name="one", city="Delft", last_updated=NINE)
    assert Location.objects.get().city == "Delft"


def test_a_patch_that_breaks_the_object_changes_nothing(cpo):
    put(cpo, examples.location())
    before = Location.objects.values().get()
    with pytest.raises(InvalidObject, match="city: required"):
        patch(cpo, {"city": None, "last_updated": NINE})

    assert Location.objects.values().get() == before


@pytest.mark.parametrize("children", [(), ("EVSE1",), ("EVSE1", "1")])
def test_a_patch_always_carries_its_time(cpo, children):
    put(cpo, examples.location())
    with pytest.raises(
        InvalidObject, match=r"\$\.last_updated: required field is missing; a PATCH always carries it"
    ):
        patch(cpo, {"status": "BLOCKED"}, *children)


@pytest.mark.parametrize(
    ("children", "missing"),
    [
        ((), "locations/NL/ABC/LOC1"),
        (("EVSE1",), "locations/NL/ABC/LOC1"),
    ],
)
def test_a_patch_of_what_is_not_there_is_not_found(cpo, children, missing):
    with pytest.raises(NotFound, match=f"{missing} is not known here; push the whole object first") as error:
        patch(cpo, {"last_updated": NINE}, *children)

    assert error.value.status_code == 2003


@pytest.mark.parametrize(
    ("children", "missing"),
    [
        (("EVSE9",), "locations/NL/ABC/LOC1/EVSE9"),
        (("EVSE9", "1"), "locations/NL/ABC/LOC1/EVSE9"),
        (("EVSE1", "9"), "locations/NL/ABC/LOC1/EVSE1/9"),
    ],
)
def test_a_patch_of_a_part_that_is_not_there_is_not_found(cpo, children, missing):
    put(cpo, examples.location())
    with pytest.raises(NotFound, match=f"{missing} is not known here"):
        patch(cpo, {"last_updated": NINE}, *children)


# --------------------------------------------------------------------------------------------------- parts
@pytest.mark.parametrize(
    ("children", "changes", "expected"),
    [
        (("EVSE1", "1"), {"max_amperage": 16}, [NINE, NINE, NINE]),
        (("EVSE1",), {"status": "CHARGING"}, [NINE, NINE, EIGHT]),
        (("evse1", "1"), {"max_amperage": 16}, [NINE, NINE, NINE]),
        ((), {"name": "x"}, [NINE, EIGHT, EIGHT]),
    ],
)
def test_the_time_of_a_part_moves_up_to_its_parents(cpo, children, changes, expected):
    put(cpo, examples.location())
    patch(cpo, changes | {"last_updated": NINE}, *children)

    assert times() == expected
    assert Location.objects.get().last_updated == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_a_parent_that_is_newer_keeps_its_time(cpo):
    put(cpo, examples.location(last_updated=TEN))
    patch(cpo, {"status": "CHARGING", "last_updated": NINE}, "EVSE1")

    assert times() == [TEN, NINE, EIGHT]
    assert Location.objects.get().last_updated == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_part_is_added_or_replaced_as_a_whole(cpo):
    put(cpo, examples.location())
    added = put(cpo, examples.evse(uid="EVSE2", last_updated=NINE), "EVSE2")
    replaced = put(cpo, examples.evse(status="BLOCKED", evse_id=None, last_updated=NINE), "EVSE1")
    connector = put(cpo, examples.connector(id="2", last_updated=NINE), "EVSE2", "2")

    assert (added.created, replaced.created, connector.created) == (True, False, True)
    first, second = document()["evses"]
    assert (first["status"], first["evse_id"]) == ("BLOCKED", None)
    assert [row["id"] for row in second["connectors"]] == ["1", "2"]


def test_an_older_part_is_left_out(cpo):
    put(cpo, examples.location())
    put(cpo, examples.evse(status="CHARGING", last_updated=TEN), "EVSE1")
    stored = put(cpo, examples.evse(status="BLOCKED", last_updated=NINE), "EVSE1")

    assert stored.stale is True
    assert document()["evses"][0]["status"] == "CHARGING"


@pytest.mark.parametrize(
    ("raw", "children", "error"),
    [
        (examples.evse(uid="EVSE2"), ("EVSE1",), "$.uid: the body has 'EVSE2', the URL 'EVSE1'"),
        (examples.connector(id="2"), ("EVSE1", "1"), "$.id: the body has '2', the URL '1'"),
        (examples.evse(status="X"), ("EVSE1",), "$.status: 'X' is not one of"),
        (examples.evse(connectors=[]), ("EVSE1",), "$.connectors: needs at least one entry"),
    ],
)
def test_a_part_is_checked_and_agrees_with_its_url(cpo, raw, children, error):
    put(cpo, examples.location())
    before = Location.objects.values().get()
    with pytest.raises(InvalidObject) as refused:
        put(cpo, raw, *children)

    assert str(refused.value).startswith(error)
    assert Location.objects.values().get() == before


def test_a_part_of_an_unknown_object_is_not_found(cpo):
    with pytest.raises(NotFound):
        put(cpo, examples.evse(), "EVSE1")


# ------------------------------------------------------------------------------------------------- reading
def test_the_present_documents_are_read_by_row_as_far_as_they_are_there(cpo):
    first = put(cpo, examples.location()).row_id
    second = put(cpo, examples.location(id="LOC2"), address=LOC1._replace(object_id="LOC2")).row_id

    found = store.documents(Location, [first, second, second + 1])

    assert {row_id: json.loads(document)["id"] for row_id, document in found.items()} == {
        first: "LOC1",
        second: "LOC2",
    }


@pytest.mark.parametrize(
    ("children", "part"),
    [
        ((), examples.location()),
        (("evse1",), examples.evse()),
        (("EVSE1", "1"), examples.connector()),
        (("EVSE2",), None),
        (("EVSE1", "2"), None),
    ],
)
def test_a_part_is_read_out_of_the_document(children, part):
    found = store.part_of(Location, json.dumps(examples.location()), children)

    assert (json.loads(found) if found else None) == part


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"a": 1, "last_updated": "x"}, True),
        ({"b": None, "a": 1}, True),
        ({"a": 1, "c": []}, True),
        ({"a": 2}, False),
        ({"a": 1, "d": {"last_updated": "y"}}, False),
        ({"a": 1, "c": [1]}, False),
        ({"a": Decimal("1.00")}, True),
        ({"a": Decimal("1E+0")}, True),
        ({"a": Decimal("1.01")}, False),
        ({"a": "1"}, False),
    ],
)
def test_a_digest_is_of_what_an_object_says(other, same):
    assert (store.digest_of({"a": 1}) == store.digest_of(other)) is same


def test_rows_of_a_restored_dump_come_before_new_ones(cpo):
    from django.db import connection

    put(cpo, examples.location())
    put(cpo, examples.location(id="LOC2"), address=LOC1._replace(object_id="LOC2"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE locations_location SET inserted_in = '999999999999' WHERE key = 'LOC1'")
    assert [row.key for row in Location.objects.settled()] == ["LOC2"]
    store.settle_restored()

    assert [row.key for row in Location.objects.settled()] == ["LOC1", "LOC2"]


# ------------------------------------------------------------------------------ what must not get in
DEEP = {"x": json.loads("[" * 30 + "]" * 30)}


def test_a_part_that_is_too_deep_inside_its_parent_is_refused(cpo):
    put(cpo, examples.location())
    before = Location.objects.values().get()

    with pytest.raises(InvalidObject, match="nested deeper than 32"):
        put(cpo, examples.evse(last_updated="2026-03-02T08:00:00Z", **DEEP), "EVSE1")

    assert Location.objects.values().get() == before


def test_a_number_that_could_not_be_read_again_is_refused(cpo):
    put(cpo, examples.location())
    before = Location.objects.values().get()
    changes = b'{"last_updated": "2026-03-02T08:00:00Z", "x": 10e12}'

    with pytest.raises(InvalidObject, match=r"\$\.x: number with an exponent beyond 12"):
        store.patch(Location, LOC1, changes, cpo.platform)

    assert Location.objects.values().get() == before


def test_an_object_cannot_grow_beyond_its_limit_by_its_parts(cpo, monkeypatch):
    put(cpo, examples.location())
    before = Location.objects.values().get()
    monkeypatch.setattr(store, "MOST_BYTES", 2_000)

    with pytest.raises(InvalidObject, match="the whole object would have more than 2000 bytes"):
        put(cpo, examples.evse(last_updated="2026-03-02T08:00:00Z", x="x" * 1_500), "EVSE1")

    assert Location.objects.values().get() == before


@pytest.mark.parametrize("vendor", [None, {"country_code": "BE"}], ids=["alone", "beside a field inside"])
def test_an_owner_that_is_named_twice_is_refused(cpo, vendor):
    once = json.dumps(examples.location(vendor=vendor)).encode()
    body = once.replace(b'{"country_code"', b'{"country_code": "BE", "country_code"', 1)

    with pytest.raises(InvalidObject, match=r"\$\.country_code: is in the body twice"):
        store.put(Location, LOC1, body, cpo.platform)

    assert not Location.objects.exists()


def test_an_extension_may_have_a_field_of_the_same_name(cpo):
    put(cpo, examples.location(vendor={"country_code": "BE", "list": [{"party_id": "X"}]}))

    assert document()["vendor"]["country_code"] == "BE"


@pytest.mark.parametrize("depth", ["whole", "part"])
def test_a_time_far_ahead_does_not_block_what_comes_next(cpo, depth):
    far, now = "2126-01-01T00:00:00Z", "2026-03-02T08:00:00Z"
    if depth == "whole":
        put(cpo, examples.location(last_updated=far))
    else:
        put(cpo, examples.location())
        put(cpo, examples.evse(last_updated=far), "EVSE1")
        assert document()["last_updated"] == far
        put(cpo, examples.evse(last_updated=now, status="BLOCKED"), "EVSE1")
        assert document()["evses"][0]["status"] == "BLOCKED"
        assert document()["last_updated"] == now

    stored = put(cpo, examples.location(last_updated=now, name="Right"))

    assert not stored.stale
    assert (document()["name"], document()["last_updated"]) == ("Right", now)
