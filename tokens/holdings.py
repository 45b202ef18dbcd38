"""What Tokens and their authorizations hold of drivers (ocpi_hub/erasure.py)."""

from collections.abc import Iterator

from django.db.models import Q

from ocpi_hub.erasure import Fate, Holding, also_has, also_names, harmless, holds, tells
from ocpi_hub.exchange.holdings import OPEN, UNTIL_DELIVERED, on_their_way, still_to_be_told
from ocpi_hub.exchange.models import DeadLetter, Delivery
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.exchange.objects.removal import remove
from ocpi_hub.mentions import Form
from ocpi_hub.protocol.types import PartyRef
from ocpi_hub.pseudonyms import Driver
from tokens.models import Token

COPIES = "copies of the token on its way to operators, of no use when it is gone"


def of_token(driver: Driver) -> Q:
    """Rows of the exchange about the token, whatever its type."""
    key = Address(PartyRef.parse(driver.owner), driver.uid).key
    return Q(module=Token.module) & (Q(parent_key=key) | Q(parent_key__startswith=f"{key}?"))


NAMES = {"key": Form.ADDRESS, "parent_key": Form.ADDRESS, "path": Form.ADDRESS}
holds(
    Holding(
        "tokens.Token",
        "the token itself",
        Fate.DELETED,
        "the hub has it from its provider, who must withdraw it: else it comes back with the next push or pull",
        {
            "object_id": Form.VALUE,
            "key": Form.VALUE,
            "document": Form.JSON,
            "received": Form.JSON,
            "findings": Form.TEXT,
            "contract_id": Form.VALUE,
            "visual_number": Form.VALUE,
            "issuer": Form.VALUE,
            "group_id": Form.VALUE,
        },
        rows=lambda driver: Q(owner_key=driver.owner, key=driver.uid.upper()),
        waits=lambda: still_to_be_told(Token.module),
        until="operators have its last change, which may be the one that withdraws it",
        remove=remove,
    )
)
holds(
    Holding(
        "exchange.DeadLetter",
        "dead letters of the token",
        Fate.DELETED,
        COPIES,
        NAMES,
        rows=of_token,
        waits=lambda: Q(state__in=DeadLetter.UNSETTLED),
        until="somebody retries or discards them",
    )
)
holds(
    Holding(
        "exchange.Delivery",
        "deliveries of the token",
        Fate.DELETED,
        COPIES,
        NAMES,
        rows=of_token,
        waits=lambda: Q(state__in=OPEN),
        until=UNTIL_DELIVERED,
    )
)
holds(
    Holding(
        "exchange.Message",
        "messages on the token",
        Fate.DELETED,
        COPIES,
        {**NAMES, "body": Form.JSON},
        rows=of_token,
        waits=on_their_way,
        until=UNTIL_DELIVERED,
    )
)
holds(
    Holding(
        "tokens.Authorization",
        "authorizations of the token",
        Fate.REPLACED,
        "who asked whom, and how fast it was answered, stays",
        {"token_uid": Form.VALUE, "problem": Form.TEXT},
        rows=lambda driver: Q(token_uid__iexact=driver.uid, token_owner__in=[driver.owner, ""]),
        parties=("token_owner", "provider"),
    )
)
harmless("tokens.Token", "digest", "owners_document")
harmless("tokens.Authorization", "correlation_id", "reference")


@also_names
def contract_and_number(owner: str, uid: str) -> set[str]:
    """What is printed on the card, where no other token of this provider has the same."""
    tokens = Token.objects.filter(owner_key=owner, key=uid.upper())
    found = {
        (column, value) for column in ("contract_id", "visual_number")
        for value in tokens.values_list(column, flat=True) if value
    }  # fmt: skip
    others = Token.objects.filter(owner_key=owner).exclude(key=uid.upper())
    return {value for column, value in found if not others.filter(**{f"{column}__iexact": value}).exists()}


@also_has
def others_of_the_uid(owner: str, uid: str) -> set[str]:
    found = Token.objects.filter(key=uid.upper()).exclude(owner_key=owner).order_by()
    return set(found.values_list("owner_key", flat=True))


@tells
def who_has_it_besides(driver: Driver) -> Iterator[str]:
    tokens = Token.objects.present().filter(owner_key=driver.owner, key=driver.uid.upper())
    if tokens.filter(valid=True).exists():
        yield (
            f"{driver.owner} still has the token as valid: it must withdraw it (PUT it with valid false), or it comes"
            " back with its next push or pull. Ask it to, and erase again afterwards."
        )
    sent = Delivery.objects.filter(of_token(driver), state=Delivery.State.DELIVERED).order_by()
    if names := sorted(set(sent.values_list("platform__name", flat=True))):
        yield (
            f"The hub sent the token to {', '.join(names)}, who keep copies of their own, as do all that read the"
            " list of tokens. The hub can order nobody to erase them: its provider or you must ask them."
        )
    for contract in sorted(set(tokens.values_list("contract_id", flat=True))):
        if contract and contract not in driver.others:
            yield (
                f"Its contract is that of other tokens of {driver.owner} too, and stays where it stands: erase those"
                " as well, or name the contract if the whole of it is to go."
            )
