"""Settings from the environment: what is read, what is misread and told, what keeps its default."""

import ipaddress
import runpy
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

import ocpi_hub
from ocpi_hub.errorreports.checks import is_address

FILE = str(Path(ocpi_hub.__file__).parent / "settings.py")
KEY = "b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="


@pytest.fixture
def read(monkeypatch):
    """The settings of a process with these variables, on a database and a Redis that are named."""
    for name in ("HUB_ALLOW_PRIVATE_URLS", "HUB_DB_POOL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "DATABASE_URL": "postgresql://u:p@db.example:6543/hub",
        "REDIS_URL": "redis://redis.example/1",
        "SECRET_KEY": "secret",
        "HUB_KEYS": KEY,
    }.items():
        monkeypatch.setenv(name, value)

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(FILE)

    return read


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("HUB_PORT", "9000", 9000),
        ("HUB_PORT", " 9000 ", 9000),
        ("HUB_PORT", "", 8000),
        ("HUB_NAME", "My hub", "My hub"),
        ("HUB_COUNTRY_CODE", "be", "BE"),
        ("HUB_PARTY_ID", "xyz", "XYZ"),
        ("HUB_BASE_URL", "https://hub.example/", "https://hub.example"),
        ("HUB_RETRY_SCHEDULE", "1, 2,3", [1, 2, 3]),
        ("HUB_RETRY_SCHEDULE", "", [5, 15, 60, 300, 900, 3600, 7200, 14400, 28800, 57600]),
        ("HUB_ALLOW_PRIVATE_URLS", "1", True),
        ("HUB_ALLOW_PRIVATE_URLS", "Yes", True),
        ("HUB_ALLOW_PRIVATE_URLS", "off", False),
        ("HUB_ALLOW_PRIVATE_URLS", "", False),
        ("HUB_KEYS", f"{KEY},{KEY}", [KEY, KEY]),
        ("HUB_PULL_INTERVAL", "60", 60),
        ("HUB_CONNECT_TIMEOUT", "", 5),
        ("HUB_CONNECT_TIMEOUT", "3", 3),
        ("HUB_AUTHORIZE_TIMEOUT", "2", 2),
    ],
)
def test_a_variable_is_read(read, name, text, value):
    settings = read(**{name: text})

    assert settings[name] == value


def test_who_has_little_time_for_an_answer_has_no_more_to_connect(read):
    settings = read(HUB_TOTAL_TIMEOUT="4")

    assert (settings["HUB_TOTAL_TIMEOUT"], settings["HUB_CONNECT_TIMEOUT"]) == (4, 4)
    assert settings["MISREAD_SETTINGS"] == []


@pytest.mark.parametrize(
    ("name", "text", "kept", "problem"),
    [
        ("HUB_PORT", "many", 8000, "HUB_PORT is not a whole number: 'many'"),
        ("HUB_PAGE_LIMIT", "1.5", 100, "HUB_PAGE_LIMIT is not a whole number: '1.5'"),
        ("HUB_ALLOW_PRIVATE_URLS", "maybe", False, "HUB_ALLOW_PRIVATE_URLS is neither 1 nor 0: 'maybe'"),
        (
            "HUB_RETRY_SCHEDULE",
            "1,soon",
            [5, 15, 60, 300, 900, 3600, 7200, 14400, 28800, 57600],
            "HUB_RETRY_SCHEDULE is not a comma list of whole seconds",
        ),
        ("TRUSTED_PROXIES", "proxy", [], "TRUSTED_PROXIES holds 'proxy', which is no address or network"),
    ],
)
def test_what_cannot_be_read_keeps_its_default_and_is_told(read, name, text, kept, problem):
    settings = read(**{name: text})

    assert settings[name] == kept
    assert settings["MISREAD_SETTINGS"] == [problem]


def test_a_wrong_port_is_told_once_and_not_as_a_wrong_base_url_too(read):
    assert read(HUB_PORT="80000")["MISREAD_SETTINGS"] == []  # hub.E006 tells it


def test_an_unknown_log_level_is_told(read):
    settings = read(HUB_LOG_LEVEL="loud")

    assert settings["LOGGING"]["root"]["level"] == "INFO"
    assert settings["MISREAD_SETTINGS"] == [
        "HUB_LOG_LEVEL is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
    ]
    assert read(HUB_LOG_LEVEL="debug")["LOGGING"]["root"]["level"] == "DEBUG"


def test_the_form_of_log_lines_is_chosen(read):
    def formatter(**variables):
        return read(**variables)["LOGGING"]["formatters"]["chosen"]["()"]

    assert formatter() == formatter(HUB_LOG_FORMAT="line") == "ocpi_hub.logs.LineFormatter"
    assert formatter(HUB_LOG_FORMAT="JSON") == "ocpi_hub.logs.JSONFormatter"


def test_an_unknown_form_of_log_lines_is_told(read):
    settings = read(HUB_LOG_FORMAT="xml")

    assert settings["HUB_LOG_FORMAT"] == "line"
    assert settings["MISREAD_SETTINGS"] == ["HUB_LOG_FORMAT is neither line nor json"]


