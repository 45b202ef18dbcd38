"""RSP rows: the envelope and the status codes. What every module answers alike is in test_every_module.py."""

import httpx
import pytest
from django.db import OperationalError

from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.objects import store
from ocpi_hub.protocol.envelope import StatusCode
from tests import examples
from tests.conformance.calls import METHODS, enveloped, nothing_changes, raw, send
from tests.partners import enveloped as answer

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"


@pytest.mark.row("RSP-01")
def test_a_success_has_a_code_and_a_time_and_nothing_it_does_not_need(cpo):
    answered = cpo.put(LOC1, examples.location())

    assert answered.envelope.keys() == {"status_code", "timestamp"}
    assert answered.envelope["timestamp"].endswith("Z")


@pytest.mark.row("RSP-02")
def test_a_list_is_an_array_and_one_object_an_object(cpo, emsp):
    cpo.put(LOC1, examples.location())

    assert emsp.get("sender/locations").data == [examples.location()]
    assert emsp.get("sender/locations/LOC1").data == examples.location()
    assert cpo.get(LOC1).data == examples.location()
    assert type(cpo.get("/ocpi/versions").data) is list
    assert type(cpo.get("/ocpi/2.2.1").data) is dict


@pytest.mark.row("RSP-03")
@pytest.mark.parametrize("data", ["unexpected", {"a": 1}, [None], 7, None])
def test_data_where_none_belongs_is_tolerated(cpo, emsp, deliver, data):
    emsp.answers.append(lambda request: answer(data, http_status=201))

    cpo.put(LOC1, examples.location())
    deliver()

    assert Delivery.objects.get().state == "DELIVERED"


@pytest.mark.row("RSP-03")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_push_answers_have_no_data(cpo, method):
    cpo.put(LOC1, examples.location())

    answered = cpo.request(method, LOC1, examples.location(last_updated="2026-03-02T00:00:00Z"))

    assert "data" not in answered.envelope


@pytest.mark.row("RSP-04", "RSP-07")
@pytest.mark.parametrize(
    ("method", "path", "body", "codes"),
    [
        ("GET", LOC1, b"", (404, 2003)),
        ("GET", f"{LOC1}/EVSE1", b"", (404, 2003)),
        ("GET", "sender/locations/LOC1", b"", (404, 2003)),
        ("GET", "receiver/tokens/DE/MSP/T1", b"", (404, 2001)),
        ("GET", "receiver/locations/ZZ/ZZZ/LOC1", b"", (404, 2001)),
        ("PUT", LOC1, b"{", (400, 2000)),
        ("POST", LOC1, b"{}", (405, 2000)),
        ("DELETE", LOC1, b"", (405, 2000)),
        ("GET", "nonsense", b"", (404, 2000)),
    ],
)
def test_http_errors_carry_the_envelope(cpo, method, path, body, codes):
    with nothing_changes():
        answered = raw(cpo, method, f"/ocpi/2.2.1/{path}", body)

    assert answered.codes == codes
    assert answered.message


@pytest.mark.row("RSP-07")
def test_an_unknown_token_is_404_and_2004(emsp):
    assert emsp.get("receiver/tokens/DE/MSP/T1").codes == (404, 2004)


@pytest.mark.row("RSP-06")
def test_a_location_without_its_city_is_no_http_error(cpo):
    location = examples.location()
    del location["city"]

    with nothing_changes():
        answered = cpo.put(LOC1, location)

    assert answered.codes == (200, 2001)
    assert answered.message == "$.city: required field is missing"


@pytest.mark.row("RSP-06")
def test_the_place_of_a_fault_deep_inside_is_named(cpo):
    connectors = [examples.connector(), examples.connector(id="2", max_voltage="230")]

    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(evses=[examples.evse(connectors=connectors)]))

    assert answered.codes == (200, 2001)
    assert (
        answered.message
        == "$.evses[0].connectors[1].max_voltage: not a whole number, but text; leave out the quotes"
    )


@pytest.mark.row("RSP-08")
def test_new_parts_are_201_and_their_updates_200(cpo):
    cpo.put(LOC1, examples.location(evses=[]))
    evse = examples.evse()

    assert cpo.put(f"{LOC1}/EVSE1", evse).codes == (201, 1000)
    assert cpo.put(f"{LOC1}/EVSE1", evse).codes == (200, 1000)
    assert cpo.put(f"{LOC1}/EVSE1/2", examples.connector(id="2")).codes == (201, 1000)
    assert cpo.put(f"{LOC1}/EVSE1/2", examples.connector(id="2")).codes == (200, 1000)
    assert cpo.patch(f"{LOC1}/EVSE1", {"last_updated": "2026-03-02T00:00:00Z"}).codes == (200, 1000)


