"""What the exchange holds of drivers, and what becomes of it (erasure.py)."""

from django.db.models import Q

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.exchange.models import Callback, Delivery, Message
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.mentions import Form
from ocpi_hub.pseudonyms import Driver


def of_their_objects(driver: Driver) -> Q:
    """Deliveries of the driver's Sessions and CDRs, whether these name the token still or have a pseudonym already."""
    found = Q(pk__in=[])
    for name, model in owned_models().items():
        if model.addressed and hasattr(model, "token_uid"):
            uids = Q(token_uid__iexact=driver.uid) | Q(token_uid=driver.pseudonym)
            rows = model.objects.filter(uids, audience=driver.owner).order_by()
            found |= Q(module=name, row_id__in=rows.values("pk"))
    return found


def of_their_deliveries(driver: Driver) -> Q:
    return Q(delivery_id__in=Delivery.objects.filter(of_their_objects(driver)).order_by().values("pk"))


OPEN = (Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.FAILED)
UNTIL_DELIVERED = "their partners have them, or somebody discards what was given up"


def carried(driver: Driver) -> Q:
    """Messages of what is for one party, its provider, and results: all else names no driver."""
    modules = [name for name, model in owned_models().items() if model.addressed]
    return Q(module__in=[*modules, Callback.MODULE], audience__in=[driver.owner, ""])


def on_their_way() -> Q:
    """Messages that are still to be delivered, word for word."""
    under_way = Delivery.objects.filter(state__in=OPEN).order_by()
    return Q(expanded_at=None) | Q(pk__in=under_way.values("message"))


def still_to_be_told(module: str) -> Q:
    """Objects of which some partner has not got the newest state, and gets whatever is stored then."""
    deliveries = Delivery.objects.filter(module=module, state__in=OPEN).order_by()
    messages = Message.objects.filter(module=module, expanded_at=None).order_by()
    return Q(pk__in=deliveries.values("row_id")) | Q(pk__in=messages.values("row_id"))


holds(
    Holding(
        "exchange.Message",
        "bodies of messages on Sessions, CDRs and results",
        Fate.REPLACED,
        "that they came, and where they went, proves what was delivered",
        {"body": Form.JSON},
        rows=carried,
        parties=("audience",),
        waits=on_their_way,
        until=UNTIL_DELIVERED,
    )
)
holds(
    Holding(
        "exchange.Delivery",
        "reasons of deliveries",
        Fate.REPLACED,
        "they say what partners answered",
        {"reason": Form.TEXT},
        about=of_their_objects,
    )
)
holds(
    Holding(
        "exchange.DeadLetter",
        "dead letters",
        Fate.REPLACED,
        "somebody may have to act on them; what is private was masked when they were written, as far as it is seen",
        {
            "cause": Form.TEXT,
            "reason": Form.TEXT,
            "url": Form.ADDRESS,
            "request": Form.JSON,
            "answer": Form.TEXT,
            "closing": Form.TEXT,
        },
        about=of_their_deliveries,
    )
)
holds(
    Holding(
        "exchange.DeadLetterAction",
        "notes on dead letters",
        Fate.REPLACED,
        "who retried or discarded them stays",
        {"chosen": Form.TEXT, "note": Form.TEXT},
    )
)
holds(
    Holding(
        "exchange.Attempt",
        "attempts of deliveries",
        Fate.REPLACED,
        "when what was sent, and what was answered, proves the delivery",
        {"url": Form.ADDRESS, "outcome": Form.TEXT},
        about=of_their_deliveries,
        day="at",
    )
)
holds(
    Holding(
        "exchange.Callback",
        "requests with a later result, such as commands, and their answers",
        Fate.REPLACED,
        "who asked whom, and what came of it, stays",
        {"request": Form.JSON, "reply": Form.JSON, "problem": Form.TEXT, "response_url": Form.TEXT},
        parties=("from_party", "to_party"),
        # The address is needed until the last result has gone there.
        waits=lambda: Q(pk__in=_results_under_way()),
        until="their results are delivered",
    )
)
holds(
    Holding(
        "exchange.Grant",
        "authorization references",
        Fate.DELETED,
        "they only serve to look at Sessions and CDRs as these come in",
        {"token_key": Form.VALUE, "reference": Form.VALUE},
        rows=lambda driver: Q(token_owner=driver.owner, token_key=driver.uid.upper()),
    )
)
holds(
    Holding(
        "exchange.RefusedObject",
        "refused objects",
        Fate.REPLACED,
        "what is wrong with them is for their owner to mend",
        {"object_key": Form.TEXT, "reason": Form.TEXT, "document": Form.JSON},
    )
)
holds(
    Holding(
        "exchange.RepairRule",
        "samples of repairs",
        Fate.REPLACED,
        "the repair itself is about a partner's form, and stays",
        {"sample": Form.TEXT},
    )
)
holds(
    Holding(
        "exchange.Pull",
        "errors of pulls",
        Fate.REPLACED,
        "they are about lists",
        {"error": Form.TEXT, "note": Form.TEXT},
    )
)


def _results_under_way() -> list[int]:
    rows = Delivery.objects.filter(module=Callback.MODULE, state__in=OPEN).order_by()
    return list(rows.values_list("row_id", flat=True))


# What Tokens' own deliveries and messages are called after, tokens/holdings.py knows.
harmless("exchange.Message", "request_id", "correlation_id")
harmless("exchange.Attempt", "request_id", "correlation_id")
harmless("exchange.Delivery", "failed_as")
harmless("exchange.Callback", "secret", "correlation_id")
harmless("exchange.DeadLetterAction", "by")
harmless("exchange.DeadLetterEntry", "cause")
# What a pull needs to go on is gone when it ends, and a day later at the latest it ends.
harmless("exchange.Pull", "next_url", "refused_keys", "for_others")
harmless("exchange.Lane", "holder", "rest_reason")
harmless("exchange.Upkeep", "name")
harmless("exchange.RepairRule", "path", "argument")
# What it names the driver by is encrypted, and goes when nothing waits any more (erasing.py).
harmless("exchange.Erasure", "by", "mark", "result", "note", "names_cipher", "under_way", "holder")
