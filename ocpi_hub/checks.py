"""System checks of the settings: each says what is wrong and how to mend it."""

import os
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from ocpi_hub import erasure
from ocpi_hub.partners.models import MOST_RELAYS
from ocpi_hub.partners.secrets import is_key

WEB_AND_WORKER = 2  # processes with a pool of connections, besides beat and commands
HIGHEST_PORT = 65535
SHORTEST_TOKEN = 16
LEAST_SESSION_DAYS = 31  # full pulls ask for the last 30 days, and would bring back what was deleted
LEAST = {
    "HUB_PAGE_LIMIT": 1,
    "HUB_REQUESTS_PER_MINUTE": 1,
    "HUB_CONCURRENT_REQUESTS": 1,
    "HUB_CONCURRENT_RELAYS": 1,
    "HUB_CONNECT_TIMEOUT": 1,
    "HUB_TOTAL_TIMEOUT": 1,
    "HUB_AUTHORIZE_TIMEOUT": 1,
    "HUB_SILENCE": 1,
    "HUB_CALLBACK_DAYS": 1,
    "HUB_PULL_INTERVAL": 1,
    "HUB_PULL_OVERLAP": 0,
    "HUB_PULL_JITTER": 0,
    "HUB_DB_POOL": 0,
    "HUB_WORKER_THREADS": 1,
    "HUB_ATTEMPT_DAYS": 1,
    "HUB_MESSAGE_DAYS": 1,
    "HUB_AUDIT_DAYS": 1,
    "HUB_LONGEST_RETRY_AFTER": 1,
    "HUB_SESSION_DAYS": 0,
    "HUB_CDR_DAYS": 0,
    "HUB_AUTHORIZATION_DAYS": 1,
    "HUB_REFUSED_DAYS": 1,
    "HUB_PULL_DAYS": 1,
    "HUB_REPORT_QUIET_DAYS": 1,
    "HUB_REPORT_DAYS": 1,
    "HUB_PROOF_HOUR": 0,
    "HUB_PROOF_DAYS": 1,
    "HUB_PROOF_LATE": 1,
    "HUB_PROOF_ASK_DAYS": 1,
    "HUB_PROOF_ASK_MOST": 1,
    "HUB_PROOF_PACE": 1,
    "HUB_PROOF_KEPT_DAYS": 1,
}


@register()
def settings_are_readable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(problem, hint="docs/operating.md lists every variable and its form.", id="hub.E001")
        for problem in settings.MISREAD_SETTINGS
    ]


@register()
def keys_are_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    hint = "Make one: python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
    if not settings.HUB_KEYS:
        return [Error("HUB_KEYS is not set, so no token can be kept.", hint=hint, id="hub.E002")]
    return [
        Error(f"Key {number} of HUB_KEYS is not 32 bytes in URL-safe Base64.", hint=hint, id="hub.E003")
        for number, key in enumerate(settings.HUB_KEYS, 1)
        if not is_key(key)
    ]


@register()
def base_url_is_a_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        parts = urlsplit(settings.HUB_BASE_URL)
    except ValueError:
        return []  # It is told with the other settings that cannot be read.
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment:
        return []
    return [
        Error(
            f"HUB_BASE_URL is no URL that partners could call: {settings.HUB_BASE_URL[:80]!r}",
            hint="Give the address under which partners see the hub, such as https://hub.example.",
            id="hub.E004",
        )
    ]


