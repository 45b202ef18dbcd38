"""TYP rows: primitive types, and every field of every object by PUT to the real endpoint."""

import json
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import NODEFAULT, inspect

from ocpi_hub.protocol import locations, tokens
from ocpi_hub.protocol.codec import dump
from ocpi_hub.protocol.shapes import present
from tests import examples
from tests.conformance.calls import nothing_changes, raw
from tests.protocol.strategies import valid

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"
LATER = "2026-03-02T08:00:00Z"


# ------------------------------------------------------------------------------------------- primitive types
@pytest.mark.row("TYP-01")
@pytest.mark.parametrize("spelling", ["LOC1", "loc1", "lOc1"])
def test_ids_are_found_whatever_their_case(cpo, spelling):
    cpo.put("receiver/locations/nl/abc/loc1", examples.location(id="loc1"))

    assert cpo.get(f"receiver/locations/NL/abc/{spelling}").data["id"] == "loc1"
    assert cpo.get(f"receiver/locations/NL/ABC/{spelling}/evse1/1").data == examples.connector()


@pytest.mark.row("TYP-01")
@pytest.mark.parametrize("evse_id", ["NL*ABC*É1", "a\tb", "a\nb", "a\x7fb", "a\u200bb"])
def test_case_insensitive_strings_are_printable_ascii(cpo, evse_id):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(evses=[examples.evse(evse_id=evse_id)]))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.evses[0].evse_id: holds characters other than printable ASCII"


@pytest.mark.row("TYP-02")
@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\rb", "\x01", "a\x7f", "a\x85b"])
def test_text_holds_no_control_characters(cpo, name):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(name=name))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.name: holds a control character"


@pytest.mark.row("TYP-02")
@pytest.mark.parametrize("name", ["Malmö", "東京 🚗", "Αθήνα", "ab", "AB", "", " "])
def test_text_goes_round_as_it_is(cpo, emsp, deliver, name):
    assert cpo.put(LOC1, examples.location(name=name)).codes == (201, 1000)
    deliver()

    assert cpo.get(LOC1).data["name"] == name
    assert emsp.get("sender/locations").data[0]["name"] == name
    assert emsp.received()[0].body["name"] == name


@pytest.mark.row("TYP-03", "TYP-05")
@pytest.mark.parametrize(
    "moment",
    ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00", "2026-03-01T08:00:00.5Z", "2026-03-01T08:00:00.123"],
)
def test_times_of_the_specified_forms_stay_as_they_are(cpo, moment):
    assert cpo.put(LOC1, examples.location(last_updated=moment)).codes == (201, 1000)

    assert cpo.get(LOC1).data["last_updated"] == moment


@pytest.mark.row("TYP-03")
@pytest.mark.parametrize("moment", ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00"])
def test_a_time_without_designator_is_utc(cpo, emsp, moment):
    cpo.put(LOC1, examples.location(last_updated=moment))

    for asked in ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00", "2026-03-01T09:00:00%2B01:00"):
        assert emsp.get(f"sender/locations?date_from={asked}").headers["X-Total-Count"] == "1"
        assert emsp.get(f"sender/locations?date_to={asked}").headers["X-Total-Count"] == "0"


@pytest.mark.row("TYP-04")
@pytest.mark.parametrize(
    ("came", "leaves"),
    [
        ("2026-03-01T08:00:00+00:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01T09:30:00+01:30", "2026-03-01T08:00:00Z"),
        ("2026-02-28T23:00:00-09:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01T08:00:00.123456Z", "2026-03-01T08:00:00.123Z"),
        ("2026-03-01T08:00:00.000001+00:00", "2026-03-01T08:00:00Z"),
    ],
)
def test_an_offset_is_turned_into_utc_and_never_leaves(cpo, emsp, deliver, came, leaves):
    evse = examples.evse(last_updated=came)
    cpo.put(LOC1, examples.location(last_updated=came, evses=[evse]))
    deliver()

    for data in (cpo.get(LOC1).data, emsp.get("sender/locations").data[0]):
        assert (data["last_updated"], data["evses"][0]["last_updated"]) == (leaves, leaves)
    assert b"+0" not in emsp.get("sender/locations").body


@pytest.mark.row("TYP-05")
def test_milliseconds_are_kept_and_count(cpo, emsp):
    cpo.put(LOC1, examples.location(last_updated="2026-03-01T08:00:00.123Z"))

    assert emsp.get("sender/locations?date_from=2026-03-01T08:00:00.123Z").headers["X-Total-Count"] == "1"
    assert emsp.get("sender/locations?date_from=2026-03-01T08:00:00.124Z").headers["X-Total-Count"] == "0"
    assert cpo.put(LOC1, examples.location(name="late", last_updated="2026-03-01T08:00:00.122Z")).codes == (
        200,
        1000,
    )
    assert "name" not in cpo.get(LOC1).data


def with_energy(number: str) -> bytes:
    mix = {"is_green_energy": True, "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": "?"}]}
    return json.dumps(examples.location(energy_mix=mix)).replace('"?"', number).encode()


