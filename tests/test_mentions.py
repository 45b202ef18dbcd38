"""A driver's names in texts: in every spelling, and only where they are this driver's."""

import json
from urllib.parse import quote

import pytest

from ocpi_hub.mentions import Form, is_distinct, mentions
from ocpi_hub.pseudonyms import Driver, owners_named, with_pseudonym, without

DRIVER = Driver("DE*MSP", "PHP/UID/77", ("DE/MSP/C777",), rivals=("FR*XYZ",))
P = DRIVER.pseudonym


@pytest.mark.parametrize(
    ("form", "text", "left"),
    [
        (Form.JSON, r'{"uid":"PHP\/UID\/77", "kwh":1.50}', f'{{"uid":"{P}", "kwh":1.50}}'),
        (Form.JSON, r'{"contract_id":"DE\/MSP\/C777"}', f'{{"contract_id":"{P}"}}'),
        (Form.JSON, r'{"uid":"\u0050HP\u002fuid\u002F77"}', f'{{"uid":"{P}"}}'),
        (Form.JSON, r'{"\u0075id":"PHP/UID/77"}', f'{{"\\u0075id":"{P}"}}'),
        (Form.JSON, r'{"a":"{\"uid\":\"PHP\\\/UID\\\/77\"}"}', rf'{{"a":"{{\"uid\":\"{P}\"}}"}}'),
        (Form.JSON, r'{"url":"https:\/\/cpo\/tokens\/PHP%2FUID%2F77"}', rf'{{"url":"https:\/\/cpo\/tokens\/{P}"}}'),
        (Form.JSON, r'[{"cdr_token":{"uid":"PHP\/UID\/77","type":"RF', f'[{{"cdr_token":{{"uid":"{P}","type":"RF'),
        (Form.ADDRESS, "/ocpi/tokens/%50HP%2fUID%2F%37%37/authorize", f"/ocpi/tokens/{P}/authorize"),
        (Form.ADDRESS, "/%74okens/D%45/MSP/PHP%252FUID%252F77", f"/%74okens/D%45/MSP/{P}"),
        (Form.TEXT, r"for \u0050HP\/UID\/77: no", f"for {P}: no"),
        (Form.TEXT, "a%2FPHP%2FUID%2F77", f"a%2F{P}"),
        (Form.TEXT, r"said:\nPHP/UID/77", rf"said:\n{P}"),
    ],
)  # fmt: skip
def test_a_name_is_found_in_every_spelling_and_all_else_stays_as_it_was(form, text, left):
    assert without(text, DRIVER, form) == left


@pytest.mark.parametrize("number", ["12345678", " 12345678 "])
def test_a_uid_that_was_sent_as_a_number_is_one(number):
    driver = Driver("DE*MSP", "12345678")

    document = without(f'{{"uid":{number},"kwh":12345678}}', driver, Form.JSON)

    assert json.loads(document) == {"uid": driver.pseudonym, "kwh": 12345678}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Form.JSON, '{"uid":"PHP/UID/77","country_code":"fr","party_id":"XYZ"}'),
        (Form.JSON, '{"country_code":"FR","party_id":"XYZ","contract_id":"DE/MSP/C777","uid":"OTHER"}'),
        (Form.JSON, '{"evses":[{"uid":"PHP/UID/77","evse_id":"FR*XYZ*E1"}]}'),
        (Form.JSON, '{"uid":"PHP/UID/77-2"}'),
        (Form.ADDRESS, "/tokens/FR/XYZ/PHP%2FUID%2F77"),
        (Form.ADDRESS, "/tokens/%46R/X%59Z/PHP%2FUID%2F77?type=RFID"),
        (Form.ADDRESS, "/tokens/DE/MSP/PHP%2FUID%2F77%38"),
        (Form.ADDRESS, "/tokens/DE/MSP/PHP%2FUID%2F77-2"),
        (Form.NAME, "token:FR/XYZ/PHP/UID/77"),
        (Form.TEXT, "FR/XYZ/PHP/UID/77, FR*XYZ/PHP/UID/77, /tokens/FR/XYZ/PHP/UID/77"),
        (Form.TEXT, r"PHP/UID/77\u0038, \u0041PHP/UID/77, %41PHP/UID/77"),
        (
            Form.TEXT,
            'HTTP 400: {"data":{"uid":"PHP/UID/77","country_code":"FR","party_id":"XYZ","type":"RFID"}}',
        ),
    ],
)
def test_what_is_somebody_elses_stays(form, text):
    assert without(text, DRIVER, form) == text


