"""What error reports hold of drivers (erasure.py); what is seen to be private was masked when they were written."""

from ocpi_hub.erasure import Fate, Holding, harmless, holds
from ocpi_hub.mentions import Form

FAILURE = {
    "text": Form.TEXT,
    "subject": Form.TEXT,
    "url": Form.ADDRESS,
    "request": Form.JSON,
    "answer": Form.TEXT,
}
WHY = "that something failed, and how often, is needed to mend it; whom it met is not"

for model, what in (("ErrorReport", "error reports"), ("Occurrence", "single failures of error reports")):
    holds(Holding(f"errorreports.{model}", what, Fate.REPLACED, WHY, FAILURE))
    harmless(f"errorreports.{model}", "correlation_id", "request_id")
harmless("errorreports.ErrorReport", "kind")
holds(
    Holding(
        "errorreports.StateChange",
        "notes on error reports",
        Fate.REPLACED,
        "what operators wrote stays",
        {"note": Form.TEXT},
    )
)
harmless("errorreports.StateChange", "by")
holds(
    Holding(
        "errorreports.Digest",
        "digests of error reports that were sent by mail",
        Fate.REPLACED,
        "who was told what, and when, stays; the mails themselves are with their readers",
        {"text": Form.TEXT, "problem": Form.TEXT},
    )
)
harmless("errorreports.Digest", "recipients", "subject", "standing")
