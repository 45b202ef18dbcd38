"""System checks of the settings."""

import pytest

from ocpi_hub import checks, server

KEY = "b25seS1mb3ItbWFrZS1jaGVjay1vbmx5LWZvci1tYWs="


def ids(found):
    return [fault.id for fault in found]


@pytest.mark.parametrize(
    ("check", "changes", "found"),
    [
        (checks.settings_are_readable, {"MISREAD_SETTINGS": []}, []),
        (checks.settings_are_readable, {"MISREAD_SETTINGS": ["a", "b"]}, ["hub.E001", "hub.E001"]),
        (checks.keys_are_keys, {"HUB_KEYS": [KEY, KEY]}, []),
        (checks.keys_are_keys, {"HUB_KEYS": []}, ["hub.E002"]),
        (checks.keys_are_keys, {"HUB_KEYS": [KEY, "short"]}, ["hub.E003"]),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "https://hub.example"}, []),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "https://hub.example/below"}, []),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "hub.example"}, ["hub.E004"]),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "ftp://hub.example"}, ["hub.E004"]),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "https://hub.example?x=1"}, ["hub.E004"]),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "https://hub.example#x"}, ["hub.E004"]),
        (checks.base_url_is_a_url, {"HUB_BASE_URL": "https://"}, ["hub.E004"]),
        (checks.party_is_a_party, {"HUB_COUNTRY_CODE": "NL", "HUB_PARTY_ID": "H1"}, []),
        (checks.party_is_a_party, {"HUB_COUNTRY_CODE": "NLD"}, ["hub.E005"]),
        (checks.party_is_a_party, {"HUB_COUNTRY_CODE": "N1"}, ["hub.E005"]),
        (checks.party_is_a_party, {"HUB_PARTY_ID": ""}, ["hub.E005"]),
        (checks.party_is_a_party, {"HUB_PARTY_ID": "LONG"}, ["hub.E005"]),
        (checks.party_is_a_party, {"HUB_PARTY_ID": "\u00c4B"}, ["hub.E005"]),
        (checks.metrics_token_is_long, {"HUB_METRICS_TOKEN": ""}, []),
        (checks.metrics_token_is_long, {"HUB_METRICS_TOKEN": 16 * "x"}, []),
        (checks.metrics_token_is_long, {"HUB_METRICS_TOKEN": 15 * "x"}, ["hub.E010"]),
        (checks.numbers_make_sense, {"HUB_PORT": 65535, "HUB_RETRY_SCHEDULE": [0, 1]}, []),
        (checks.numbers_make_sense, {"HUB_SESSION_DAYS": 0, "HUB_CDR_DAYS": 0}, []),
        (checks.numbers_make_sense, {"HUB_SESSION_DAYS": 30}, ["hub.E006"]),
        (checks.numbers_make_sense, {"HUB_SESSION_DAYS": 31}, []),
        (checks.numbers_make_sense, {"HUB_PORT": 65536}, ["hub.E006"]),
        (checks.numbers_make_sense, {"HUB_PORT": 0}, ["hub.E006"]),
        (checks.numbers_make_sense, {"HUB_CONCURRENT_RELAYS": 48}, []),
        (checks.numbers_make_sense, {"HUB_CONCURRENT_RELAYS": 49}, ["hub.E006"]),
        (checks.numbers_make_sense, {"HUB_RETRY_SCHEDULE": [5, -1]}, ["hub.E006"]),
        (checks.numbers_make_sense, {"HUB_PAGE_LIMIT": 0, "HUB_PULL_OVERLAP": -1}, ["hub.E006", "hub.E006"]),
        (
            checks.one_partner_cannot_hold_all_connections,
            {"HUB_DB_POOL": 0, "HUB_CONCURRENT_REQUESTS": 99},
            [],
        ),
        (
            checks.one_partner_cannot_hold_all_connections,
            {"HUB_DB_POOL": 9, "HUB_CONCURRENT_REQUESTS": 8},
            [],
        ),
        (
            checks.one_partner_cannot_hold_all_connections,
            {"HUB_DB_POOL": 8, "HUB_CONCURRENT_REQUESTS": 8},
            ["hub.E008"],
        ),
        (checks.timeouts_make_sense, {"HUB_CONNECT_TIMEOUT": 4, "HUB_TOTAL_TIMEOUT": 4}, []),
        (checks.timeouts_make_sense, {"HUB_CONNECT_TIMEOUT": 5, "HUB_TOTAL_TIMEOUT": 4}, ["hub.E009"]),
        (checks.private_urls_are_refused, {"HUB_ALLOW_PRIVATE_URLS": False}, []),
        (checks.private_urls_are_refused, {"HUB_ALLOW_PRIVATE_URLS": True}, ["hub.W001"]),
    ],
)
def test_what_is_wrong_is_named(settings, check, changes, found):
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids(check(None)) == found


@pytest.mark.parametrize("name", checks.LEAST)
def test_each_number_has_a_least_value(settings, name):
    setattr(settings, name, checks.LEAST[name] - 1)

    (fault,) = checks.numbers_make_sense(None)
    least = checks.LEAST[name]
    assert (fault.id, fault.msg) == ("hub.E006", f"{name} must be at least {least}, and is {least - 1}.")


def test_relays_leave_threads_for_whoever_they_are_relayed_for(settings):
    assert settings.HUB_RELAYS_OF_ONE < settings.HUB_RELAYS_TOGETHER
    assert settings.HUB_RELAYS_TOGETHER + settings.HUB_CONCURRENT_REQUESTS < server.THREADS


@pytest.mark.parametrize("port", [-1, 0, 65536, 80000])
def test_a_port_that_cannot_be_names_its_range(settings, port):
    settings.HUB_PORT = port

    (fault,) = checks.numbers_make_sense(None)
    assert fault.msg == f"HUB_PORT must be between 1 and 65535, and is {port}."


def test_a_misspelt_variable_is_told_with_the_nearest_that_is_known(monkeypatch):
    monkeypatch.setenv("HUB_PAGELIMIT", "7")
    monkeypatch.setenv("HUB_XYZZY_QUUX", "7")

    near, far = checks.variables_are_known(None)

    assert (near.id, near.msg) == ("hub.W002", "HUB_PAGELIMIT is no setting of the hub.")
    assert near.hint == "Did you mean HUB_PAGE_LIMIT?"
    assert far.hint == "docs/operating.md lists every variable."
    monkeypatch.delenv("HUB_PAGELIMIT")
    monkeypatch.delenv("HUB_XYZZY_QUUX")
    assert checks.variables_are_known(None) == []


def test_a_key_is_not_shown(settings):
    settings.HUB_KEYS = ["nearly-a-key"]

    (fault,) = checks.keys_are_keys(None)
    assert "nearly-a-key" not in f"{fault.msg} {fault.hint}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("databases", "pool", "found"),
    [(["default"], 10, []), (["default"], 100_000, ["hub.E007"]), (None, 100_000, []), (["default"], 0, [])],
)
def test_connections_fit_into_the_database(settings, databases, pool, found):
    settings.HUB_DB_POOL = pool

    assert ids(checks.connections_suffice(None, databases=databases)) == found
