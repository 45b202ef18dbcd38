"""A driver's data, erased on request: nothing is left but what invoices rest on."""

import json
import threading
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone

from cdrs.models import CDR
from commands.models import Command
from ocpi_hub import background, commandline, erasure
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.housekeeping import erasing, sweeper
from ocpi_hub.exchange.models import (
    Attempt,
    Callback,
    Delivery,
    Erasure,
    Grant,
    Message,
    RefusedObject,
    RepairRule,
)
from ocpi_hub.exchange.objects import tally
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.journal.models import Hop, Look
from ocpi_hub.mentions import Form
from ocpi_hub.partners import secrets
from ocpi_hub.proof.comparison import Window, compare
from ocpi_hub.proof.models import Gap
from ocpi_hub.pseudonyms import Driver, without
from sessions.models import Session
from tests import examples
from tests.conformance.calls import to
from tests.conformance.orders import answering
from tests.partners import enveloped
from tokens.models import Authorization, Token

pytestmark = pytest.mark.django_db

UID, CONTRACT, NUMBER = "04A1B2C3D4", "DE-MSP-C00000001-1", "4711-0815-77"
TOKEN = f"DE*MSP/{UID}"
NAMES = (UID, CONTRACT, NUMBER)


def tables() -> set[str]:
    """All of the database; partitions show in the table that they are of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
            " AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = quote_ident(table_name)::regclass)"
        )
        return {row[0] for row in cursor.fetchall()}


def holders(*names: str) -> dict[str, int]:
    """Every table of the database that has one of these in any row, whatever its columns, and in how many."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(tables()):
            rows = f'SELECT count(*) FROM "{table}" AS row WHERE row::text ~* %s'
            cursor.execute(rows, ["|".join(names)])
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


@pytest.fixture
def driver(cpo, emsp, deliver, django_user_model):
    """A driver that everybody has heard of: charged, was billed, was refused, and failed in every place."""
    cpo.answers.append(answering())
    token = examples.token(uid=UID, contract_id=CONTRACT, visual_number=NUMBER)
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", token)
    emsp.post("receiver/commands/START_SESSION", examples.start_session(), **to("NL*ABC"))
    cpo.post(f"sender/tokens/{UID}/authorize")
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="COMPLETED", end_date_time=later()))
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", token | {"valid": False, "last_updated": later()})
    deliver()
    in_every_place(cpo, django_user_model)
    return erasing.driver_named(TOKEN)


def later() -> str:
    return "2026-03-01T09:00:00Z"


def in_every_place(cpo, django_user_model) -> None:
    Grant.objects.create(
        token_owner="DE*MSP", token_key=UID, operator="NL*ABC", reference="R1", given_by="authorize"
    )
    RefusedObject.objects.create(
        platform=cpo.platform,
        module="sessions",
        object_key=f"NL*ABC/{UID}",
        reason=f"$.kwh: with token {UID}",
        document=json.dumps(examples.session(), indent=1),
    )
    RepairRule.objects.create(
        platform=cpo.platform, module="tokens", kind="TEXT", path="uid", sample=f"{UID} to '{UID}'"
    )
    report = {"state": "OPEN", "state_at": timezone.now(), "first_seen_at": timezone.now()}
    ErrorReport.objects.create(
        **report, last_seen_at=timezone.now(), kind="x", text=f"token {UID}", url=f"/tokens/DE/MSP/{UID}?x=1"
    )
    Delivery.objects.filter(module="sessions").update(reason=f"HTTP 200, 2001: {UID.lower()} is unknown")
    LogEntry.objects.create(
        user=User.objects.create(username="operator"),
        content_type=ContentType.objects.get_for_model(Token),
        object_repr=f"DE/MSP/{UID}",
        action_flag=CHANGE,
        change_message="",
    )
    Look.objects.create(who="operator", asked=f"token:{UID}", correlation_ids=[], note="")
    Gap.objects.create(
        platform=cpo.platform, module="tokens", row_id=1, path=f"DE/MSP/{UID}", kind="LOST", variant="RFID",
        day=timezone.now().date(), **dict.fromkeys(("changed_at", "found_at", "seen_at"), timezone.now()),
    )  # fmt: skip
    background.flush()  # the journal's hops


EVERYWHERE = {
    "cdrs_cdr",
    "charging_sessions_session",
    "commands_command",
    "django_admin_log",
    "errorreports_errorreport",
    "exchange_attempt",
    "exchange_callback",
    "exchange_delivery",
    "exchange_grant",
    "exchange_message",
    "exchange_refusedobject",
    "exchange_repairrule",
    "journal_hop",
    "journal_look",
    "proof_gap",
    "tokens_authorization",
    "tokens_token",
}


def test_after_it_nothing_in_the_database_names_the_driver_but_cdrs(driver):
    assert set(holders(*NAMES)) == EVERYWHERE

    row = erasing.erase(driver, "operator")

    assert holders(*NAMES) == {"cdrs_cdr": 1}
    assert row.waiting == 0
    cdr = CDR.objects.get()
    assert (cdr.token_uid, cdr.contract_id) == (UID, CONTRACT)
    assert json.loads(cdr.document)["cdr_token"]["uid"] == UID