@pytest.mark.parametrize(
    ("name", "distinct"),
    [
        ("04A1B2C3", True),
        ("1234567890", True),
        ("DE-MSP-C00000001", True),
        ("0b7e4d1c-aaaa-bbbb-cccc-dddddddddddd", True),
        ("jan@a.nl", True),
        ("CARD", False),
        ("1234", False),
        ("20260301", False),
        ("LOC12", False),
        ("CONNECTION", False),
    ],
)
def test_a_long_name_is_a_drivers_wherever_it_stands_and_a_word_or_number_is_not(name, distinct):
    driver, text = Driver("DE*MSP", name), f"of {name}, it was said"
    erased = text.replace(name, driver.pseudonym)

    assert is_distinct(name) is distinct
    assert without(text, driver, Form.TEXT) == (erased if distinct else text)
    assert without(text, driver, Form.TEXT, anywhere=True) == erased


@pytest.mark.parametrize(
    ("uid", "text", "left"),
    [
        ("CARD", "no such card: the card reader is off", None),
        ("CARD", "the token card is gone", None),
        ("CARD", "PAY BY CARD", None),
        ("CARD", "CARDS of the CARDIFF site", None),
        ("CARD", "the token CARD is gone", "the token * is gone"),
        ("CARD", "PUT /tokens/DE/MSP/CARD: no", "PUT /tokens/DE/MSP/*: no"),
        ("CARD", 'got {"uid": "card"}', 'got {"uid": "*"}'),
        ("CARD", "token:DE/MSP/CARD", "token:DE/MSP/*"),
        ("1234", "after 1234 ms at LOC 1234", None),
        ("1234", "uid 1234 after 1234 ms", "uid * after 1234 ms"),
        (
            "1234",
            '{"evses": [{"uid": "1234", "status": "AVAILABLE"}], "uid": "1234"}',
            '{"evses": [{"uid": "1234", "status": "AVAILABLE"}], "uid": "*"}',
        ),
    ],
)
def test_of_a_uid_that_is_a_word_or_number_a_text_has_to_say_that_it_is_one(uid, text, left):
    driver = Driver("DE*MSP", uid)

    assert without(text, driver, Form.TEXT) == (left or text).replace("*", driver.pseudonym)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["token:DE/MSP/1234", "1234"], ["token:DE/MSP/*", "*"]),
        (["token:1234", "1234", "location:NL/ABC/L1", "L1"], ["token:*", "*", "location:NL/ABC/L1", "L1"]),
        (["location:NL/ABC/1234", "1234"], ["location:NL/ABC/1234", "1234"]),
        (["token:DE/MSP/1234", "1234", "evse:1234"], ["token:DE/MSP/*", "1234", "evse:1234"]),
    ],
)
def test_a_bare_id_among_the_names_of_a_request_is_the_tokens_only_if_nothing_else_has_it(names, left):
    driver = Driver("DE*MSP", "1234")

    erased = with_pseudonym(names, driver, Form.NAME)

    assert erased == [name.replace("*", driver.pseudonym) for name in left]


def test_the_parties_of_a_session_are_not_those_of_its_token():
    session = (
        '{"country_code":"FR","party_id":"XYZ","cdr_token":{"uid":"PHP/UID/77"},"token_uid":"PHP/UID/77"}'
    )

    assert owners_named(session, DRIVER, Form.JSON) == {""}
    assert without(session, DRIVER, Form.JSON).count(P) == 2
    assert without(session, DRIVER, Form.JSON, unsaid=False) == session


@pytest.mark.parametrize(
    "uid", ["A B/C?D#E", "100%", "a*b", "\\d+", '"q"', "Ä°ß", "𝄞note", "%2F", "_", "o'neil"]
)
def test_whatever_characters_a_uid_has_it_is_found(uid):
    driver = Driver("DE*MSP", uid)
    escaped = "".join(f"\\u{pair}" for pair in uid.encode("utf-16-be").hex(" ", 2).split())
    percent = "".join(f"%{byte:02X}" for byte in uid.encode())

    for text in (json.dumps(uid), json.dumps(uid, ensure_ascii=False), f'"{escaped}"'):
        assert json.loads(without(f'{{"uid":{text}}}', driver, Form.JSON)) == {"uid": driver.pseudonym}
    for text in (quote(uid, safe=""), percent):
        assert without(f"/tokens/DE/MSP/{text}", driver, Form.ADDRESS) == f"/tokens/DE/MSP/{driver.pseudonym}"


@pytest.mark.parametrize(
    "text", ["\\" * 60_000, "/tokens/" + "%25" * 20_000, "{" * 60_000, '"uid":' * 10_000]
)
def test_what_somebody_builds_to_keep_us_busy_names_nobody(text):
    for form in Form:
        assert mentions(text, DRIVER.names, form) == []
