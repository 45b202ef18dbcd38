import pytest

from ocpi_hub.protocol.types import PartyRef


@pytest.mark.row("TYP-01")
def test_a_party_is_written_with_a_star_and_compared_without_case() -> None:
    party = PartyRef.parse("nl*Abc")

    assert party == PartyRef("nl", "Abc")
    assert str(party) == "nl*Abc"
    assert party.key == PartyRef("NL", "ABC").key == "NL*ABC"


@pytest.mark.parametrize(
    "text", ["", "NLABC", "NL-ABC", "NL*", "*ABC", "NLD*ABC", "NL*ABCD", "NL*A\n", "N1*ABC"]
)
def test_what_is_no_party_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a party"):
        PartyRef.parse(text)
