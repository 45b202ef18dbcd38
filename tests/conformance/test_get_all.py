"""HUB-17, HUB-23 and HUB-25 to HUB-27: GET that names the hub in OCPI-to, or nobody, is answered from its store."""

import pytest

from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.conformance.modules import MODULES
from tests.conformance.test_relay import legs
from tests.partners import register

pytestmark = pytest.mark.django_db

HUB = to("NL*HUB")
LOC1 = "receiver/locations/NL/ABC/LOC1"
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
to_the_hub_or_nobody = pytest.mark.parametrize("headers", [HUB, {}], ids=["to the hub", "to nobody"])


@pytest.mark.row("HUB-17", "HUB-25")
@every_module
def test_a_list_from_the_hub_is_its_own_and_nobody_is_asked(request, deliver, module):
    owner, reader = request.getfixturevalue(module.owner), request.getfixturevalue(module.audience)
    module.push(owner, module.make())
    deliver()
    owner.calls.clear(), reader.calls.clear()

    with nothing_changes():
        answered = reader.get(module.list(), **HUB)

    assert (answered.codes, answered.data) == ((200, 1000), [module.make()])
    assert legs(answered.headers) == ("NL*HUB", reader.party)
    assert owner.calls == reader.calls == []


@pytest.mark.row("HUB-17")
@to_the_hub_or_nobody
def test_one_object_from_the_hub_is_what_it_keeps_and_404_when_it_has_none(cpo, emsp, headers):
    cpo.put(LOC1, examples.location())

    location, evse, connector = (
        emsp.get(f"sender/locations/{rest}", **headers) for rest in ("LOC1", "LOC1/EVSE1", "LOC1/EVSE1/1")
    )
    own, unknown = cpo.get(LOC1, **headers), emsp.get("sender/locations/LOC2", **headers)

    assert location.data == own.data == examples.location()
    assert (evse.data, connector.data) == (examples.evse(), examples.connector())
    assert unknown.codes == (404, 2003)
    assert {legs(answered.headers) for answered in (location, evse, connector, unknown)} == {
        ("NL*HUB", "DE*MSP")
    }
    assert cpo.calls == emsp.calls == []


# ------------------------------------------------------------------------------------------------ lists of everything
def owners(module, count):
    """Parties in the role that owns objects of the module, one for each platform."""
    role = {"cpo": "CPO", "emsp": "EMSP"}[module.owner]
    return [f"SE-{letter * 3}-{role}" for letter in "ABCDE"[:count]]


@every_module
@to_the_hub_or_nobody
@pytest.mark.row("HUB-25", "HUB-26", "PAG-06", "PAG-07")
def test_a_list_has_the_objects_of_all_owners_in_the_order_in_which_they_came(
    request, network, module, headers
):
    reader = request.getfixturevalue(module.audience)
    partners = [register(network, party.split("-")[1], party) for party in owners(module, 3)]
    pushed = []
    # The first that came is the last to have been changed by its owner, and each owner has one of each id.
    for object_id, moment in (("B", "2026-03-03"), ("A", "2026-03-02"), ("C", "2026-03-01")):
        for partner in partners:
            country_code, party_id = partner.party.split("*")
            owned = {"country_code": country_code, "party_id": party_id}
            pushed.append(module.named(object_id, **owned, last_updated=f"{moment}T08:00:00Z"))
            assert module.push(partner, pushed[-1]).codes == (201, 1000)

    pages, path = [], module.list(limit=4)
    while path:
        pages.append(reader.get(path, **headers))
        path = pages[-1].next_path

    assert [item for page in pages for item in page.data] == pushed
    assert [len(page.data) for page in pages] == [4, 4, 1]
    assert [legs(page.headers) for page in pages] == [("NL*HUB", reader.party)] * 3
    assert [page.headers["X-Total-Count"] for page in pages] == ["9"] * 3
    assert "HUB" not in {item["party_id"] for page in pages for item in page.data}


@pytest.mark.row("HUB-27")
@pytest.mark.parametrize("moment", ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.25Z", "2026-03-01T08:00:00"])
def test_a_list_a_push_and_a_relay_have_the_last_updated_of_the_owner(cpo, emsp, deliver, moment):
    made = examples.location(last_updated=moment)
    cpo.put(LOC1, made, **HUB)
    deliver()
    cpo.put(LOC1, made, **to("DE*MSP"))

    assert [item["last_updated"] for item in emsp.get("sender/locations", **HUB).data] == [moment]
    assert [call.body["last_updated"] for call in emsp.calls] == [moment, moment]


@pytest.mark.row("HUB-23")
@every_module
def test_a_list_that_is_asked_of_nobody_is_never_passed_on(request, module):
    """Whoever could have it is there and would answer, and the hub itself has nothing."""
    owner, reader = request.getfixturevalue(module.owner), request.getfixturevalue(module.audience)
    owner.lists[module.name] = [module.make()]

    answered = reader.get(module.list())

    assert (answered.codes, answered.data) == ((200, 1000), [])
    assert legs(answered.headers) == ("NL*HUB", reader.party)
    assert owner.calls == reader.calls == []


def test_what_came_late_with_an_old_date_is_found_by_its_own_date(cpo, emsp):
    """Dates are those of last_updated, so whoever reads what is new asks from before its last reading (P47)."""
    cpo.put(LOC1, examples.location(last_updated="2026-03-01T08:00:00Z"))
    cpo.put(
        "receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2", last_updated="2026-02-01T08:00:00Z")
    )

    since_march, since_january = (
        [item["id"] for item in emsp.get(f"sender/locations?date_from={day}T00:00:00Z").data]
        for day in ("2026-03-01", "2026-01-01")
    )

    assert since_march == ["LOC1"]
    assert since_january == ["LOC1", "LOC2"]


@pytest.mark.row("HUB-09", "HUB-25")
def test_the_list_of_another_hub_is_read_by_naming_that_hub(network, emsp):
    hub = register(network, "Peer", "SE-HB2-HUB")
    hub.lists["locations"] = [
        examples.location(country_code="SE", party_id="CLI", id=f"LOC{number}") for number in range(3)
    ]
    hub.page_size = 2

    first = emsp.get("sender/locations?limit=2", **to("SE*HB2"))
    last = emsp.get(first.next_path, **to("SE*HB2"))

    assert [*first.data, *last.data] == hub.lists["locations"]
    assert [legs(page.headers) for page in (first, last)] == [("SE*HB2", "DE*MSP")] * 2
    assert [legs(call.headers) for call in hub.calls] == [("DE*MSP", "SE*HB2")] * 2
    assert last.next_path == ""
