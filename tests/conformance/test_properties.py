"""Any valid object is accepted and comes back equal, any single fault is refused by its name: over HTTP."""

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpi_hub.protocol.codec import dump, parse
from tests.conformance.modules import MODULES, Module
from tests.partners import Partner
from tests.protocol.faults import mutants
from tests.protocol.strategies import valid

pytestmark = pytest.mark.django_db

KNOWN_PROVIDER = {"country_code": "DE", "party_id": "MSP"}
EXTRA = {"nltnm_extra": {"list": [1, {"deep": None}], "text": "ä"}}
numbers = count()
# One transaction holds all examples, and each has an id of its own.
over_http = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
)
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


@pytest.fixture
def owner(request: pytest.FixtureRequest, cpo: Partner, emsp: Partner, module: Module) -> Partner:
    partner: Partner = request.getfixturevalue(module.owner)
    return partner


def owned(raw: dict[str, Any], module: Module) -> dict[str, Any]:
    """The object as one of the cast's, for a provider of the cast, with an id that nothing else has."""
    made = module.make()
    raw |= {name: made[name] for name in ("country_code", "party_id")}
    raw[module.id_field] = f"P{next(numbers)}"
    if module.addressed:
        raw["cdr_token"] |= KNOWN_PROVIDER
    return raw


def request(owner: Partner, module: Module, method: str, raw: dict[str, Any], object_id: str) -> Any:
    query = (
        f"?type={raw['type']}"
        if module.model.variant_field and raw.get("type") in module.model.variants
        else ""
    )
    target = module.path(object_id) if method == "GET" else module.target(method, object_id)
    return owner.request(method, target + query, None if method == "GET" else dump(raw))


@pytest.mark.row("TYP-09", "TRN-20")
@each_module
@pytest.mark.parametrize("extent", ["required fields", "any fields", "every field"])
@over_http
@given(data=st.data())
def test_a_valid_object_is_accepted_and_comes_back_equal(module, owner, extent, data):
    raw = owned(data.draw(valid(module.model.wire, extent)), module) | EXTRA

    pushed = request(owner, module, module.push_method, raw, raw[module.id_field])

    assert pushed.codes == (201, 1000), pushed.message
    assert parse(request(owner, module, "GET", raw, raw[module.id_field]).body)["data"] == raw


@pytest.mark.row("TYP-09", "MET-01")
@each_module
@settings(over_http, max_examples=60)
@given(data=st.data())
def test_an_object_with_one_fault_is_refused_by_the_name_of_the_field(module, owner, data):
    raw, place = data.draw(mutants(module.model.wire))
    made = module.make()
    # Whose it is, and whom it is for, is not the fault, unless it is.
    raw |= {name: made[name] for name in ("country_code", "party_id") if place != f"$.{name}"}
    before = module.model.objects.count()

    answered = request(owner, module, module.push_method, raw, "P")

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"{place}: ")
    assert module.model.objects.count() == before
