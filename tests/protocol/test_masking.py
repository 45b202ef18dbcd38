"""What of a message is masked for those whom it is not between (ocpi_hub/protocol/masking.py)."""

import base64
import json
import re

import pytest

from ocpi_hub.protocol.masking import masked, masker, private_values, secret_values

TOKEN = {
    "country_code": "DE",
    "party_id": "MSP",
    "uid": "012345AF",
    "contract_id": "DE-MSP-C1",
    "valid": True,
}


@pytest.mark.parametrize(
    ("body", "path", "private"),
    [
        (TOKEN, "", {"012345AF", "DE-MSP-C1"}),
        ({"cdr_token": {"uid": "AB", "type": "RFID", "contract_id": "C"}, "id": "CDR1"}, "", {"AB", "C"}),
        ({"token": TOKEN, "location_id": "LOC1"}, "", {"012345AF", "DE-MSP-C1"}),
        ({"token": "c2VjcmV0", "url": "https://x.example/versions"}, "", {"c2VjcmV0"}),
        ({"response_url": "https://x.example/commands/START_SESSION/77aa"}, "", {"77aa"}),
        ({"response_url": "https://x.example/results/1", "connector_id": "1"}, "", set()),
        ([TOKEN | {"uid": 1234567}], "", {"1234567", "DE-MSP-C1"}),
        ({"evses": [{"uid": "EVSE1", "status": "AVAILABLE"}], "id": "LOC1"}, "", set()),
        ({"uid": "EVSE1", "connectors": [], "status": "AVAILABLE"}, "", set()),
        ({"uid": "  "}, "", set()),
        (
            {"UID": "0123AF", "contractId": "C1", "visualNumber": 7, "AUTH_ID": "A"},
            "",
            {"0123AF", "C1", "7", "A"},
        ),
        ({"evses": [{"UID": "EVSE1", "status": "AVAILABLE"}]}, "", set()),
        ({"uid": ["0123AF", {"value": 1234567, "valid": True}]}, "", {"0123AF", "1234567"}),
        ({"uid": 1234567.5}, "", {"1234567.5"}),
        ({"evses": [{"uid": {"id": "EVSE1"}}]}, "", set()),
        (None, "/ocpi/2.2.1/receiver/tokens/DE/MSP/0123%2FAF?type=RFID", {"0123/AF"}),
        (None, "/ocpi/2.2.1/sender/tokens/012345af/authorize", {"012345af"}),
        (None, "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1/EVSE1", set()),
    ],
)
def test_tokens_of_drivers_and_secrets_are_found(body, path, private):
    assert private_values(json.dumps(body) if body else None, path=path) == private


def test_they_are_found_in_what_is_no_json_too():
    broken = '{"uid": "012345AF", "contract_id" : "DE-MSP-C1", "valid": tru'

    assert private_values(broken) == {"012345AF", "DE-MSP-C1"}


def test_a_number_is_found_in_what_is_no_json_too():
    assert private_values(b'{"uid": 1234567, "contractId" :"C1", "kwh": NaN}') == {"1234567", "C1"}


def test_a_value_is_masked_however_json_spells_its_characters():
    text = '{"visual_number": "Ångström-7"} {"visual_number": "\\u00C5ngstr\\u00f6m-7"}'

    assert masked(text, {"Ångström-7"}) == '{"visual_number": "***"} {"visual_number": "***"}'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no token 012345af here", "no token *** here"),
        ("/tokens/DE/MSP/012345AF?type=RFID", "/tokens/DE/MSP/***?type=RFID"),
        ("x012345AF is another, 012345AF7 too", "x012345AF is another, 012345AF7 too"),
        ("a/b and a%2Fb and a%2fb", "*** and *** and ***"),
        ('the name "quo\\"te" of it', 'the name "***" of it'),
        ("results%2F012345AF%3F and results\\u002f012345af", "results%2F***%3F and results\\u002f***"),
        ("nothing of that", "nothing of that"),
    ],
)
def test_they_are_masked_wherever_and_however_they_stand(text, left):
    assert masked(text, {"012345AF", "a/b", 'quo"te'}) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("unknown contract NLEVMCmask777", "unknown contract ***"),
        ("nlevmcMASK777, NL*EVM*Cmask777 and NL-EVMCmask777.", "***, *** and ***."),
        ("/NL%2AEVM%2ACmask777?x", "/***?x"),
        ("results%2FNLEVMCmask777 and \\u002fNLEVMCmask777", "results%2F*** and \\u002f***"),
        ("id-NLEVMCmask777-refused", "id-***-refused"),
        ("NLEVMCmask778, NLEVMCmask7771, XNLEVMCmask777", "NLEVMCmask778, NLEVMCmask7771, XNLEVMCmask777"),
        ("DE8AA1234567 and DE*8AA*123456", "*** and ***"),
        ("FRABCC12345678", "***"),
        ("FR-ABC-C12345678-4 of FR*ABC", "*** of FR*ABC"),
        ("DEMSP and DE-MSP and a-b", "DEMSP and *** and a-b"),
    ],
)
def test_a_contract_is_masked_with_and_without_separators(text, left):
    contracts = {
        "NL-EVM-Cmask777",
        "DE*8AA*123456*7",
        "FRABCC123456784",
        "FR-ABC-C12345678-4",
        "DE-MSP",
        "ab",
    }

    assert masked(text, contracts) == left


