"""What moves: messages, their deliveries and attempts, and pulls (docs/glossary.md).

Client Owned Objects themselves are in objects/ownedobject.py.
"""

from ocpi_hub.exchange.models.deadletters import DeadLetter, DeadLetterAction, DeadLetterEntry
from ocpi_hub.exchange.models.messages import Attempt, Delivery, Lane, Message
from ocpi_hub.exchange.models.pulls import Listed, Pull, PullPlan, RefusedObject, RepairRule
from ocpi_hub.exchange.models.requests import Callback, Grant, Trace
from ocpi_hub.exchange.models.upkeep import Erasure, Tally, Upkeep

__all__ = [
    "Attempt",
    "Callback",
    "DeadLetter",
    "DeadLetterAction",
    "DeadLetterEntry",
    "Delivery",
    "Erasure",
    "Grant",
    "Lane",
    "Listed",
    "Message",
    "Pull",
    "PullPlan",
    "RefusedObject",
    "RepairRule",
    "Tally",
    "Trace",
    "Upkeep",
]