def test_what_stays_is_what_operators_and_invoices_need(driver):
    erasing.erase(driver, "operator")

    name = driver.pseudonym
    session = Session.objects.get()
    assert (session.token_uid, session.contract_id, session.kwh) == (name, name, 20)
    document = json.loads(session.document)
    assert (document["cdr_token"]["uid"], document["kwh"], document["id"]) == (name, 20, "SESSION1")
    assert document["cdr_token"]["party_id"] == "MSP"
    assert Authorization.objects.get().token_uid == name
    assert Command.objects.get().token_uid == name
    assert f'"uid": "{name}"' in Callback.objects.get().request
    assert not Token.objects.exists()
    assert not Grant.objects.exists()
    assert set(Message.objects.values_list("module", flat=True)) == {"sessions", "cdrs"}
    assert Attempt.objects.filter(url__endswith=f"/tokens/DE/MSP/{name}?type=RFID").exists()
    assert LogEntry.objects.get().object_repr == f"DE/MSP/{name}"
    refused = RefusedObject.objects.get()
    assert refused.object_key == f"NL*ABC/{name}"
    assert json.loads(refused.document)["cdr_token"]["uid"] == name
    assert ErrorReport.objects.get(kind="x").url == f"/tokens/DE/MSP/{name}?x=1"
    refs = {ref for hop in Hop.objects.all() for ref in hop.refs}
    assert {name, f"token:DE/MSP/{name}", "session:NL/ABC/SESSION1"} <= refs
    assert tally.compare() == 0


def test_the_audit_names_no_token_and_is_found_by_whoever_has_it(driver, caplog):
    with caplog.at_level("INFO"):
        row = erasing.erase(driver, "operator", note="request 17")

    assert erasing.before(erasing.driver_named(TOKEN.lower().replace("de*msp", "DE-MSP"))) == [row]
    assert erasing.before(erasing.driver_named("DE*MSP/OTHER")) == []
    told = json.dumps([row.mark, row.result, row.note, row.by]) + caplog.text
    assert not any(name.lower() in told.lower() for name in NAMES)
    assert "CDRs: 1 kept" in row.result
    assert "the token itself: 1 deleted" in row.result


def test_the_mark_is_of_no_use_without_the_key(driver, settings):
    mark = driver.mark

    settings.HUB_KEYS = ["b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="]

    assert erasing.driver_named(TOKEN).mark != mark


def test_it_may_be_repeated(driver):
    erasing.erase(driver, "operator")
    documents = list(Session.objects.values_list("document", flat=True))

    again = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert again.result == ["CDRs: 1 kept"]
    assert list(Session.objects.values_list("document", flat=True)) == documents
    assert Erasure.objects.count() == 2


def test_the_plan_says_what_goes_and_what_stays_and_changes_nothing(driver):
    before = holders(*NAMES)

    found = erasing.plan(driver)

    assert holders(*NAMES) == before
    fates = {one.holding.model: (one.holding.fate.name, one.rows) for one in found.findings}
    assert fates["cdrs.CDR"] == ("KEPT", 1)
    assert fates["charging_sessions.Session"] == ("REPLACED", 1)
    assert fates["tokens.Token"] == ("DELETED", 1)
    assert found.waiting == 0
    notes = " ".join(found.notes)
    assert "The hub sent the token to ABC" in notes
    assert "CDRs stay for ever: HUB_CDR_DAYS is 0." in notes


# ---------------------------------------------------------------------------------------------- what has to wait
def test_a_withdrawal_that_an_operator_has_not_got_is_not_erased_before_it(cpo, emsp, deliver):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(valid=False))
    cpo.answers.append(lambda request: enveloped(http_status=500))
    deliver()
    driver = erasing.driver_named(TOKEN)

    first = erasing.erase(driver, "operator")

    assert first.waiting == 3
    assert Token.objects.count() == 1
    cpo.answers.clear()
    Delivery.objects.update(next_attempt_at=timezone.now())
    deliver()
    assert cpo.received()[-1].body["valid"] is False

    second = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert second.waiting == 0
    assert holders(UID) == {}


def test_a_session_that_is_still_running_is_left_until_it_is_over(cpo, emsp, deliver):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="ACTIVE"))
    deliver()

    row = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert (
        "Sessions: 0 with a pseudonym now; 1 waits until they are over, and their provider has their end"
        in row.result
    )
    assert Session.objects.get().token_uid == UID
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="COMPLETED", last_updated=later()))
    deliver()
    assert emsp.received()[-1].body["cdr_token"]["uid"] == UID
    assert erasing.erase(erasing.driver_named(TOKEN), "operator").waiting == 0
    assert holders(UID) == {}


