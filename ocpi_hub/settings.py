"""Settings of the hub, all of them from the environment; docs/operating.md lists the variables.

Without DATABASE_URL and REDIS_URL the hub brings its own PostgreSQL and Redis (ocpi_hub/embedded.py), keeps
them and its generated keys in HUB_VAR, and is then an embedded run. Values that can be wrong are not refused
here but by the system checks (ocpi_hub/checks.py), which say what is wrong and how to mend it.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from ocpi_hub import embedded
from ocpi_hub.database import Connection

BASE_DIR = Path(__file__).resolve().parent.parent


KNOWN_VARIABLES: set[str] = set()  # all that are read here; a system check finds misspelt ones by it
MISREAD_SETTINGS: list[str] = []


def _env(name: str, default: str = "") -> str:
    KNOWN_VARIABLES.add(name)
    return os.environ.get(name, "").strip() or default


def _list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in _env(name, default).split(",") if part.strip()]


def _number(name: str, default: int) -> int:
    """The variable as a whole number; an unreadable one keeps the default and is told by a system check."""
    try:
        return int(_env(name, str(default)))
    except ValueError:
        MISREAD_SETTINGS.append(f"{name} is not a whole number: {_env(name)[:40]!r}")
        return default


def _flag(name: str, default: bool) -> bool:
    value = _env(name).lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    if value:
        MISREAD_SETTINGS.append(f"{name} is neither 1 nor 0: {value[:40]!r}")
    return default


def _url(name: str, url: str, *schemes: str) -> SplitResult:
    """The parts of a URL with one of the schemes; nothing of a wrong one is told, it may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        MISREAD_SETTINGS.append(f"{name} is not a URL: its host or port cannot be read")
        return urlsplit("")
    if schemes and parts.scheme not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        MISREAD_SETTINGS.append(f"{name} does not begin with {known}")
    return parts


# ---------------------------------------------------------------------------------------- where things are
HUB_VAR = Path(_env("HUB_VAR", str(BASE_DIR / "var"))).absolute()
EMBEDDED_POSTGRESQL = not _env("DATABASE_URL")
EMBEDDED_REDIS = not _env("REDIS_URL")
DATABASE_URL = _env("DATABASE_URL") or embedded.database_url(HUB_VAR)
REDIS_URL = _env("REDIS_URL") or embedded.redis_url(HUB_VAR)
_url("REDIS_URL", REDIS_URL, "redis", "rediss", "unix")

HUB_HOST = _env("HUB_HOST", "127.0.0.1")
HUB_PORT = _number("HUB_PORT", 8000)
HUB_BASE_URL = _env("HUB_BASE_URL", f"http://127.0.0.1:{HUB_PORT}").rstrip("/")

# ------------------------------------------------------------------------------------------------- secrets


def _keys() -> dict[str, Any]:
    """The keys that an embedded hub makes for itself; without its folder there is no hub at all."""
    if not EMBEDDED_POSTGRESQL or (_env("SECRET_KEY") and _env("HUB_KEYS")):
        return {}
    try:
        return embedded.secrets(HUB_VAR)
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(embedded.unusable(HUB_VAR, error)) from error


_generated = _keys()
SECRET_KEY = _env("SECRET_KEY") or _generated.get("SECRET_KEY", "")
# The first key writes, the others still read; each is 32 random bytes in URL-safe Base64.
HUB_KEYS = _list("HUB_KEYS") or _generated.get("HUB_KEYS", [])

# --------------------------------------------------------------------------------------------- the hub itself
HUB_COUNTRY_CODE = _env("HUB_COUNTRY_CODE", "NL").upper()
HUB_PARTY_ID = _env("HUB_PARTY_ID", "HUB").upper()
HUB_NAME = _env("HUB_NAME", "OCPI hub")
SPOKEN = ["2.2.1"]  # the versions that the hub speaks, newest last
# The modules that are exchanged with partners: a Django app of that name each.
OCPI_MODULES = [
    "locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles", "hubclientinfo",
]  # fmt: skip

# Seconds between the attempts of a delivery; when the list is used up the delivery is given up.
DEFAULT_RETRY_SCHEDULE = [5, 15, 60, 300, 900, 3600, 7200, 14400, 28800, 57600]


def _schedule() -> list[int]:
    try:
        return [int(part) for part in _list("HUB_RETRY_SCHEDULE")] or DEFAULT_RETRY_SCHEDULE
    except ValueError:
        MISREAD_SETTINGS.append("HUB_RETRY_SCHEDULE is not a comma list of whole seconds")
        return DEFAULT_RETRY_SCHEDULE


