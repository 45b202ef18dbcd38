"""Failures of the hub itself, which no partner can mend."""

from ocpi_hub.errorreports.kind import Kind, Who

KINDS = (
    Kind(
        "hub.fault",
        "The hub failed by a fault of its own",
        "Something in the hub's program went wrong. A request that met it was answered with HTTP 500; deliveries and"
        " other work are tried again.",
        Who.HUB,
        "The log has the details under the ids in the report. Tell the makers of the hub, with the version and those"
        " lines.",
    ),
    Kind(
        "hub.database",
        "The database did not answer",
        "PostgreSQL refused or broke connections. Requests were answered with HTTP 503, and partners send them again."
        " Nothing that was accepted is lost.",
        Who.HUB,
        "Look whether PostgreSQL runs, has room on its disk and enough connections (max_connections).",
    ),
    Kind(
        "hub.redis",
        "Redis did not answer",
        "Work goes on: workers find it by themselves, some seconds later than else. Meanwhile no partner's quota is"
        " counted.",
        Who.HUB,
        "Look whether Redis runs and can be reached at REDIS_URL.",
    ),
    Kind(
        "hub.notifications",
        "Changes of partners are not heard of",
        "A process no longer hears by the database that partners changed, so it asks the database with every request."
        " All is right, and slower.",
        Who.HUB,
        "When it stays so, look whether a pooler stands between hub and PostgreSQL that passes no notifications on"
        " (pgbouncer in transaction mode).",
    ),
    Kind(
        "hub.secret_unreadable",
        "The hub cannot read its token for a partner",
        "None of the keys in HUB_KEYS opens it, so nothing can be sent to this partner or read from it. What is for it"
        " waits.",
        Who.HUB,
        "Put the key that was in use before back into HUB_KEYS, behind the first one, restart, and run manage.py"
        " rekey. If that key is lost, choose Start over on the partner's page.",
    ),
    Kind(
        "hub.totals",
        "The total of a list was wrong",
        "The number that partners are told as the total of a list differed from what is in it. It is mended.",
        Who.HUB,
        "Somebody has written to the database past the hub: find out who. If nobody has, tell the makers of the hub.",
    ),
    Kind(
        "hub.alerts",
        "The webhook of the operators does not answer",
        "What is new or came back could not be told at HUB_ALERT_URL. It is tried again for a day; the error reports"
        " themselves are complete.",
        Who.HUB,
        "The text says what came back. Check HUB_ALERT_URL, and whether its server lets the hub in.",
    ),
    Kind(
        "hub.digest",
        "The daily mail could not be sent",
        "The mail server did not take the digest of error reports for the operators or a partner. It is tried again"
        " today; what it does not tell by then, tomorrow's tells.",
        Who.HUB,
        "The text says what the server answered. Check EMAIL_HOST and the other settings of mail, and the address.",
    ),
)