@pytest.mark.row("RSP-09")
def test_codes_of_custom_ranges_are_never_used(cpo, emsp):
    """Whatever is sent wherever, the code is one that the specification names."""
    urls = [
        "versions", "2.2.1", "2.2.1/credentials", "9.9", "nonsense", "2.2.1/sender/locations",
        "2.2.1/sender/locations/LOC1", "2.2.1/sender/tokens", "2.2.1/receiver/locations",
        f"2.2.1/{LOC1}", f"2.2.1/{LOC1}/E/1/x", "2.2.1/receiver/tokens/DE/MSP/T1", "2.2.1/sender/tokens/T1",
    ]  # fmt: skip
    bodies = [b"", b"{", b"{}", b"[]", b"null", b'{"last_updated": "2026-03-01T00:00:00Z"}', b"\xff", b"NaN"]
    methods = [method for method in METHODS if method != "DELETE"]

    codes = {
        enveloped(send(method, f"/ocpi/{url}", body, **said)).status_code
        for said in (
            {},
            cpo.headers(),
            {**cpo.headers(), "OCPI-to-party-id": "ZZZ", "OCPI-to-country-code": "ZZ"},
        )
        for url in urls
        for method in methods
        for body in bodies
    }

    assert codes <= set(StatusCode)
    assert not [code for code in codes if code % 1000 >= 900]
    assert codes >= {1000, 2000, 2001, 2003, 4001}


@pytest.mark.row("RSP-12")
@pytest.mark.parametrize("place", [(outbox, "publish"), (store, "put")], ids=["publishing", "storing"])
def test_a_fault_of_the_hub_is_3000_in_an_envelope_and_leaves_nothing_half_done(cpo, monkeypatch, place):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(*place, fail)

    with nothing_changes():
        answered = cpo.put(LOC1, examples.location())

    assert answered.codes == (500, 3000)
    assert "secret" not in answered.message
    assert answered.headers["X-Request-ID"]


@pytest.mark.row("RSP-04")
def test_a_fault_outside_every_view_is_enveloped_too(cpo, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", fail)

    answered = raw(cpo, "GET", "/ocpi/versions")

    assert answered.codes == (500, 3000)
    assert "secret" not in answered.message


def test_a_host_that_is_not_ours_is_refused_in_an_envelope(cpo):
    answered = raw(cpo, "GET", "/ocpi/versions", Host="evil.example")

    assert answered.codes == (400, 2000)


@pytest.mark.row("HUB-29")
def test_an_unknown_receiver_is_4001(cpo):
    with nothing_changes():
        answered = cpo.put(
            LOC1, examples.location(), **{"OCPI-to-country-code": "XX", "OCPI-to-party-id": "XXX"}
        )

    assert answered.codes == (200, 4001)


@pytest.mark.row("HUB-04", "HUB-10", "HUB-11")
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"OCPI-to-party-id": "HUB"}, "OCPI-to-country-code: required with the other header of the pair"),
        (
            {"OCPI-from-country-code": ""},
            "OCPI-from-country-code: required with the other header of the pair",
        ),
        (
            {"OCPI-from-party-id": "MSP", "OCPI-from-country-code": "DE"},
            "OCPI-from names DE*MSP, which is no party",
        ),
        ({"OCPI-from-party-id": "TOOLONG"}, "OCPI-from-party-id: does not name a party such as NL and ABC"),
        (
            {"OCPI-to-party-id": "A\x80", "OCPI-to-country-code": "NL"},
            "OCPI-to-party-id: does not name a party",
        ),
    ],
)
def test_wrong_routing_headers_are_2001_and_nothing_moves(cpo, emsp, headers, message):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(), **headers)

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(message)


@pytest.mark.row("HUB-10")
def test_without_from_the_only_party_is_meant(cpo):
    cpo.party = ""

    answered = cpo.put(LOC1, examples.location())

    assert answered.codes == (201, 1000)
    assert answered.headers["OCPI-to-party-id"] == "ABC"
    assert answered.headers["OCPI-from-party-id"] == "HUB"


@pytest.mark.row("HUB-10")
def test_without_from_a_platform_of_several_parties_is_asked_which(stranger, cpo):
    cpo.platform.parties.create(country_code="NL", party_id="TWO", roles=["CPO"])
    cpo.party = ""

    with nothing_changes():
        answered = cpo.put(LOC1, examples.location())

    assert answered.codes == (200, 2001)
    assert answered.message == "OCPI-from is missing, and your platform speaks for more than one party"


def test_the_database_that_does_not_answer_is_503_with_retry_after(cpo, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection; password=secret")

    monkeypatch.setattr(store, "put", fail)

    answered = cpo.put(LOC1, examples.location())

    assert answered.codes == (503, 3000)
    assert answered.headers["Retry-After"] == "5"
    assert "secret" not in answered.message


@pytest.mark.row("RSP-03")
def test_an_answer_of_a_partner_needs_no_timestamp(cpo, emsp, deliver):
    emsp.answers.append(lambda request: httpx.Response(200, json={"status_code": 1000}))
    cpo.put(LOC1, examples.location())

    deliver()

    assert Delivery.objects.get().state == "DELIVERED"