UID, SHORT = "04A1B2C3D4", "1234"


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Authorization: Basic {base64_of(UID)}", "Authorization: Basic ***"),
        (f'{{"proof": "{base64_of(UID)}"}}', '{"proof": "***"}'),
        (f"key={base64_of(UID).rstrip('=')};", "key=***;"),
        (f"?key={base64_of(UID).replace('=', '%3D')}&page=2", "?key=***&page=2"),
        (f"of {base64_of(UID.lower())} in lower case", "of *** in lower case"),
        (
            f"short {base64_of(SHORT)}, {base64_of(SHORT)[:-2]} x{base64_of(SHORT)}",
            "short ***, *** xMTIzNA==",
        ),
        (base64_of("DEMSPC00000042"), "***"),
        (base64_of("DE-MSP-C00000042"), "***"),
        (f"{base64_of('AB')} and QUI, as in qui est", "*** and QUI, as in qui est"),
        (base64_of("another uid, 04A1B2C3D5"), base64_of("another uid, 04A1B2C3D5")),
    ],
)
def test_what_is_encoded_as_base64_is_masked(text, left):
    assert masked(text, {UID, SHORT, "AB", "DE-MSP-C00000042"}) == left
    assert masker({UID, SHORT, "AB", "DE-MSP-C00000042"})(text) == left


@pytest.mark.parametrize(
    ("whole", "left"),
    [
        (UID, "***"),
        (f"u{UID}", "d***"),
        (f"us{UID}", "dX***"),
        (f"user:{UID}", "dXNlcj***"),
        (f"{UID}!", "***E="),
        (f"u{UID}!", "d***h"),
        (f"user:{UID}:pw", "dXNlcj***OnB3"),
        (f'{{"uid": "{UID}", "type": "RFID"}}', "eyJ1aWQiOiAi***IsICJ0eXBlIjogIlJGSUQifQ=="),
    ],
)
def test_within_more_that_was_encoded_what_has_a_part_of_the_value_is_masked(whole, left):
    assert masked(f"Basic {base64_of(whole)}.", {UID}) == f"Basic {left}."


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_either_alphabet_of_base64_is_read(encode):
    value = "~~~???>>>uid"

    assert re.search("[+/_-]", encode(value.encode()).decode())
    assert masked(f"({encode(value.encode()).decode()})", {value}) == "(***)"


def test_thousands_of_contracts_are_masked_by_one_look_at_the_text():
    contracts = [f"NL-EVM-C{number:08}" for number in range(3_000)]
    text = " ".join(contract.replace("-", "") for contract in contracts)

    assert masked(text, contracts) == " ".join(["***"] * 3_000)


def test_without_private_values_a_text_stays():
    assert masked("anything", set()) == "anything"


def test_secrets_are_what_no_reader_may_see():
    credentials = json.dumps({"token": "c2VjcmV0", "url": "https://x.example/versions"})
    command = json.dumps({"response_url": "https://x.example/77aa", "token": TOKEN})

    assert secret_values(credentials, command.encode(), None) == {"c2VjcmV0", "77aa"}
    assert secret_values(json.dumps(TOKEN)) == set()


@pytest.mark.parametrize(
    ("path", "private"),
    [
        ("/ocpi/2.2.1/receiver/tokens/04A1B2C3D4", {"04A1B2C3D4"}),
        ("/ocpi/2.2.1/receiver/tokens/DE-MSP/04A1B2C3D4?type=RFID", {"DE-MSP", "04A1B2C3D4"}),
        ("/ocpi/2.2.1/receiver/tokens//DE/MSP/04A1B2C3D4/", {"04A1B2C3D4"}),
        ("/ocpi/2.2.1/receiver/tokens/DE/MSP/04%20A1/x", {"04 A1"}),
        ("/ocpi/2.2.1/sender/tokens/authorize/04A1B2C3D4", {"04A1B2C3D4"}),
        ("/ocpi/2.2.1/sender/tokens?offset=1000", set()),
        ("/ocpi/2.2.1/receiver/locations/NL/ABC/LOC12345", set()),
    ],
)
def test_the_uid_is_found_where_a_partner_mistypes_its_address(path, private):
    assert private_values(path=path) == private
