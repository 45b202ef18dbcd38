"""What a web process remembers of partners, and when it forgets (ocpi_hub/partners/directory.py)."""

import threading
from typing import NamedTuple

import psycopg
import pytest
from django.db import connection, models
from django.utils import timezone

from ocpi_hub.partners import authentication, lookup
from ocpi_hub.partners.directory import Directory
from ocpi_hub.partners.models import Agreement, Endpoint, IssuedToken, Party, Platform, Status
from tests.partners import register

SIGNS_OF_LIFE = {"last_heard_at", "missed_probes", "next_probe_at", "probe_outcome"}


class Listening(Directory):
    """One that says when it forgot."""

    def __init__(self):
        super().__init__()
        self.forgot = threading.Event()

    def forget(self):
        super().forget()
        self.forgot.set()


class Silent:
    """A connection on which no notification ever arrives, however long one waits."""

    def __init__(self, clock):
        self.clock = clock

    def notifies(self, timeout, stop_after):
        self.clock[0] += timeout
        return iter(())


@pytest.fixture
def hearing(transactional_db):
    """A directory that hears of changes; its thread ends after a few beats."""
    directory = Listening()
    listener = threading.Thread(target=directory.listen, args=[2])
    listener.start()
    assert directory.forgot.wait(10)
    yield directory
    directory.deafen()
    listener.join()


def remembered(directory):
    """Puts something into it; whether that is still there."""
    directory.forgot.clear()
    directory.get("key", lambda: "value")
    return directory.get("key", lambda: None) == "value"


# ------------------------------------------------------------------------------------------------------- memory
def test_what_was_found_is_not_looked_up_again():
    directory = Directory()
    directory.deafen()
    directory.hears = True
    found = [directory.get("key", load) for load in (lambda: [1], lambda: [2])]

    assert found == [[1], [1]]


def test_that_there_is_nothing_is_not_remembered():
    directory = Directory()
    directory.deafen()
    directory.hears = True

    assert [directory.get("key", load) for load in (lambda: None, lambda: [2])] == [None, [2]]


def test_whoever_hears_of_no_changes_remembers_nothing():
    directory = Directory()

    assert [directory.get("key", load) for load in (lambda: [1], lambda: [2])] == [[1], [2]]


def test_what_was_loaded_while_something_changed_is_not_remembered():
    directory = Directory()
    directory.deafen()
    directory.hears = True

    def load():
        directory.forget()
        return [1]

    assert [directory.get("key", load), directory.get("key", lambda: [2])] == [[1], [2]]


def test_nothing_is_remembered_for_longer_than_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("ocpi_hub.partners.directory.time.monotonic", lambda: now[0])
    directory = Directory()
    directory.deafen()
    directory.hears = True
    found = []
    for seconds in (0, 59, 2):
        now[0] += seconds
        found.append(directory.get("key", lambda at=now[0]: at))

    assert found == [1000.0, 1000.0, 1061.0]


# ----------------------------------------------------------------------------------------------------- changes
CHANGES = {
    "a platform's status": lambda: Platform.objects.update(status=Status.SUSPENDED),
    "a new platform": lambda: Platform.objects.create(name="New"),
    "a platform that goes": lambda: Platform.objects.filter(name="GONE").delete(),
    "a party's roles": lambda: Party.objects.update(roles=[]),
    "an endpoint": lambda: Endpoint.objects.update(url="https://new.example"),
    "an endpoint that goes": lambda: Endpoint.objects.all().delete(),
    "a token": lambda: IssuedToken.objects.update(expires_at=timezone.now()),
    "an agreement": lambda: Agreement.objects.create(first="DE*MSP", second="NL*ABC", allowed=False),
}


def test_every_change_of_a_partner_is_heard_of(hearing, network):
    register(network, "ABC", "NL-ABC-CPO")
    Platform.objects.create(name="GONE")
    for name, change in CHANGES.items():
        assert remembered(hearing), name

        change()

        assert hearing.forgot.wait(10), name
        assert hearing.get("key", lambda: "anew") == "anew", name
        hearing.forget()


@pytest.mark.django_db
def test_of_a_platform_every_column_counts_but_the_signs_of_life():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'tell_of_changes'"
            " AND tgrelid = 'partners_platform'::regclass"
        )
        (definition,) = cursor.fetchone()

    left_out = definition.partition("'{")[2].partition("}'")[0].split(",")
    assert set(left_out) == SIGNS_OF_LIFE
    assert {field.column for field in Platform._meta.concrete_fields} > SIGNS_OF_LIFE


def test_a_sign_of_life_makes_nobody_forget(hearing, network):
    register(network, "ABC", "NL-ABC-CPO")
    assert hearing.forgot.wait(10)
    hearing.forgot.clear()

    Platform.objects.update(last_heard_at=timezone.now(), next_probe_at=timezone.now(), missed_probes=2)
    # What comes after it is heard of, so it would have been as well.
    Platform.objects.update(name="New name")

    assert hearing.forgot.wait(10)
    assert hearing.get("key", lambda: None) is None