HUB_RETRY_SCHEDULE = _schedule()
# Seconds that a partner's Retry-After may ask for; whoever asks for more is tried again after these.
HUB_LONGEST_RETRY_AFTER = _number("HUB_LONGEST_RETRY_AFTER", 3600)
# Whether parties that have no agreement exchange everything (open) or nothing (closed).
HUB_AGREEMENTS = _env("HUB_AGREEMENTS", "open").lower()
if HUB_AGREEMENTS not in ("open", "closed"):
    MISREAD_SETTINGS.append("HUB_AGREEMENTS is neither open nor closed")
    HUB_AGREEMENTS = "closed"
HUB_ALLOW_PRIVATE_URLS = _flag("HUB_ALLOW_PRIVATE_URLS", EMBEDDED_POSTGRESQL)
HUB_REQUESTS_PER_MINUTE = _number(
    "HUB_REQUESTS_PER_MINUTE", 6000
)  # of one partner, unless its row says other
HUB_CONCURRENT_REQUESTS = _number("HUB_CONCURRENT_REQUESTS", 24)  # of one partner in one web process
HUB_CONCURRENT_RELAYS = _number("HUB_CONCURRENT_RELAYS", 8)  # requests that wait for one partner in a process
HUB_RELAYS_TOGETHER = 96  # and for all partners: some of the 128 threads stay free for what needs no relay
HUB_RELAYS_OF_ONE = 72  # requests of one party that wait for others
HUB_PAGE_LIMIT = _number("HUB_PAGE_LIMIT", 100)  # objects in a page at the most
HUB_TOTAL_TIMEOUT = _number("HUB_TOTAL_TIMEOUT", 30)  # seconds that a partner has for one whole answer
HUB_CONNECT_TIMEOUT = _number("HUB_CONNECT_TIMEOUT", min(5, HUB_TOTAL_TIMEOUT))  # of them, to connect
HUB_AUTHORIZE_TIMEOUT = _number("HUB_AUTHORIZE_TIMEOUT", 3)  # seconds that a provider has to authorize
HUB_AUTHORIZE_DEADLINE = 5.0  # seconds in which several providers are asked
HUB_SILENCE = _number("HUB_SILENCE", 300)  # seconds without a sign of life, and a partner is asked for one
HUB_CALLBACK_DAYS = _number("HUB_CALLBACK_DAYS", 7)  # so long a result may come after the request
HUB_PULL_INTERVAL = _number("HUB_PULL_INTERVAL", 3600)  # seconds between two incremental pulls
HUB_PULL_OVERLAP = _number(
    "HUB_PULL_OVERLAP", 3600
)  # seconds an incremental pull reaches back before the last
HUB_PULL_JITTER = _number("HUB_PULL_JITTER", 300)  # a scheduled pull starts up to so many seconds later
HUB_PULL_LEAST = _number(
    "HUB_PULL_LEAST", 50
)  # percent of what was there; a full list of less is not believed
HUB_VANISHED_UNKNOWN = _number("HUB_VANISHED_UNKNOWN", 3)  # new plans: full pulls without it, then UNKNOWN
HUB_VANISHED_REMOVED = _number("HUB_VANISHED_REMOVED", 14)  # new plans: then REMOVED; 0: never, of both
HUB_TOKEN_GRACE = 600  # seconds that the old token still works after a credentials PUT
HUB_BACKGROUND = (
    True  # threads write what tells of the work (background.py) and ring; tests have none of them
)
HUB_METRICS_FOLDER = HUB_VAR / "metrics"  # of all processes of one machine
HUB_METRICS_TOKEN = _env("HUB_METRICS_TOKEN")  # opens /metrics; without one this machine alone may ask
HUB_ATTEMPT_DAYS = _number("HUB_ATTEMPT_DAYS", 90)  # attempts are kept so long
HUB_MESSAGE_DAYS = _number("HUB_MESSAGE_DAYS", 90)  # finished messages and deliveries likewise
HUB_SESSION_DAYS = _number("HUB_SESSION_DAYS", 730)  # 0: Sessions are kept for ever
HUB_CDR_DAYS = _number("HUB_CDR_DAYS", 0)  # 0: CDRs are kept for ever
HUB_AUTHORIZATION_DAYS = _number(
    "HUB_AUTHORIZATION_DAYS", 90
)  # who asked whether somebody may charge; grants
HUB_REFUSED_DAYS = _number("HUB_REFUSED_DAYS", 90)  # objects that were refused, since they came last
HUB_PULL_DAYS = _number("HUB_PULL_DAYS", 90)
HUB_REPORT_QUIET_DAYS = _number("HUB_REPORT_QUIET_DAYS", 7)  # and what did not happen so long is resolved
HUB_REPORT_DAYS = _number("HUB_REPORT_DAYS", 90)  # resolved error reports are kept so long, and occurrences
HUB_AUDIT_DAYS = _number("HUB_AUDIT_DAYS", 730)  # who retried or discarded what was given up
HUB_ALERT_URL = _env("HUB_ALERT_URL")  # is told of new error reports; its path may be a secret
if HUB_ALERT_URL and not _url("HUB_ALERT_URL", HUB_ALERT_URL, "http", "https").hostname:
    MISREAD_SETTINGS.append("HUB_ALERT_URL names no host")