@pytest.mark.parametrize("expanded", [False, True])
def test_what_is_on_its_way_reaches_its_provider_whole_however_often_it_is_tried(
    cpo, emsp, deliver, expanded
):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="COMPLETED"))
    if expanded:
        emsp.answers.append(lambda request: enveloped(http_status=500))
        deliver()
        emsp.answers.clear()

    first = erasing.erase(erasing.driver_named(TOKEN), "operator")
    Delivery.objects.update(next_attempt_at=timezone.now())
    deliver()

    assert first.waiting == 2
    assert emsp.received()[-1].body["cdr_token"]["uid"] == UID
    assert erasing.erase(erasing.driver_named(TOKEN), "operator").waiting == 0
    assert holders(UID) == {}


def test_a_token_that_is_not_made_out_to_operators_yet_waits(cpo, emsp):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(valid=False))

    erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert Token.objects.get().valid is False


def test_a_reconciliation_does_not_take_a_pseudonym_for_a_gap(driver, emsp):
    def gaps():
        now = timezone.now() + timedelta(minutes=1)
        window = Window(now - timedelta(days=1), now, now)
        found = compare(emsp.platform, Session, window, 0, 10**9).found
        return [one.address.object_id for one in found]

    assert gaps() == ["SESSION1"]

    erasing.erase(driver, "operator")

    assert gaps() == []


def test_a_session_that_its_operator_lists_as_it_was_does_not_come_back(driver, cpo, emsp):
    erasing.erase(driver, "operator")
    Session.objects.update(last_updated=timezone.now() - timedelta(days=3))
    session = examples.session(status="COMPLETED", end_date_time=later())
    cpo.lists["sessions"] = [session | {"last_updated": "2030-01-01T00:00:00Z"}]

    (report,) = sync.pull_platform(cpo.platform.pk, "sessions")

    assert (report.pull.unchanged, report.pull.changed) == (1, 0)
    assert Session.objects.get().token_uid == driver.pseudonym


def test_whoever_still_lists_it_as_valid_is_named(cpo, emsp):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(valid=True))

    notes = erasing.plan(erasing.driver_named(TOKEN)).notes

    assert "DE*MSP still has the token as valid: it must withdraw it" in notes[0]
    assert not any(UID in note for note in notes)


# ------------------------------------------------------------------------------------------------- of nobody else
def test_others_keep_what_is_theirs(driver, emsp, stranger, cpo, deliver):
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4E5", examples.token(uid="04A1B2C3D4E5", contract_id="OTHER"))
    stranger.put(
        f"receiver/tokens/FR/XYZ/{UID}", examples.token(country_code="FR", party_id="XYZ", contract_id="F1")
    )
    cdr_token = {
        **examples.session()["cdr_token"],
        "country_code": "FR",
        "party_id": "XYZ",
        "contract_id": "F1",
    }
    cpo.put("receiver/sessions/NL/ABC/S2", examples.session(id="S2", cdr_token=cdr_token, status="COMPLETED"))
    deliver()

    erasing.erase(driver, "operator")

    left = Token.objects.order_by("owner_key").values_list("owner_key", "object_id")
    assert list(left) == [("DE*MSP", "04A1B2C3D4E5"), ("FR*XYZ", UID)]
    assert Session.objects.get(object_id="S2").token_uid == UID
    message = Message.objects.get(path="NL/ABC/S2")
    assert json.loads(message.body)["cdr_token"]["uid"] == UID


def test_a_contract_of_several_tokens_stays_unless_it_is_named(cpo, emsp, deliver):
    for uid in (UID, "OTHERCARD"):
        emsp.put(f"receiver/tokens/DE/MSP/{uid}", examples.token(uid=uid, contract_id=CONTRACT))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="COMPLETED"))
    deliver()

    driver = erasing.driver_named(TOKEN)
    assert CONTRACT not in driver.names
    assert any("other tokens of DE*MSP too" in note for note in erasing.plan(driver).notes)
    erasing.erase(driver, "operator")
    assert Session.objects.get().contract_id == CONTRACT

    erasing.erase(erasing.driver_named(TOKEN, (CONTRACT,)), "operator")
    assert Session.objects.get().contract_id == driver.pseudonym


# --------------------------------------------------------------------------------- of a uid that is a word or a number
OTHERS_TEXTS = {"text": "the card reader of Card Street 5 says CARD", "subject": "NL/ABC/CARD"}


@pytest.fixture
def of_a_card(cpo, emsp, deliver):
    """The token CARD: it charged, and others have written of cards."""
    emsp.put("receiver/tokens/DE/MSP/CARD", examples.token(uid="CARD", contract_id="C1", valid=False))
    cpo.put("receiver/locations/NL/ABC/CARD", examples.location(id="CARD"))
    token = {**examples.session()["cdr_token"], "uid": "CARD", "contract_id": "C1"}
    cpo.put("receiver/sessions/NL/ABC/S1", examples.session(id="S1", cdr_token=token, status="COMPLETED"))
    deliver()
    background.flush()
    now = timezone.now()
    ErrorReport.objects.create(
        **OTHERS_TEXTS, kind="x", state="OPEN", state_at=now, first_seen_at=now, last_seen_at=now
    )
    Delivery.objects.filter(module="sessions").update(reason="HTTP 200, 2001: card is unknown")
    Delivery.objects.filter(module="locations").update(reason="HTTP 200, 2001: card is no city")
    Attempt.objects.all().update(outcome="HTTP 200, 2001: CARD")
    RefusedObject.objects.create(
        platform=cpo.platform,
        module="locations",
        object_key="NL*ABC/LOC7",
        reason="$.evses[0]: no card there",
        document='{"id": "LOC7", "evses": [{"uid": "CARD", "status": "AVAILABLE"}]}',
    )
    return erasing.driver_named("DE*MSP/CARD")


