import pytest

from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse
from ocpi_hub.protocol.credentials import Credentials
from ocpi_hub.protocol.types import PartyRef

from .documents import credentials, role


def test_credentials_come_back_as_they_went() -> None:
    raw = credentials()

    checked = check(raw, Credentials)

    assert parse(dump(checked)) == raw
    assert checked.roles[0].party == PartyRef("NL", "ABC")


@pytest.mark.row("CRED-23")
@pytest.mark.parametrize("token", ["!", "~" * 64])
def test_a_token_is_printable_without_blanks(token: str) -> None:
    assert check(credentials(token=token), Credentials).token == token


@pytest.mark.row("CRED-23")
@pytest.mark.parametrize("token", ["", "a b", "x" * 65, "é", "a\n", "a\x7f"])
def test_any_other_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        check(credentials(token=token), Credentials)

    assert refused.value.place == "$.token"
    assert not token or token not in refused.value.problem


@pytest.mark.row("CRED-24")
def test_the_same_role_of_the_same_party_is_refused() -> None:
    roles = [role(), role(party_id="DEF"), role(country_code="nl", party_id="abc")]

    with pytest.raises(InvalidObject) as refused:
        check(credentials(roles=roles), Credentials)

    assert str(refused.value) == "$.roles[2]: the same role of the same party is listed twice"


def test_one_platform_may_have_many_parties_and_a_party_many_roles() -> None:
    roles = [role(), role(party_id="DEF"), role(country_code="BE"), role(role="EMSP")]

    assert len(check(credentials(roles=roles), Credentials).roles) == 4


def test_the_repr_keeps_the_token_to_itself() -> None:
    assert "a.b-c" not in repr(check(credentials(), Credentials))