HUB_OPERATORS = _list("HUB_OPERATORS")  # addresses that get the daily digest of error reports
HUB_DIGEST_HOUR = _number("HUB_DIGEST_HOUR", 6)  # in UTC
# Every request and answer, in and out: full, headers (no bodies) or off.
HUB_JOURNAL = _env("HUB_JOURNAL", "full").lower()
HUB_JOURNAL_MB = _number("HUB_JOURNAL_MB", 10)  # of bodies of one platform in a minute, in one process
DEFAULT_JOURNAL_DAYS = {"drivers": 30, "invoices": 90, "places": 7, "connections": 90}


def _days() -> dict[str, int]:
    """How long the journal keeps each kind of data; what is not named keeps its default."""
    try:
        named = dict(part.split(":") for part in _list("HUB_JOURNAL_DAYS"))
        return DEFAULT_JOURNAL_DAYS | {kind.strip().lower(): int(days) for kind, days in named.items()}
    except ValueError:
        MISREAD_SETTINGS.append("HUB_JOURNAL_DAYS is not a comma list such as drivers:30,invoices:90")
        return DEFAULT_JOURNAL_DAYS


HUB_JOURNAL_DAYS = _days()
# The nightly proof that what was accepted arrived.
HUB_PROOF_NIGHTLY = _flag("HUB_PROOF_NIGHTLY", True)  # whether workers reconcile each night by themselves
HUB_PROOF_HOUR = _number("HUB_PROOF_HOUR", 2)  # of the day in UTC, when that begins
HUB_PROOF_DAYS = _number("HUB_PROOF_DAYS", 7)  # whose changes are compared each night
HUB_PROOF_LATE = _number("HUB_PROOF_LATE", 24)  # hours; what is under way for longer is a gap
HUB_PROOF_ASK_DAYS = _number("HUB_PROOF_ASK_DAYS", 3)  # whose CDRs and Sessions partners are asked for
HUB_PROOF_ASK_MOST = _number(
    "HUB_PROOF_ASK_MOST", 5000
)  # objects of one module that one is asked for a night
HUB_PROOF_KEPT_DAYS = _number("HUB_PROOF_KEPT_DAYS", 400)  # its counts, and gaps that are closed
HUB_PROOF_PACE = _number("HUB_PROOF_PACE", 5)  # questions to one partner in a second

TRUSTED_PROXIES: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
for _proxy in _list("TRUSTED_PROXIES"):
    try:
        TRUSTED_PROXIES.append(ipaddress.ip_network(_proxy, strict=False))
    except ValueError:
        MISREAD_SETTINGS.append(f"TRUSTED_PROXIES holds {_proxy[:40]!r}, which is no address or network")


# ------------------------------------------------------------------------------------------------- database
# Connections of one process; 0 opens one for each request. More than HUB_CONCURRENT_REQUESTS, or one partner
# whose requests wait for each other would hold them all.
HUB_DB_POOL = _number("HUB_DB_POOL", 32)