def test_a_uid_that_is_a_word_goes_where_it_is_the_drivers_and_damages_nothing_else(of_a_card):
    name = of_a_card.pseudonym
    refused = RefusedObject.objects.values().get()
    places = Hop.objects.filter(module="locations")
    before = list(places.order_by("pk").values())
    assert any("CARD" in hop["refs"] for hop in before)

    row = erasing.erase(of_a_card, "operator")

    assert Session.objects.get().token_uid == name
    assert Delivery.objects.get(module="sessions").reason == f"HTTP 200, 2001: {name} is unknown"
    sessions = Delivery.objects.filter(module="sessions").values("pk")
    assert set(Attempt.objects.filter(delivery_id__in=sessions).values_list("outcome", flat=True)) == {
        f"HTTP 200, 2001: {name}"
    }
    assert not Hop.objects.filter(url__contains="/tokens/DE/MSP/CARD").exists()
    assert ErrorReport.objects.filter(**OTHERS_TEXTS).count() == 1
    assert Delivery.objects.get(module="locations").reason == "HTTP 200, 2001: card is no city"
    assert RefusedObject.objects.values().get() == refused
    assert list(places.order_by("pk").values()) == before
    assert row.waiting == 0


def test_the_record_says_how_many_texts_were_left_for_a_word_like_the_uid(of_a_card):
    row = erasing.erase(of_a_card, "operator")

    left = "a word in a text that is spelled like its uid or number, which is short or common: nothing there says"
    told = {line.partition(":")[0]: line for line in row.result if left in line}
    assert told.keys() == {
        "reasons of deliveries", "attempts of deliveries", "refused objects", "error reports",
    }  # fmt: skip
    assert "error reports: 0 with a pseudonym now; 1 stays as it is, with a word" in told["error reports"]


# ------------------------------------------------------------------------------------- of one of two with this uid
def of_the_stranger(**fields):
    return examples.token(country_code="FR", party_id="XYZ", contract_id="F1", **fields)


@pytest.fixture
def rival(driver, stranger, cpo, deliver):
    """FR*XYZ has a token of the same uid, and everybody has heard of that too."""
    stranger.put(f"receiver/tokens/FR/XYZ/{UID}", of_the_stranger())
    deliver()
    background.flush()


def hops() -> dict[int, tuple[object, ...]]:
    rows = Hop.objects.filter(url__contains="/tokens/FR/XYZ/").order_by("pk")
    return {row.pk: (row.url, row.refs, row.request_body, row.answer_body) for row in rows}


def test_another_providers_token_of_the_same_uid_keeps_its_traces(driver, rival):
    before = hops()
    attempts = list(Attempt.objects.filter(url__contains="/tokens/FR/XYZ/").values_list("url", flat=True))
    assert len(before) >= 2
    assert attempts

    erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert hops() == before
    assert all(f"token:FR/XYZ/{UID}" in refs and UID in refs for _, refs, *_ in before.values())
    assert (
        list(Attempt.objects.filter(url__contains="/tokens/FR/XYZ/").values_list("url", flat=True))
        == attempts
    )
    assert Token.objects.get(owner_key="FR*XYZ").object_id == UID
    assert not Hop.objects.filter(url__contains=f"/tokens/DE/MSP/{UID}").exists()
    assert not Attempt.objects.filter(url__contains=f"/tokens/DE/MSP/{UID}").exists()


def test_two_drivers_never_get_one_pseudonym(driver, rival):
    erasing.erase(erasing.driver_named(TOKEN), "operator")
    theirs = erasing.driver_named(f"FR*XYZ/{UID}")
    Token.objects.filter(owner_key="FR*XYZ").update(valid=False)
    erasing.erase(theirs, "operator")

    assert theirs.pseudonym != driver.pseudonym
    for hop in Hop.objects.all():
        both = {driver.pseudonym, theirs.pseudonym} <= set(hop.refs)
        assert not both
    assert Attempt.objects.filter(url__contains=f"/tokens/FR/XYZ/{theirs.pseudonym}").exists()