@pytest.mark.row("TYP-06")
@pytest.mark.parametrize("number", ["0.1234", "2", "2.00", "-0.5", "1E+2", "123456789012345678901234567.89"])
def test_numbers_go_round_digit_by_digit(cpo, emsp, number):
    assert raw(cpo, "PUT", f"/ocpi/2.2.1/{LOC1}", with_energy(number)).codes == (201, 1000)

    assert f'"amount": {number}}}'.encode() in emsp.get("sender/locations").body


@pytest.mark.row("TYP-06")
@pytest.mark.parametrize("number", ['"2.00"', '"NaN"', "true", "null", "[]"])
def test_what_is_no_number_is_2001(cpo, number):
    with nothing_changes():
        answered = raw(cpo, "PUT", f"/ocpi/2.2.1/{LOC1}", with_energy(number))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.energy_mix.environ_impact[0].amount: ")


@pytest.mark.row("TYP-06")
@pytest.mark.parametrize("volts", [230.0, 230.5, "230", True])
def test_what_is_no_whole_number_is_2001(cpo, volts):
    with nothing_changes():
        answered = cpo.put(
            LOC1, examples.location(evses=[examples.evse(connectors=[examples.connector(max_voltage=volts)])])
        )

    assert answered.codes == (200, 2001)
    quoted = ", but text; leave out the quotes" if isinstance(volts, str) else ""
    assert answered.message == f"$.evses[0].connectors[0].max_voltage: not a whole number{quoted}"


@pytest.mark.row("TYP-08")
@pytest.mark.parametrize(
    "status", ["available", "Available", "AVAILABLE ", "", "FREE", None, 1, ["AVAILABLE"]]
)
def test_values_of_a_list_are_case_sensitive(cpo, status):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(evses=[examples.evse(status=status)]))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.evses[0].status: ")