def _database(url: str) -> dict[str, object]:
    parts = _url("DATABASE_URL", url, "postgresql", "postgres")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "") or unquote(parts.hostname or ""))
    options.setdefault("connect_timeout", 5)
    # Whoever leaves a transaction open delays everybody's lists (docs/decisions/0001).
    options.setdefault("options", "-c idle_in_transaction_session_timeout=60000")
    if HUB_DB_POOL:
        options["pool"] = {
            "min_size": 1,
            "max_size": HUB_DB_POOL,
            "timeout": 10,
            "connection_class": Connection,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "hub",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --------------------------------------------------------------------------------------------------- Django
INSTALLED_APPS = [
    "ocpi_hub.apps.HubAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_celery_beat",
    "ocpi_hub.apps.HubConfig",
    "ocpi_hub.partners",
    "ocpi_hub.errorreports",
    "ocpi_hub.journal",
    "ocpi_hub.exchange",
    "ocpi_hub.proof",
    "credentials",
    *OCPI_MODULES,
]
MIDDLEWARE = [
    "ocpi_hub.middleware.MeasureMiddleware",
    "ocpi_hub.exchange.interfaces.middleware.OCPIMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ocpi_hub.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "ocpi_hub.middleware.AuthenticationMiddleware",
    "ocpi_hub.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "ocpi_hub.urls"
WSGI_APPLICATION = "ocpi_hub.wsgi.application"
APPEND_SLASH = False  # a redirect would drop the body and the headers of a push
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # the admin's files are served from where they are installed
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["ocpi_hub.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000  # server.py refuses larger bodies before Django sees them

_base = _url("HUB_BASE_URL", HUB_BASE_URL) if _env("HUB_BASE_URL") else urlsplit(HUB_BASE_URL)
HTTPS = _base.scheme == "https"
ALLOWED_HOSTS = [
    _base.hostname or "localhost",
    "localhost",
    "127.0.0.1",
    "[::1]",
    *_list("HUB_ALLOWED_HOSTS"),
]
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^ocpi(/|$)", r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
X_FRAME_OPTIONS = "DENY"

# Mail is what EMAIL_HOST takes; without it there are no digests.
EMAIL_HOST = _env("EMAIL_HOST")
EMAIL_USE_SSL = _flag("EMAIL_USE_SSL", False)  # TLS from the first byte, as on port 465
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS", not EMAIL_USE_SSL)  # STARTTLS
EMAIL_PORT = _number("EMAIL_PORT", 465 if EMAIL_USE_SSL else 587)
EMAIL_HOST_USER = _env("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = _env("EMAIL_HOST_PASSWORD")
EMAIL_TIMEOUT = 20  # seconds that each step may take
_mail_domain = re.fullmatch(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]+", _base.hostname or "")
DEFAULT_FROM_EMAIL = _env("EMAIL_FROM", f"ocpi-hub@{_mail_domain[0] if _mail_domain else 'localhost'}")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ocpi_hub.partners.authentication.CredentialsToken"],
    "DEFAULT_PERMISSION_CLASSES": ["ocpi_hub.partners.authentication.IsRegistered"],
    "DEFAULT_THROTTLE_CLASSES": ["ocpi_hub.partners.throttling.PartnerQuota"],
    "DEFAULT_RENDERER_CLASSES": ["ocpi_hub.exchange.interfaces.renderers.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ocpi_hub.exchange.interfaces.renderers.AlwaysJSON",
    "EXCEPTION_HANDLER": "ocpi_hub.exchange.interfaces.requestfailures.to_envelope",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}

# --------------------------------------------------------------------------------------------------- Celery
# Celery names a Redis socket and the database on it in its own way.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "hub"
CELERY_TASK_ACKS_LATE = False  # PostgreSQL is the truth: a lost task is found again by the sweep
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "max_retries": 0,
    "ack_emulation": False,  # nothing relies on a second delivery of a task
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
DJANGO_CELERY_BEAT_TZ_AWARE = True
HUB_WORKER_THREADS = _number("HUB_WORKER_THREADS", 32)
HUB_DRAIN_SLICE = 20.0  # seconds that one task works on one lane
HUB_SWEEP_INTERVAL = 5.0  # seconds after which a worker looks for due work by itself

# --------------------------------------------------------------------------------------------- logs and faults
SENTRY_DSN = _env(
    "SENTRY_DSN"
)  # where faults of the hub are told; the SDK reads SENTRY_ENVIRONMENT by itself
if SENTRY_DSN:
    _url("SENTRY_DSN", SENTRY_DSN, "http", "https")
LOG_FORMATS = {"line": "ocpi_hub.logs.LineFormatter", "json": "ocpi_hub.logs.JSONFormatter"}
HUB_LOG_FORMAT = _env("HUB_LOG_FORMAT", "line").lower()
if HUB_LOG_FORMAT not in LOG_FORMATS:
    MISREAD_SETTINGS.append("HUB_LOG_FORMAT is neither line nor json")
    HUB_LOG_FORMAT = "line"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "message": {"()": "ocpi_hub.logs.MessageFilter"},
        "path": {"()": "ocpi_hub.logs.PathFilter"},
    },
    "formatters": {"chosen": {"()": LOG_FORMATS[HUB_LOG_FORMAT]}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["message"]},
    },
    "root": {"handlers": ["stderr"], "level": _env("HUB_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django.request": {"level": "ERROR", "filters": ["path"]},
        "_granian": {"level": "INFO"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
LOGGING_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
if LOGGING["root"]["level"] not in LOGGING_LEVELS:  # type: ignore[index]
    MISREAD_SETTINGS.append("HUB_LOG_LEVEL is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    LOGGING["root"]["level"] = "INFO"  # type: ignore[index]