def test_what_does_not_say_which_of_two_tokens_it_means_is_left_and_told(emsp, cpo, stranger, deliver):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token())
    stranger.put(f"receiver/tokens/FR/XYZ/{UID}", of_the_stranger())
    deliver()
    Look.objects.create(who="operator", asked=f"uid {UID}", correlation_ids=[], note="")

    row = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert Look.objects.get().asked == f"uid {UID}"
    (line,) = [line for line in row.result if line.startswith("looks at personal data")]
    assert (
        "0 with a pseudonym now; 1 stays that may be about another provider's token of the same uid" in line
    )
    assert row.waiting == 1
    assert row.names_cipher

    Token.objects.filter(owner_key="FR*XYZ").delete()
    row = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert Look.objects.get().asked == f"uid {erasing.driver_named(TOKEN).pseudonym}"
    assert (row.waiting, row.names_cipher) == (0, "")


@pytest.mark.parametrize(("to_party", "left"), [("DE*MSP", ""), ("FR*XYZ", UID)])
def test_a_question_is_of_the_token_of_the_party_that_was_asked(driver, rival, to_party, left):
    Hop.objects.all().delete()
    texts = ["module", "interface", "remote", "request_body", "answer_body", "failure"]
    made = dict.fromkeys([*texts, "request_id", "correlation_id"], "")
    numbers = dict.fromkeys(("request_size", "answer_size", "milliseconds"), 0)
    Hop.objects.create(
        **made, **numbers, kind="drivers", at=timezone.now(), direction="IN", from_party="NL*ABC", method="POST",
        to_party=to_party, url=f"/ocpi/2.2.1/sender/tokens/{UID}/authorize", request_headers={}, answer_headers={},
        refs=[f"token:{UID}", UID],
    )  # fmt: skip

    erasing.erase(erasing.driver_named(TOKEN), "operator")

    name = left or driver.pseudonym
    hop = Hop.objects.get()
    assert (hop.url, hop.refs) == (f"/ocpi/2.2.1/sender/tokens/{name}/authorize", [f"token:{name}", name])


# --------------------------------------------------------------------------------------------------- as it is spelled
def php(document) -> bytes:
    """As PHP's json_encode writes slashes, with a letter of the uid escaped besides."""
    return json.dumps(document).replace("/", "\\/").replace("PHP\\/", "\\u0050HP\\/").encode()


def test_what_php_wrote_is_erased_and_stays_as_it_was_sent_besides(cpo, emsp, deliver):
    uid, contract = "PHP/UID/77", "DE/MSP/C777"
    token = {**examples.session()["cdr_token"], "uid": uid, "contract_id": contract}
    emsp.put(
        "receiver/tokens/DE/MSP/%50HP%2FUID%2F77",
        php(examples.token(uid=uid, contract_id=contract, valid=False)),
    )
    sent = php(examples.session(cdr_token=token, status="COMPLETED", end_date_time=later()))
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", sent).codes == (201, 1000)
    cpo.post("sender/tokens/PHP%2F%55ID%2F77/authorize")
    deliver()
    background.flush()
    spelled = ("PHP.{1,6}(U|%55)ID.{1,6}77", "u0050HP", "C777")
    assert {"charging_sessions_session", "exchange_message", "journal_hop"} <= set(holders(*spelled))

    row = erasing.erase(erasing.driver_named(f"DE*MSP/{uid}"), "operator")

    assert row.waiting == 0
    assert holders(*spelled) == {}
    name = erasing.driver_named(f"DE*MSP/{uid}").pseudonym.encode()
    left = sent.replace(b"\\u0050HP\\/UID\\/77", name).replace(b"DE\\/MSP\\/C777", name)
    assert Session.objects.get().document.encode() == left


# --------------------------------------------------------------------------------------------- the second of two runs
def test_a_later_run_knows_the_contract_that_the_first_found(cpo, emsp, deliver):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(contract_id=CONTRACT, valid=False))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="ACTIVE"))
    deliver()
    first = erasing.erase(erasing.driver_named(TOKEN), "operator")
    assert not Token.objects.exists()
    assert first.waiting == 1
    assert first.finished
    assert holders(CONTRACT).keys() == {"charging_sessions_session"}
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="COMPLETED", last_updated=later()))
    deliver()
    background.flush()

    second = erasing.erase(erasing.driver_named(TOKEN), "operator")

    assert second.waiting == 0
    assert holders(UID, CONTRACT) == {}
    assert set(Erasure.objects.values_list("names_cipher", flat=True)) == {""}


def test_what_is_kept_for_a_later_run_is_encrypted(cpo, emsp, deliver):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(contract_id=CONTRACT, valid=False))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="ACTIVE"))
    deliver()

    for _ in range(2):
        erasing.erase(erasing.driver_named(TOKEN), "operator")

    newest, older = Erasure.objects.all()
    assert older.names_cipher == ""
    assert json.loads(secrets.decrypt(newest.names_cipher)) == ["DE*MSP", UID, CONTRACT]
    assert "exchange_erasure" not in holders(UID, CONTRACT)