# ---------------------------------------------------------------------- every field, at every depth, by PUT
def full_location() -> dict[str, Any]:
    """Every field of every class filled."""
    image = {
        "url": "https://abc.example/i.png", "thumbnail": "https://abc.example/t.png", "category": "CHARGER",
        "type": "png", "width": 800, "height": 600,
    }  # fmt: skip
    business = {"name": "ABC", "website": "https://abc.example", "logo": image}
    text = {"language": "en", "text": "Left at the gate"}
    period = {"period_begin": "2026-12-24T00:00:00Z", "period_end": "2026-12-26T00:00:00Z"}
    point = {"latitude": "52.089444", "longitude": "5.110278"}
    connector = examples.connector(
        max_electric_power=22000, tariff_ids=["T1"], terms_and_conditions="https://abc.example/terms"
    )
    evse = examples.evse(
        status_schedule=[{**period, "status": "PLANNED"}],
        capabilities=["RFID_READER"],
        connectors=[connector],
        floor_level="-1",
        coordinates=point,
        physical_reference="7",
        directions=[text],
        parking_restrictions=["EV_ONLY"],
        images=[image],
    )
    return examples.location(
        publish=False,
        publish_allowed_to=[
            {"uid": "U1", "type": "RFID", "visual_number": "V1", "issuer": "MSP", "group_id": "G1"}
        ],
        name="Centraal",
        postal_code="3511 CE",
        state="Utrecht",
        related_locations=[{**point, "name": text}],
        parking_type="ON_STREET",
        evses=[evse],
        directions=[text],
        operator=business,
        suboperator=business,
        owner=business,
        facilities=["HOTEL"],
        opening_times={
            "twentyfourseven": False,
            "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}],
            "exceptional_openings": [period],
            "exceptional_closings": [period],
        },
        charging_when_closed=True,
        images=[image],
        energy_mix={
            "is_green_energy": True,
            "energy_sources": [{"source": "WIND", "percentage": 100}],
            "environ_impact": [{"category": "NUCLEAR_WASTE", "amount": 0.5}],
            "supplier_name": "Wind",
            "energy_product_name": "Breeze",
        },
    )


def full_token() -> dict[str, Any]:
    return examples.token(
        visual_number="V1",
        group_id="G1",
        language="de",
        default_profile_type="GREEN",
        energy_contract={"supplier_name": "Wind", "contract_id": "C1"},
    )


class Variant(NamedTuple):
    """One fault: `value` at `steps`, or nothing there."""

    place: str
    kind: str
    steps: tuple[str | int, ...]
    value: Any

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        changed = json.loads(json.dumps(document))
        container: Any = changed
        *way, last = self.steps
        for step in way:
            container = container[step]
        if self.kind == "missing":
            del container[last]
        else:
            container[last] = self.value
        return changed


def faults(
    node: inspect.Type, value: Any, place: str = "$", steps: tuple[str | int, ...] = ()
) -> list[Variant]:
    """A dropped, an over-long, a wrong one and so on, of every field down from here."""
    node = present(node)
    found = [Variant(place, kind, steps, wrong) for kind, wrong in wrong_values(node)] if steps else []
    if isinstance(node, inspect.ListType):
        found += faults(node.item_type, value[0], f"{place}[0]", (*steps, 0))
    if isinstance(node, inspect.StructType):
        for field in node.fields:
            name, way = field.encode_name, (*steps, field.encode_name)
            assert name in value, f"{place}.{name} is not in the full example"
            if field.default is NODEFAULT:
                found.append(Variant(f"{place}.{name}", "missing", way, None))
                found.append(Variant(f"{place}.{name}", "null", way, None))
            found += faults(field.type, value[name], f"{place}.{name}", way)
    return found


def wrong_values(node: inspect.Type) -> list[tuple[str, Any]]:
    match node:
        case inspect.StructType():
            return [("a list", []), ("text", "x"), ("a number", 1)]
        case inspect.ListType():
            return [("an object", {}), ("text", "x"), *([("empty", [])] if node.min_length else [])]
        case inspect.LiteralType():
            return [
                ("no value of the list", "nonsense"),
                ("lower case", str(node.values[0]).swapcase() + "_"),
                ("a number", 1),
            ]
        case inspect.StrType():
            over_long = "1" * ((node.max_length or 255) + 1)
            return [("over-long", over_long), ("a line feed", "a\nb"), ("a number", 1), ("a list", ["x"])]
        case inspect.IntType():
            return [("text", "1"), ("a boolean", True), ("a fraction", 1.5), ("beyond", (node.le or 0) + 1)]
        case inspect.BoolType():
            return [("text", "true"), ("a number", 1)]
        case inspect.DecimalType():
            return [("text", "1.5"), ("a boolean", True)]
        case inspect.DateTimeType():
            return [
                ("a day", "2026-03-01"),
                ("a number", 1),
                ("over-long", "2026-03-01T08:00:00Z" + "0" * 10),
            ]
    raise NotImplementedError(node)


