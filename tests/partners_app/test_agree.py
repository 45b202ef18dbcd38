"""`manage.py agree`: who exchanges what with whom, for scripts and tired operators."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Agreement, Party
from tests.partners import Partner

PAIR = ("--between", "NL-ABC-CPO", "DE-MSP-EMSP")


@pytest.fixture(autouse=True)
def two_partners(cpo: Partner, emsp: Partner) -> None:
    """NL*ABC and DE*MSP."""


def agree(*arguments: str) -> str:
    out = StringIO()
    call_command("agree", *arguments, stdout=out)
    return out.getvalue()


def told(*arguments: str) -> dict:
    return json.loads(agree(*arguments, "--json"))


def refused(*arguments: str) -> str:
    before = rows()
    with pytest.raises(CommandError) as reason:
        agree(*arguments)
    assert rows() == before
    return str(reason.value)


def rows() -> list[tuple]:
    return list(Agreement.objects.values_list("first", "second", "module", "allowed", "note"))


def test_a_pair_is_closed_and_opened_again_in_any_order() -> None:
    agree(*PAIR, "--module", "locations", "--deny")
    closed = rows()
    agree("--between", "de*msp", "nl-abc", "--module", "locations", "--allow")

    assert closed == [("DE*MSP", "NL*ABC", "locations", False, "")]
    assert rows() == [("DE*MSP", "NL*ABC", "locations", True, "")]


def test_it_says_what_holds_now_and_what_held_before() -> None:
    first = agree(*PAIR, "--deny", "--note", "contract ended").splitlines()
    since = f"{Agreement.objects.get().changed_at:%Y-%m-%d %H:%M} UTC"
    second = agree(*PAIR, "--module", "tariffs", "--allow").splitlines()

    assert first == [
        f"DE*MSP and NL*ABC, every module: closed, by agreement on every module since {since}",
        "  before: open, by the default of this hub (HUB_AGREEMENTS)",
    ]
    assert second[1] == f"  before: closed, by agreement on every module since {since}"


def test_one_on_every_module_names_what_stays_otherwise() -> None:
    agree(*PAIR, "--module", "tariffs", "--allow")

    said = agree(*PAIR, "--deny")
    found = told(*PAIR, "--deny")

    assert "  except tariffs: open, by agreement on tariffs since " in said
    assert found["except"] == {"tariffs": True}
    terms = Terms.of(["NL*ABC"])
    assert terms.allow("NL*ABC", "DE*MSP", "tariffs")
    assert not terms.allow("NL*ABC", "DE*MSP", "locations")


def test_an_agreement_changes_no_other() -> None:
    agree(*PAIR, "--module", "tariffs", "--allow", "--note", "tariffs only")
    agree(*PAIR, "--module", "locations", "--deny")
    stood = [row for row in rows() if row[2] != "locations"]

    agree(*PAIR, "--module", "locations", "--allow")
    agree(*PAIR, "--module", "locations", "--forget")

    assert rows() == stood == [("DE*MSP", "NL*ABC", "tariffs", True, "tariffs only")]


def test_a_forgotten_agreement_leaves_the_more_general_one_and_then_the_default() -> None:
    agree(*PAIR, "--deny")
    agree(*PAIR, "--module", "locations", "--allow")

    one = told(*PAIR, "--module", "locations", "--forget")
    two = told(*PAIR, "--forget")

    assert (one["allowed"], one["agreement"]["module"], one["before"]["allowed"]) == (False, None, True)
    assert (two["allowed"], two["agreement"], two["before"]["allowed"]) == (True, None, False)
    assert rows() == []


def test_what_is_not_there_cannot_be_forgotten() -> None:
    agree(*PAIR, "--deny")

    said = refused(*PAIR, "--module", "locations", "--forget")

    assert said.startswith(
        "DE*MSP and NL*ABC have no agreement on locations; it is closed, by agreement on every module"
    )


def test_a_note_stays_as_long_as_what_it_explains() -> None:
    agree(*PAIR, "--deny", "--note", "contract ended")
    agree(*PAIR, "--deny")
    same = rows()
    agree(*PAIR, "--allow")

    assert same[0][4] == "contract ended"
    assert rows()[0][4] == ""


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("DE-MSQ-EMSP", "DE*MSQ is no party of this hub; did you mean DE*MSP? (--new: it is one that will come)"),
        ("SE-QQQ", "SE*QQQ is no party of this hub (--new: it is one that will come)"),
        ("DE-MSP-CPO", "DE*MSP is no CPO here, it is EMSP"),
        ("NL-ABC", "NL*ABC needs no agreement with itself"),
        ("MSP", "'MSP' is no party such as NL-ABC-CPO or NL*ABC: country code, party id, role if you like"),
        ("DEU-MSP", "'DEU-MSP' is no party such as NL-ABC-CPO or NL*ABC: country code, party id, role if you like"),
    ],
)  # fmt: skip
def test_whom_it_cannot_be_with_is_refused_and_nothing_changes(other: str, said: str) -> None:
    assert refused("--between", "NL-ABC-CPO", other, "--deny") == said


def test_a_party_may_be_meant_that_will_come() -> None:
    agree("--between", "NL-ABC-CPO", "SE-NEW-EMSP", "--deny", "--new")

    assert rows() == [("NL*ABC", "SE*NEW", "", False, "")]


def test_what_stands_for_a_party_that_is_not_here_can_be_taken_back() -> None:
    agree("--between", "NL-ABC", "SE-NEW", "--deny", "--new")

    agree("--between", "NL-ABC", "SE-NEW", "--forget")

    assert rows() == []


def test_a_slip_of_the_hand_forgets_nothing() -> None:
    agree(*PAIR, "--deny")

    said = refused("--between", "NL-ABC", "DE-MSQ", "--forget")

    assert said.startswith("DE*MSQ and NL*ABC have no agreement on every module; it is open, by the default")


def test_an_invited_role_is_a_role() -> None:
    Party.objects.filter(party_id="MSP").update(invited_roles=["EMSP", "NSP"])

    agree("--between", "NL-ABC-CPO", "DE-MSP-NSP", "--deny")

    assert len(rows()) == 1


@pytest.mark.parametrize("more", [(), ("--new",)])
def test_the_hub_itself_is_nobodys_partner(more: tuple[str, ...]) -> None:
    said = refused("--between", "NL-ABC-CPO", "NL-HUB", "--deny", *more)

    assert said == "NL*HUB is this hub, and none of its partners"


@pytest.mark.parametrize("module", ["hubclientinfo", "credentials", "nonsense"])
def test_only_what_parties_exchange_can_be_agreed_on(module: str) -> None:
    assert f"invalid choice: '{module}'" in refused(*PAIR, "--module", module, "--deny")


@pytest.mark.parametrize("arguments", [PAIR, (*PAIR, "--allow", "--deny"), ("--allow",)])
def test_what_to_do_is_said_once_and_of_two(arguments: tuple[str, ...]) -> None:
    refused(*arguments)


def test_what_stands_is_listed() -> None:
    agree(*PAIR, "--deny", "--note", "contract ended")
    agree("--between", "NL-ABC", "SE-NEW", "--module", "tariffs", "--allow", "--new")

    lines = agree("--list").splitlines()
    of_one = agree("--list", "--party", "DE-MSP-EMSP").splitlines()
    found = told("--list", "--module", "tariffs")

    assert lines[0].split("  since ")[0].split() == ["closed", "DE*MSP", "NL*ABC", "every", "module"]
    assert lines[0].endswith("UTC  contract ended")
    assert lines[1].split("  since ")[0].split() == ["open", "NL*ABC", "SE*NEW", "tariffs"]
    assert lines[2:] == ["all others are open (HUB_AGREEMENTS)"]
    assert of_one == [lines[0], lines[2]]
    assert found["default"] is True
    assert [row["parties"] for row in found["agreements"]] == [["NL*ABC", "SE*NEW"]]
