"""What the journal holds of drivers (ocpi_hub/erasure.py)."""

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.mentions import Form

holds(
    Holding(
        "journal.Hop",
        "requests and answers in the journal",
        Fate.REPLACED,
        "that they were, and what they were about besides, proves what came and went",
        {
            "url": Form.ADDRESS,
            "request_headers": Form.JSON,
            "request_body": Form.JSON,
            "answer_headers": Form.JSON,
            "answer_body": Form.JSON,
            "failure": Form.TEXT,
            "refs": Form.NAME,
        },
        parties=("from_party", "to_party"),
        day="at",
    )
)
harmless("journal.Hop", "remote", "request_id", "correlation_id")
holds(
    Holding(
        "journal.Look",
        "looks at personal data",
        Fate.REPLACED,
        "who looked, and when, stays",
        {"asked": Form.TEXT, "note": Form.TEXT},
    )
)
harmless("journal.Look", "who", "correlation_ids")