LOCATION_FAULTS = faults(inspect.type_info(locations.Location), full_location())
TOKEN_FAULTS = faults(inspect.type_info(tokens.Token), full_token())


@pytest.mark.row("TYP-09")
def test_an_object_with_every_field_is_taken(cpo, emsp):
    assert cpo.put(LOC1, full_location()).codes == (201, 1000)
    assert emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", full_token()).codes == (201, 1000)
    assert cpo.get(LOC1).data == full_location()
    assert emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4").data == full_token()


@pytest.mark.row("TYP-09", "MET-01", "TRN-21")
@pytest.mark.parametrize("kind", sorted({fault.kind for fault in LOCATION_FAULTS}))
def test_every_field_of_a_location_is_checked_at_every_depth(cpo, kind):
    variants = [fault for fault in LOCATION_FAULTS if fault.kind == kind]
    cpo.put(LOC1, full_location())

    with nothing_changes():
        for fault in variants:
            answered = cpo.put(LOC1, fault.apply(full_location()))

            assert answered.codes == (200, 2001), fault
            assert answered.message.startswith(fault.place), (fault, answered.message)


@pytest.mark.row("TYP-09", "MET-01")
@pytest.mark.parametrize("kind", sorted({fault.kind for fault in TOKEN_FAULTS}))
def test_every_field_of_a_token_is_checked(emsp, kind):
    path = "receiver/tokens/DE/MSP/04A1B2C3D4?type=RFID"
    variants = [fault for fault in TOKEN_FAULTS if fault.kind == kind]
    emsp.put(path, full_token())

    with nothing_changes():
        for fault in variants:
            answered = emsp.put(path, fault.apply(full_token()))

            assert answered.codes == (200, 2001), fault
            assert answered.message.startswith(fault.place), (fault, answered.message)


@pytest.mark.row("TYP-09", "LOC-05")
@pytest.mark.parametrize(
    ("struct", "part", "path"),
    [
        (locations.EVSE, lambda: full_location()["evses"][0], f"{LOC1}/EVSE1"),
        (locations.Connector, lambda: full_location()["evses"][0]["connectors"][0], f"{LOC1}/EVSE1/1"),
    ],
    ids=["EVSE", "Connector"],
)
def test_every_field_is_checked_where_a_part_is_pushed_alone(cpo, struct, part, path):
    cpo.put(LOC1, full_location())
    assert cpo.put(path, part()).codes == (200, 1000)

    with nothing_changes():
        for fault in faults(inspect.type_info(struct), part()):
            answered = cpo.put(path, fault.apply(part()))

            assert answered.codes == (200, 2001), fault
            assert answered.message.startswith(fault.place), (fault, answered.message)


@pytest.mark.row("TYP-09")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=valid(locations.Location))
def test_any_valid_location_goes_round(cpo, made):
    made = {**made, "country_code": "NL", "party_id": "ABC", "id": "ANY", "last_updated": LATER}

    assert raw(cpo, "PUT", "/ocpi/2.2.1/receiver/locations/NL/ABC/ANY", dump(made)).http_status in (200, 201)
    answered = raw(cpo, "GET", "/ocpi/2.2.1/receiver/locations/NL/ABC/ANY")
    assert json.loads(answered.body, parse_float=Decimal)["data"] == json.loads(
        dump(made), parse_float=Decimal
    )


@pytest.mark.row("TYP-09")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=valid(tokens.Token))
def test_any_valid_token_goes_round(emsp, made):
    made = {**made, "country_code": "DE", "party_id": "MSP", "uid": "ANY", "last_updated": LATER}
    path = f"/ocpi/2.2.1/receiver/tokens/DE/MSP/ANY?type={made['type']}"

    assert raw(emsp, "PUT", path, dump(made)).http_status in (200, 201)
    assert raw(emsp, "GET", path).data == made
