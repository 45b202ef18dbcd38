"""TOK-01 to TOK-03: the Receiver interface of Tokens. TOK-01's matrix is in test_every_module.py."""

import pytest

from ocpi_hub.exchange.pulls import sync
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, raw
from tokens.models import Token

pytestmark = pytest.mark.django_db

UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
LATER = "2026-03-02T08:00:00Z"


@pytest.mark.row("TOK-01")
def test_get_put_and_patch_are_there_post_and_delete_are_not(emsp):
    bodies = {"PUT": examples.token(), "PATCH": {"valid": False, "last_updated": LATER}}

    codes = {method: emsp.request(method, UID, bodies.get(method)).codes for method in ("PUT", *METHODS)}

    assert codes == {
        "PUT": (200, 1000),
        "GET": (200, 1000),
        "POST": (405, 2000),
        "PATCH": (200, 1000),
        "DELETE": (405, 2000),
    }


@pytest.mark.row("TOK-02")
def test_one_uid_may_be_a_token_of_each_type(emsp, cpo, deliver):
    made = {kind: examples.token(type=kind) for kind in ("RFID", "APP_USER", "AD_HOC_USER", "OTHER")}

    for kind, token in made.items():
        assert emsp.put(f"{UID}?type={kind}", token).codes == (201, 1000)
    deliver()

    assert {kind: emsp.get(f"{UID}?type={kind}").data for kind in made} == made
    assert emsp.get(UID).data == made["RFID"]
    assert cpo.get("sender/tokens").data == list(made.values())
    assert sorted(call.path for call in cpo.received()) == sorted(
        f"/receiver/tokens/DE/MSP/04A1B2C3D4?type={kind}" for kind in made
    )


@pytest.mark.row("TOK-02")
def test_without_a_type_rfid_is_meant(emsp):
    emsp.put(f"{UID}?type=APP_USER", examples.token(type="APP_USER"))

    assert emsp.get(UID).codes == (404, 2004)
    with nothing_changes():
        assert emsp.patch(UID, {"valid": False, "last_updated": LATER}).codes == (404, 2004)
    assert emsp.patch(f"{UID}?type=APP_USER", {"valid": False, "last_updated": LATER}).codes == (200, 1000)


@pytest.mark.row("TOK-02")
def test_a_put_without_a_type_in_its_url_is_for_the_type_in_its_body(emsp):
    assert emsp.put(UID, examples.token(type="APP_USER")).codes == (201, 1000)

    assert Token.objects.get().type == "APP_USER"
    assert emsp.get(f"{UID}?type=APP_USER").data == examples.token(type="APP_USER")


@pytest.mark.row("TOK-02")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_type_in_the_body_than_in_the_url_is_refused(emsp, method):
    emsp.put(f"{UID}?type=RFID", examples.token())

    with nothing_changes():
        answered = emsp.request(method, f"{UID}?type=RFID", examples.token(type="OTHER", last_updated=LATER))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.type: the body has 'OTHER', the URL 'RFID'"


@pytest.mark.row("TOK-02", "TYP-08")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("kind", ["rfid", "NONSENSE", "RFID%00"])
def test_an_unknown_type_in_the_url_is_2001(emsp, method, kind):
    with nothing_changes():
        answered = emsp.request(method, f"{UID}?type={kind}", examples.token())

    assert answered.codes == (200, 2001)
    assert answered.message == "type is one of RFID, APP_USER, AD_HOC_USER, OTHER"


@pytest.mark.row("TOK-02")
def test_an_empty_type_is_none(emsp):
    assert emsp.put(f"{UID}?type=", examples.token()).codes == (201, 1000)
    assert emsp.get(f"{UID}?type=").data == examples.token()


@pytest.mark.row("TOK-02")
def test_pulled_tokens_are_told_apart_by_type_too(emsp, cpo):
    emsp.lists["tokens"] = [examples.token(), examples.token(type="APP_USER")]

    [report] = sync.pull_platform(emsp.platform.pk, "tokens", full=True)

    assert (report.pull.new, report.pull.refused) == (2, 0)
    assert len(cpo.get("sender/tokens").data) == 2


@pytest.mark.row("TOK-03")
def test_a_token_is_retired_by_valid_false_and_never_deleted(emsp, cpo, deliver):
    emsp.put(UID, examples.token())
    with nothing_changes():
        assert raw(emsp, "DELETE", f"/ocpi/2.2.1/{UID}").codes == (405, 2000)

    assert emsp.patch(UID, {"valid": False, "last_updated": LATER}).codes == (200, 1000)
    deliver()

    retired = examples.token(valid=False, last_updated=LATER)
    assert emsp.get(UID).data == retired
    assert cpo.get("sender/tokens").data == [retired]
    assert cpo.received()[-1].body["valid"] is False


def test_there_is_no_single_token_on_the_sender_interface(emsp, cpo):
    emsp.put(UID, examples.token())

    assert cpo.get("sender/tokens/04A1B2C3D4").codes == (404, 2000)