def test_an_erasure_that_is_interrupted_says_so_and_the_next_knows_what_it_knew(driver, monkeypatch):
    def interrupted(found):
        if found.holding.model == "tokens.Token":
            raise KeyboardInterrupt

    Session.objects.update(status="ACTIVE")
    with pytest.raises(KeyboardInterrupt):
        erasing.erase(driver, "operator", progress=interrupted)
    row = Erasure.objects.get()
    assert not row.finished
    assert str(row).startswith("begun to be erased, but not to the end, at ")
    Token.objects.all().delete()
    Session.objects.update(status="COMPLETED")

    assert erasing.driver_named(TOKEN).names == driver.names
    assert erasing.erase(erasing.driver_named(TOKEN), "operator").waiting == 0
    assert holders(*NAMES) == {"cdrs_cdr": 1}
    assert not Erasure.objects.exclude(names_cipher="").exists()


def test_what_waits_is_found_under_a_new_key(cpo, emsp, deliver, settings):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(contract_id=CONTRACT, valid=False))
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(status="ACTIVE"))
    deliver()
    erasing.erase(erasing.driver_named(TOKEN), "operator")
    new = "b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="

    settings.HUB_KEYS = [new, *settings.HUB_KEYS]
    assert erasing.driver_named(TOKEN).others == (CONTRACT,)
    call_command("rekey")
    settings.HUB_KEYS = [new]

    assert erasing.driver_named(TOKEN).others == (CONTRACT,)
    assert len(erasing.before(erasing.driver_named(TOKEN))) == 1


P = Driver("DE*MSP", "12").pseudonym


@pytest.mark.parametrize(
    ("form", "text", "left"),
    [
        (Form.VALUE, "12", P),
        (Form.VALUE, "121", "121"),
        (Form.JSON, '{"uid" : "12", "kwh": 12, "id": "12"}', f'{{"uid" : "{P}", "kwh": 12, "id": "12"}}'),
        (Form.JSON, '{"uid":"123"}', '{"uid":"123"}'),
        (Form.ADDRESS, "https://cpo/tokens/DE/MSP/12?type=RFID", f"https://cpo/tokens/DE/MSP/{P}?type=RFID"),
        (Form.ADDRESS, "https://cpo/sender/tokens/12/authorize", f"https://cpo/sender/tokens/{P}/authorize"),
        (Form.ADDRESS, "https://cpo/locations/NL/ABC/12", "https://cpo/locations/NL/ABC/12"),
        (Form.NAME, "token:DE/MSP/12", f"token:DE/MSP/{P}"),
        (Form.NAME, "12", P),
        (Form.NAME, "location:NL/ABC/12", "location:NL/ABC/12"),
        (Form.TEXT, "HTTP 500 after 12 s, uid 12", f"HTTP 500 after 12 s, uid {P}"),
    ],
)
def test_a_short_uid_is_replaced_where_it_is_one(form, text, left):
    assert without(text, Driver("DE*MSP", "12"), form) == left


@pytest.mark.parametrize("uid", ["A/B c+D", 'Ä"Ö', "%2F", "a.b*c"])
def test_a_uid_is_found_however_it_is_written(uid):
    from urllib.parse import quote

    driver = Driver("DE*MSP", uid)

    document = json.dumps({"uid": uid.lower()})
    assert json.loads(without(document, driver, Form.JSON))["uid"] == driver.pseudonym
    url = f"https://cpo/tokens/DE/MSP/{quote(uid, safe='')}"
    assert without(url, driver, Form.ADDRESS) == f"https://cpo/tokens/DE/MSP/{driver.pseudonym}"


# ----------------------------------------------------------------------------------------- that none is forgotten
def test_of_every_column_somebody_says_what_becomes_of_it():
    assert erasure.unnamed() == []


def test_a_column_that_nobody_speaks_of_is_found(monkeypatch):
    monkeypatch.setitem(erasure._harmless, "partners.Agreement", set())

    assert erasure.unnamed() == ["partners.Agreement.note"]


def test_every_table_of_the_database_has_a_model_that_is_walked():
    from django.apps import apps

    modelled = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}

    assert tables() - {"django_migrations"} <= modelled


def test_what_is_spoken_of_is_there():
    from django.apps import apps

    named = {(holding.model, column) for holding in erasure._holdings for column in holding.columns}
    named |= {(model, column) for model, columns in erasure._harmless.items() for column in columns}

    for model, column in sorted(named):
        assert isinstance(apps.get_model(model)._meta.get_field(column), models.Field), (model, column)


# -------------------------------------------------------------------------------------------------- the command
def erase(*arguments: str, capsys) -> str:
    call_command("erase", *arguments)
    return capsys.readouterr().out


def test_the_command_says_what_goes_and_does_it(driver, capsys):
    said = erase("--token", TOKEN, "--by", "jan", "--note", "request 17", capsys=capsys)

    assert "the token itself: 1. Each is deleted: " in said
    assert "CDRs: 1. Each stays as it is: invoices rest on them" in said
    assert "  Sessions: 1 with a pseudonym now\n" in said
    assert not any(name in said for name in NAMES)
    row = Erasure.objects.get()
    assert (row.by, row.note) == (commandline.acting("jan"), "request 17")
    assert holders(*NAMES) == {"cdrs_cdr": 1}