def test_trusted_proxies_are_addresses_and_networks(read):
    assert read(TRUSTED_PROXIES="10.0.0.1, 192.168.0.0/16,::1")["TRUSTED_PROXIES"] == [
        ipaddress.ip_network("10.0.0.1/32"),
        ipaddress.ip_network("192.168.0.0/16"),
        ipaddress.ip_network("::1/128"),
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p@db.example:6543/hub", ("hub", "u", "p", "db.example", "6543")),
        ("postgresql://u:p%40ss@db.example", ("hub", "u", "p@ss", "db.example", "")),
        ("postgresql://u@/name?host=/run/x", ("name", "u", "", "/run/x", "")),
    ],
)
def test_the_database_is_named_by_a_url(read, url, found):
    database = read(DATABASE_URL=url)["DATABASES"]["default"]

    assert tuple(database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == found
    assert "host" not in database["OPTIONS"]


@pytest.mark.parametrize(
    ("name", "url", "problem"),
    [
        (
            "DATABASE_URL",
            "postgresql://u@db.example:many/hub",
            "is not a URL: its host or port cannot be read",
        ),
        ("DATABASE_URL", "postgresql://u:sec/ret@db/hub", "is not a URL: its host or port cannot be read"),
        ("DATABASE_URL", "postgresql://u:sec[ret@db/hub", "is not a URL: its host or port cannot be read"),
        ("DATABASE_URL", "mysql://u:secret@db/hub", "does not begin with postgresql:// or postgres://"),
        ("DATABASE_URL", "secret", "does not begin with postgresql:// or postgres://"),
        ("REDIS_URL", "http://:secret@r/0", "does not begin with redis:// or rediss:// or unix://"),
        ("HUB_BASE_URL", "http://[hub", "is not a URL: its host or port cannot be read"),
    ],
)
def test_a_wrong_url_is_told_and_nothing_of_its_login(read, name, url, problem):
    assert read(**{name: url})["MISREAD_SETTINGS"] == [f"{name} {problem}"]


@pytest.mark.parametrize("var", ["/proc/none", "/etc/passwd", "/etc/passwd/below"])
def test_a_state_folder_that_cannot_be_used_is_named(read, monkeypatch, var):
    for name in ("SECRET_KEY", "HUB_KEYS", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name)

    with pytest.raises(ImproperlyConfigured, match=f"^HUB_VAR={var} is not a folder that the hub can use: "):
        read(HUB_VAR=var)


def test_a_process_has_a_pool_of_connections_or_none(read):
    pool = read(HUB_DB_POOL="5")["DATABASES"]["default"]["OPTIONS"]["pool"]
    assert pool["max_size"] == 5
    assert "pool" not in read(HUB_DB_POOL="0")["DATABASES"]["default"]["OPTIONS"]


def test_https_is_told_by_the_base_url(read):
    plain, secure = read(HUB_BASE_URL="http://hub.example"), read(HUB_BASE_URL="https://hub.example")

    assert (plain["HTTPS"], plain["SESSION_COOKIE_SECURE"], plain["SECURE_HSTS_SECONDS"]) == (False, False, 0)
    assert (secure["HTTPS"], secure["SESSION_COOKIE_SECURE"]) == (True, True)
    assert secure["SECURE_HSTS_SECONDS"] > 0
    assert secure["ALLOWED_HOSTS"][0] == "hub.example"
    assert secure["CSRF_TRUSTED_ORIGINS"] == ["https://hub.example"]


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("redis://redis.example/1", "redis://redis.example/1"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock"),
    ],
)
def test_celery_speaks_to_the_same_redis(read, redis, broker):
    assert read(REDIS_URL=redis)["CELERY_BROKER_URL"] == broker


def test_an_embedded_run_makes_its_keys_once_and_allows_private_urls(read, monkeypatch, tmp_path):
    for name in ("SECRET_KEY", "HUB_KEYS", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name)
    first = read(HUB_VAR=str(tmp_path))
    second = read()

    assert first["EMBEDDED_POSTGRESQL"] is first["EMBEDDED_REDIS"] is True
    assert first["HUB_ALLOW_PRIVATE_URLS"] is True
    assert len(first["SECRET_KEY"]) >= 50
    assert (first["SECRET_KEY"], first["HUB_KEYS"]) == (second["SECRET_KEY"], second["HUB_KEYS"])
    assert len(first["HUB_KEYS"]) == 1


def test_on_named_services_nothing_is_made_up(read, monkeypatch):
    monkeypatch.delenv("HUB_KEYS")
    monkeypatch.delenv("SECRET_KEY")
    settings = read()

    assert (settings["SECRET_KEY"], settings["HUB_KEYS"]) == ("", [])


@pytest.mark.parametrize(
    ("base", "sender"),
    [
        ("https://hub.example", "ocpi-hub@hub.example"),
        ("http://127.0.0.1:8000", "ocpi-hub@localhost"),
        ("http://[::1]:8000", "ocpi-hub@localhost"),
        ("http://hub:8000", "ocpi-hub@localhost"),
    ],
)
def test_the_sender_of_mail_is_an_address_whatever_the_base_url_is(read, base, sender):
    settings = read(HUB_BASE_URL=base, EMAIL_HOST="mail.example")

    assert settings["DEFAULT_FROM_EMAIL"] == sender
    assert is_address(sender)
    assert read(EMAIL_FROM="ann@hub.example")["DEFAULT_FROM_EMAIL"] == "ann@hub.example"