@register()
def party_is_a_party(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    country_code, party_id = settings.HUB_COUNTRY_CODE, settings.HUB_PARTY_ID
    ok = len(country_code) == 2 and country_code.isascii() and country_code.isalpha()
    if ok and 1 <= len(party_id) <= 3 and party_id.isascii() and party_id.isalnum():
        return []
    return [
        Error(
            f"HUB_COUNTRY_CODE and HUB_PARTY_ID name no party: {country_code[:9]!r}, {party_id[:9]!r}",
            hint="Two letters, and up to three letters or digits, such as NL and HUB.",
            id="hub.E005",
        )
    ]


@register()
def numbers_make_sense(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    wrong = [
        f"{name} must be at least {least}, and is {getattr(settings, name)}."
        for name, least in LEAST.items()
        if getattr(settings, name) < least
    ]
    if not 1 <= settings.HUB_PORT <= HIGHEST_PORT:
        wrong.append(f"HUB_PORT must be between 1 and {HIGHEST_PORT}, and is {settings.HUB_PORT}.")
    if settings.HUB_CONCURRENT_RELAYS > MOST_RELAYS:
        wrong.append(
            f"HUB_CONCURRENT_RELAYS must be at most {MOST_RELAYS}, and is {settings.HUB_CONCURRENT_RELAYS}."
        )
    if 0 < settings.HUB_SESSION_DAYS < LEAST_SESSION_DAYS:
        wrong.append(
            f"HUB_SESSION_DAYS must be at least {LEAST_SESSION_DAYS}, or 0, and is {settings.HUB_SESSION_DAYS}."
        )
    if settings.HUB_PROOF_HOUR > 23:
        wrong.append(f"HUB_PROOF_HOUR must be an hour of the day, 0 to 23, and is {settings.HUB_PROOF_HOUR}.")
    if settings.HUB_PROOF_DAYS > settings.HUB_MESSAGE_DAYS > 0:
        wrong.append("HUB_PROOF_DAYS must be at most HUB_MESSAGE_DAYS: older deliveries are not kept.")
    if any(seconds < 0 for seconds in settings.HUB_RETRY_SCHEDULE):
        wrong.append("HUB_RETRY_SCHEDULE must hold no seconds below 0.")
    return [Error(text, hint="See docs/operating.md.", id="hub.E006") for text in wrong]


@register()
def metrics_token_is_long(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HUB_METRICS_TOKEN or len(settings.HUB_METRICS_TOKEN) >= SHORTEST_TOKEN:
        return []
    return [
        Error(
            f"HUB_METRICS_TOKEN has fewer than {SHORTEST_TOKEN} characters and could be guessed.",
            hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="hub.E010",
        )
    ]


@register()
def drivers_can_be_erased(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{column} may hold the token of a driver, and nobody says what becomes of it when a driver is erased.",
            hint="Name it in the app's holdings.py, by erasure.holds() or erasure.harmless().",
            id="hub.E011",
        )
        for column in erasure.unnamed()
    ]


@register()
def timeouts_make_sense(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    connect, total = settings.HUB_CONNECT_TIMEOUT, settings.HUB_TOTAL_TIMEOUT
    if connect <= total:
        return []
    return [
        Error(
            f"A partner would have {total} seconds for a whole answer and {connect} to connect alone.",
            hint="Lower HUB_CONNECT_TIMEOUT or raise HUB_TOTAL_TIMEOUT above it.",
            id="hub.E009",
        )
    ]


@register()
def variables_are_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A misspelt variable would silently leave its default in place."""
    known = settings.KNOWN_VARIABLES
    unknown = sorted(name for name in os.environ if name.startswith("HUB_") and name not in known)
    return [
        Warning(f"{name} is no setting of the hub.", hint=_nearest(name), id="hub.W002") for name in unknown
    ]


def _nearest(name: str) -> str:
    found = get_close_matches(name, settings.KNOWN_VARIABLES, n=1)
    return f"Did you mean {found[0]}?" if found else "docs/operating.md lists every variable."


@register()
def one_partner_cannot_hold_all_connections(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.HUB_DB_POOL < 1 or settings.HUB_CONCURRENT_REQUESTS < settings.HUB_DB_POOL:
        return []
    return [
        Error(
            f"One partner may have {settings.HUB_CONCURRENT_REQUESTS} requests under way, which can hold all"
            f" {settings.HUB_DB_POOL} database connections of a process.",
            hint="Lower HUB_CONCURRENT_REQUESTS or raise HUB_DB_POOL above it.",
            id="hub.E008",
        )
    ]


@register(Tags.security, deploy=True)
def private_urls_are_refused(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HUB_ALLOW_PRIVATE_URLS:
        return []
    return [
        Warning(
            "HUB_ALLOW_PRIVATE_URLS lets partners make the hub call addresses inside your network.",
            hint="Unset it in production.",
            id="hub.W001",
        )
    ]


@register(Tags.database)
def connections_suffice(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Processes times pool must fit into max_connections; asked only where a database is checked."""
    if not databases or not settings.HUB_DB_POOL:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections')::int")
        allowed = int(cursor.fetchone()[0])
    wanted = WEB_AND_WORKER * settings.HUB_DB_POOL + 10
    if wanted <= allowed:
        return []
    return [
        Error(
            f"PostgreSQL allows {allowed} connections; one web and one worker process may open {wanted}.",
            hint="Raise max_connections or lower HUB_DB_POOL.",
            id="hub.E007",
        )
    ]
