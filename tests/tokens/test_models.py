"""Tokens: the type in the key, and the columns."""

import pytest

from tests import examples
from tokens.models import Token


def put(emsp, path="receiver/tokens/DE/MSP/04A1B2C3D4", **changes):
    return emsp.put(path, examples.token(**changes))


def test_columns_follow_the_document(emsp):
    put(
        emsp,
        visual_number="V1",
        group_id="G1",
        valid=False,
        whitelist="NEVER",
        issuer="Issuer",
        contract_id="C1",
    )

    row = Token.objects.get()
    assert (row.type, row.visual_number, row.group_id) == ("RFID", "V1", "G1")
    assert (row.valid, row.whitelist, row.issuer, row.contract_id) == (False, "NEVER", "Issuer", "C1")
    put(emsp, last_updated="2026-03-01T09:00:00Z")
    row.refresh_from_db()
    assert (row.visual_number, row.group_id, row.valid) == (None, None, True)


def test_one_uid_of_two_types_is_two_tokens(emsp):
    for kind in ("RFID", "APP_USER"):
        assert put(emsp, f"receiver/tokens/DE/MSP/04A1B2C3D4?type={kind}", type=kind).codes == (201, 1000)

    emsp.patch(
        "receiver/tokens/DE/MSP/04a1b2c3d4?type=APP_USER",
        {"valid": False, "last_updated": "2026-03-01T09:00:00Z"},
    )
    assert sorted(Token.objects.values_list("type", "valid")) == [("APP_USER", False), ("RFID", True)]
    assert emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4").data["valid"] is True
    assert emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4?type=APP_USER").data["valid"] is False


def test_a_put_without_a_type_in_the_url_is_of_the_type_in_its_body(emsp):
    assert put(emsp, type="OTHER").codes == (201, 1000)

    assert Token.objects.get().type == "OTHER"
    assert emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4").codes == (404, 2004)


@pytest.mark.parametrize(
    ("text", "variant"),
    [(None, "RFID"), ("", "RFID"), ("APP_USER", "APP_USER"), ("AD_HOC_USER", "AD_HOC_USER")],
)
def test_a_token_is_rfid_unless_another_type_is_named(text, variant):
    assert Token.variant_of(text) == variant


@pytest.mark.parametrize("kind", ["rfid", "CARD"])
def test_an_unknown_type_is_refused(emsp, kind):
    answered = put(emsp, f"receiver/tokens/DE/MSP/04A1B2C3D4?type={kind}")

    assert answered.codes == (200, 2001)
    assert answered.message == "type is one of RFID, APP_USER, AD_HOC_USER, OTHER"
    assert Token.objects.count() == 0


def test_an_address_of_its_own_names_the_type(emsp):
    put(emsp, type="OTHER")

    assert Token.objects.get().own_address.key == "DE/MSP/04A1B2C3D4?OTHER"