def test_a_change_that_arrives_together_with_the_word_is_heard_of():
    class Notice(NamedTuple):
        payload: str

    class Both:
        def notifies(self, timeout, stop_after):
            return iter([Notice("word"), Notice("")])

    directory = Directory()
    directory.hears = True
    directory.get("key", lambda: "value")

    assert directory._heard(Both(), "word", 2.0)
    assert directory.get("key", lambda: "anew") == "anew"


def test_a_connection_that_hears_nothing_is_given_up(transactional_db, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("ocpi_hub.partners.directory.time.monotonic", lambda: clock[0])
    directory = Directory()

    with pytest.raises(psycopg.OperationalError, match="does not arrive"):
        directory._beat(Silent(clock))

    assert not directory.hears


def test_when_listening_ends_nothing_is_remembered_any_more(monkeypatch, transactional_db):
    directory = Directory()
    heard = []

    def listen():
        directory.hears = True
        directory.get("key", lambda: "value")
        raise psycopg.OperationalError("the connection is lost")

    def sleep(seconds):
        heard.append((directory.hears, directory._entries))
        raise SystemExit

    monkeypatch.setattr(directory, "listen", listen)
    monkeypatch.setattr("ocpi_hub.partners.directory.time.sleep", sleep)
    with pytest.raises(SystemExit):
        directory._run()

    assert heard == [(False, {})]


def test_the_log_says_once_that_nothing_is_heard_and_once_that_it_is_again(
    monkeypatch, caplog, transactional_db
):
    caplog.set_level("INFO", logger="ocpi_hub.partners.directory")
    directory = Directory()
    lost = psycopg.OperationalError("the connection is lost")
    tries = [lost, lost, None, lost]

    def listen():
        error = tries.pop(0)
        if error is None:
            Directory.listen(directory, rounds=1)
        else:
            raise error

    def sleep(seconds):
        if not tries:
            raise SystemExit

    monkeypatch.setattr(directory, "listen", listen)
    monkeypatch.setattr("ocpi_hub.partners.directory.time.sleep", sleep)
    monkeypatch.setattr("ocpi_hub.partners.directory.BEAT", 0.01)
    with pytest.raises(SystemExit):
        directory._run()

    lost_once = "changes of partners are not heard of, every request asks anew: the connection is lost"
    assert caplog.messages == [lost_once, "changes of partners are heard of again", lost_once]


# ------------------------------------------------------------------------------------------------------ requests
@pytest.fixture
def remembering(monkeypatch):
    """The directory that requests use, as if it heard of every change but those of the test."""
    directory = authentication.directory
    monkeypatch.setattr(directory, "_entries", {})
    directory.deafen()
    directory.hears = True
    yield directory
    directory.deafen()


def test_a_second_request_asks_nothing_about_who_is_who(remembering, cpo, emsp, django_assert_num_queries):
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    cpo.get("sender/tokens/04A1B2C3D4", **to)
    remembering.forget()  # as the first use of its token makes it
    cpo.get("sender/tokens/04A1B2C3D4", **to)

    with django_assert_num_queries(0):
        assert cpo.get("sender/tokens/04A1B2C3D4", **to).codes == (200, 1000)
    assert len(emsp.calls) == 3


def test_a_remembered_token_is_refused_when_its_time_is_over(remembering, cpo, monkeypatch):
    cpo.get("sender/tokens")
    cpo.get("sender/tokens")
    now = timezone.now()
    for key, entry in remembering._entries.items():
        if key[0] == "token":
            entry[0].expires_at = now

    assert cpo.get("sender/tokens").http_status == 401


def test_what_a_hub_tells_of_a_party_is_read_with_it(remembering, cpo, emsp):
    told = {"EMSP": "OFFLINE"}
    emsp.platform.parties.update(behind_hub=True, told=told)

    party = lookup.addressee("DE*MSP", "NL*ABC", "tokens", "SENDER")

    assert (party.told, party.status) == (told, "OFFLINE")


def test_what_is_remembered_has_no_field_that_is_read_later(remembering, cpo, emsp):
    """A deferred field would be read from the database by whichever request comes to need it."""
    found = lookup.issued_tokens(
        list(IssuedToken.objects.filter(platform=cpo.platform).values_list("digest", flat=True)),
        timezone.now(),
    )
    party = lookup.addressee("DE*MSP", "NL*ABC", "tokens", "SENDER")

    rows: list[models.Model] = [found[0], found[0].platform, party.platform]
    assert [row.get_deferred_fields() for row in rows] == [set()] * 3
    assert found[0].platform.speaks_for[0].get_deferred_fields() == {"business_details"}
    assert party.get_deferred_fields() == {"business_details"}