def test_a_dry_run_changes_nothing(driver, capsys):
    before = holders(*NAMES)

    found = json.loads(erase("--token", TOKEN, "--dry-run", "--json", capsys=capsys))

    assert holders(*NAMES) == before
    assert found["audit"] is None
    assert {"what": "CDRs", "fate": "kept", "rows": 1, "waiting": 0}.items() <= next(
        one for one in found["found"] if one["what"] == "CDRs"
    ).items()
    assert not Erasure.objects.exists()


def test_a_token_is_read_from_the_input(driver, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))

    assert json.loads(erase("--token", "-", "--json", capsys=capsys))["audit"] == Erasure.objects.get().pk


@pytest.mark.parametrize("name", ["04A1B2C3D4", "DE*MSP", "DE*MSP/", "GERMANY/04A1B2C3D4", ""])
def test_what_names_no_token_is_refused_without_repeating_it(name):
    with pytest.raises(CommandError) as refused:
        call_command("erase", "--token", name)

    assert "DE*MSP/UID" in str(refused.value)
    assert UID not in str(refused.value)
    assert not Erasure.objects.exists()


# ---------------------------------------------------------------------------------------------------- the admin
ADD = "/admin/exchange/erasure/add/"


@pytest.fixture
def staff(client, django_user_model):
    """Somebody who may see tokens and nothing else."""
    user = django_user_model.objects.create_user("jan", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_token"))
    client.force_login(user)
    return client


def test_the_admin_says_first_what_goes_and_erases_on_the_second_click(driver, admin_client):
    before = holders(*NAMES)

    asked = admin_client.post(ADD, {"token": TOKEN, "note": "request 17"})

    page = asked.content.decode()
    assert holders(*NAMES) == before
    assert "invoices rest on them" in page
    assert "CDRs stay for ever" in page
    assert 'value="Erase for good"' in page

    done = admin_client.post(ADD, {"token": TOKEN, "note": "request 17", "confirm": "yes"})

    row = Erasure.objects.get()
    assert done["Location"] == f"/admin/exchange/erasure/{row.pk}/change/"
    assert (row.by, row.note) == ("admin", "request 17")
    assert holders(*NAMES) == before
    waits = admin_client.get(done["Location"]).content.decode()
    assert "waits for a worker, and begins within seconds" in waits
    assert '<meta http-equiv="refresh" content="3">' in waits

    assert erasing.do_what_was_asked() == 1

    assert holders(*NAMES) == {"cdrs_cdr": 1}
    shown = admin_client.get(done["Location"]).content.decode()
    assert "the token itself: 1 deleted" in shown
    assert 'http-equiv="refresh"' not in shown
    assert UID not in waits + shown


def test_what_would_take_long_to_count_is_erased_uncounted(driver, admin_client, monkeypatch):
    monkeypatch.setattr("ocpi_hub.exchange.admin.erasures.COUNTED_WITHIN", 0.0)

    page = admin_client.post(ADD, {"token": TOKEN}).content.decode()

    assert page.count("<td>not counted</td>") == len(erasure.tables())
    assert "What of\n  them names the driver is found when it is erased" in page
    assert 'value="Erase for good"' in page


def test_counting_a_large_table_is_left_off_and_the_others_are_counted(driver, monkeypatch):
    at_first = erasure._look

    def look(holding, driver, alive):
        if holding.model == "journal.Hop":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(600)")
        return at_first(holding, driver, alive)

    monkeypatch.setattr(erasure, "_look", look)

    found = {one.holding.model: one for one in erasing.plan(driver, seconds=12).findings}

    assert [model for model, one in found.items() if not one.counted] == ["journal.Hop"]
    assert found["charging_sessions.Session"].rows == 1
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


# --------------------------------------------------------------------------------------------- done by the workers
class Killed(BaseException):
    """The end of the process, which no code hears of."""


def killed_at(model, monkeypatch):
    """A worker that ends when it comes to this table."""
    at_first = erasure._erase

    def dies(holding, driver, alive):
        if holding.model == model:
            raise Killed
        return at_first(holding, driver, alive)

    monkeypatch.setattr(erasure, "_erase", dies)
    with pytest.raises(Killed):
        erasing.do_what_was_asked()
    monkeypatch.setattr(erasure, "_erase", at_first)


def test_another_worker_goes_on_where_one_was_killed_and_the_record_has_both(driver, monkeypatch):
    row = erasing.ask(driver, "operator", "request 17")
    killed_at("journal.Hop", monkeypatch)
    row.refresh_from_db()
    assert (row.finished, row.under_way) == (False, "requests and answers in the journal")
    assert row.tables_done > 0
    assert erasing.standing(row, timezone.now()) == (
        f"a worker is at it: {row.tables_done} of {len(erasure.tables())} tables are done; now: requests and answers in"
        " the journal"
    )
    assert erasing.do_what_was_asked() == 0
    before = list(row.result)
    Erasure.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    assert erasing.do_what_was_asked() == 1

    row.refresh_from_db()
    assert holders(*NAMES) == {"cdrs_cdr": 1}
    assert row.result[: len(before)] == before
    assert len(row.result) == len(set(row.result)) > len(before)
    assert (row.finished, row.waiting, row.under_way, row.names_cipher) == (True, 0, "", "")
    assert erasing.standing(row, timezone.now()) == "done"


def test_what_an_older_release_began_in_another_order_is_begun_anew(driver, monkeypatch):
    row = erasing.ask(driver, "operator")
    Erasure.objects.update(tables_done=len(erasure.tables()) - 1, under_way="a table of before", waiting=3)

    assert erasing.do_what_was_asked() == 1

    row.refresh_from_db()
    assert holders(*NAMES) == {"cdrs_cdr": 1}
    assert (row.finished, row.waiting) == (True, 0)


def test_workers_look_for_what_was_asked_in_their_rounds():
    assert erasing.do_what_was_asked in sweeper.rounds()


def test_a_worker_that_lost_it_changes_nothing_more(driver, monkeypatch):
    row = erasing.ask(driver, "operator")
    at_first = erasure._erase

    def taken_over(holding, driver, alive):
        if holding.model == "tokens.Token":
            Erasure.objects.update(holder="another", held_until=timezone.now() + timedelta(hours=1))
            alive()
        return at_first(holding, driver, alive)

    monkeypatch.setattr(erasure, "_erase", taken_over)

    erasing.do_what_was_asked()

    row.refresh_from_db()
    assert (row.finished, row.holder) == (False, "another")
    assert Token.objects.count() == 1


def test_a_worker_that_is_about_to_end_leaves_it_to_another_at_once(driver, monkeypatch):
    row = erasing.ask(driver, "operator")
    stops = threading.Event()
    at_first = erasure._erase

    def stopped(holding, driver, alive):
        stops.set()
        return at_first(holding, driver, alive)

    monkeypatch.setattr(erasing.pullplans, "stopping", stops)
    monkeypatch.setattr(erasure, "_erase", stopped)

    assert erasing.do_what_was_asked() == 1

    row.refresh_from_db()
    assert (row.finished, row.held_until) == (False, None)
    assert erasing.do_what_was_asked() == 0
    stops.clear()
    monkeypatch.setattr(erasure, "_erase", at_first)
    assert erasing.do_what_was_asked() == 1
    assert holders(*NAMES) == {"cdrs_cdr": 1}


def test_asked_twice_it_is_done_once(driver):
    rows = {erasing.ask(driver, "operator").pk for _ in range(2)}

    assert erasing.do_what_was_asked() == len(rows) == 1
    assert Erasure.objects.count() == 1


def test_an_erasure_by_command_meanwhile_leaves_the_worker_what_it_needs(driver):
    asked = erasing.ask(driver, "operator")
    erasing.erase(driver, "command")

    assert erasing.do_what_was_asked() == 1

    asked.refresh_from_db()
    assert (asked.finished, asked.result) == (True, ["CDRs: 1 kept"])


def test_the_action_of_the_tokens_page_asks_first(driver, admin_client):
    (pk,) = Token.objects.values_list("pk", flat=True)

    page = admin_client.post("/admin/tokens/token/", {"action": "erase_driver", "_selected_action": [pk]})

    assert "Nothing has changed yet." in page.content.decode()
    assert f'name="token" value="{TOKEN}"' in page.content.decode()
    assert Token.objects.filter(pk=pk).exists()


def test_tokens_are_erased_one_by_one(driver, admin_client, emsp):
    emsp.put("receiver/tokens/DE/MSP/SECOND", examples.token(uid="SECOND"))
    chosen = {"action": "erase_driver", "_selected_action": list(Token.objects.values_list("pk", flat=True))}

    page = admin_client.post("/admin/tokens/token/", chosen, follow=True).content.decode()

    assert "Choose one token" in page
    assert Token.objects.count() == 2


def test_whoever_has_no_right_to_it_erases_nothing(driver, staff):
    (pk,) = Token.objects.values_list("pk", flat=True)

    staff.post("/admin/tokens/token/", {"action": "erase_driver", "_selected_action": [pk]})
    refused = staff.post(ADD, {"token": TOKEN, "confirm": "yes"})

    assert refused.status_code == 403
    assert Token.objects.filter(pk=pk).exists()
    assert not Erasure.objects.exists()


def test_a_wrong_name_is_said_where_it_was_typed(admin_client):
    page = admin_client.post(ADD, {"token": UID}).content.decode()

    assert "name the token as DE*MSP/UID" in page
    assert not Erasure.objects.exists()


def test_of_a_driver_nobody_knows_nothing_is_offered_to_be_erased(admin_client):
    page = admin_client.post(ADD, {"token": "DE*MSP/NOBODY"}).content.decode()

    assert "The hub holds nothing of the driver of this token." in page
    assert "Erase for good" not in page
