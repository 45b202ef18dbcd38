"""Pull a partner's Sender list, page by page, into the store (transport_and_format.asciidoc, Pull; PAG rows).

One bad object is a row in the list of refused objects, never the end of the run. Two pulls of one list do not
run at once, and one that was cut off goes on where it stood (crawls.py). An incremental pull starts some time
before the last one began (HUB_PULL_OVERLAP), because objects may reach their server late; a full one also notes
what its owner no longer lists (missing.py).
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ocpi_hub import metrics
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls.verdicts import masked
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.objects import store, upserts, vanishing
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.pulls import crawls, missing, pullfailures, refusals, turns
from ocpi_hub.exchange.pulls.partnerlists import (
    CalledTooOften,
    Later,
    Page,
    PartnerList,
    Place,
    PlaceGone,
    PullFailed,
)
from ocpi_hub.exchange.pulls.pulledobjects import (
    Taken,
    accepted_by_receivers,
    back,
    clash,
    content_of,
    key_of,
    loosely,
    mark_of,
    name_of,
    second,
)
from ocpi_hub.exchange.pulls.repairs import RepairTable
from ocpi_hub.exchange.routing import is_known
from ocpi_hub.partners.models import Endpoint, Party, Platform
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, check, normalise_times, parse
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.masking import masked as without
from ocpi_hub.protocol.masking import private_values
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

CHUNK = 200  # objects stored in one transaction, so that none is open for long
MOST_PAGES = 20_000  # of one list
MOST_EMPTY = 50  # pages without an object, one after the other
MOST_REFUSED = 1_000  # objects of one run; after that the list is no list of such objects
MOST_LOGGED = 20  # refusals of one run that get a line in the log
MOST_NAMED = 100  # parties that the hub does not know and a list is for; those besides are counted together
BESIDES = ""  # in place of their names

Progress = Callable[[Pull, int | None], None]


class Report(NamedTuple):
    """A pull, and what cannot be counted in its row."""

    pull: Pull
    repairs: dict[str, int]
    refusals: list[dict[str, str]]


# --------------------------------------------------------------------------------------------- what to pull
def sources(platform_id: int | None = None, module: str | None = None) -> list[tuple[Platform, str]]:
    """(platform, module) of every Sender list that is ours to read."""
    models = owned_models()
    platforms = Platform.objects.registered()
    if platform_id is not None:
        platforms = platforms.filter(pk=platform_id)
    return [
        (platform, name)
        for platform in platforms
        for name, model in models.items()
        if module in (None, name)
        and model.pulled
        and platform.endpoint(name, Endpoint.Role.SENDER)
        and platform.party_with([model.owner_role])
    ]


def pull_platform(
    platform_id: int,
    module: str,
    *,
    full: bool = False,
    since: datetime | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    done_since: datetime | None = None,
) -> list[Report]:
    """Pull one module of one platform, once for each of its parties, addressed by OCPI-to (interpretations, P28).

    Parties whose list was read to its end since `done_since` are left out, for whoever tries again.
    """
    model = owned_models()[module]
    found = [platform for platform, _ in sources(platform_id, module)]
    if not found:
        return []
    reports: list[Report] = []
    seen_owners: set[str] = set()
    for party in found[0].parties.own().filter(roles__contains=[model.owner_role]):
        if party.key in seen_owners:
            continue  # the partner answers for all its parties at once
        if done_since and (read := _read_since(done_since, found[0], module, party, full)):
            seen_owners |= {party.key, *read.owners}
            continue
        run = _Run(found[0], model, party, full=full, since=since, progress=progress)
        report = run.execute(now or clock.now())
        reports.append(report)
        seen_owners |= {party.key, *report.pull.owners}
    return reports


def _read_since(moment: datetime, platform: Platform, module: str, party: Party, full: bool) -> Pull | None:
    done = Pull.objects.filter(platform=platform, module=module, party=party.key, state=Pull.State.DONE)
    return done.filter(started_at__gte=moment, full__in=[True, full]).first()


def date_from(platform: Platform, module: str, party: Party, since: datetime | None) -> datetime | None:
    """Where an incremental pull starts: None, and so in full, when none was finished yet."""
    last = Pull.objects.filter(platform=platform, module=module, party=party.key, state=Pull.State.DONE)
    newest = last.order_by("-started_at").values_list("started_at", flat=True).first()
    if newest is None:
        return None
    start: datetime = min(newest, since) if since else newest
    return start - timedelta(seconds=settings.HUB_PULL_OVERLAP)


# ------------------------------------------------------------------------------------------------- one run
class _Run:
    """One pull of one party's list."""

    def __init__(
        self,
        platform: Platform,
        model: type[OwnedObject],
        party: Party,
        *,
        full: bool,
        since: datetime | None,
        progress: Progress | None,
    ) -> None:
        self.platform, self.model, self.party, self.progress = platform, model, party, progress
        self.date_from = None if full else date_from(platform, model.module, party, since)
        self.full = self.date_from is None
        self.ids = MessageIDs.new()
        self.list = PartnerList(platform, model.module, party, self.ids, routed=model.routed, take=turns.take)
        self.repairs = RepairTable(platform, model)
        self.refusals: list[dict[str, str]] = []
        self.known: dict[str, bool] = {}
        # Objects that must not change, and came with other content or for another party.
        self.contradicted: set[tuple[str, ...]] = set()
        self.allowed = set(
            platform.parties.own().filter(roles__contains=[model.owner_role]).values_list("key", flat=True)
        )

    def execute(self, now: datetime) -> Report:
        if self.full and (span := self.model.asked_back_to()):
            self.date_from = now - span
        wanted = crawls.Wanted(self.platform, self.model.module, self.party.key, self.full, self.date_from)
        pull = crawls.begin(wanted, now)
        if pull.state == Pull.State.RUNNING:
            self._run(pull)
        self._note_others(pull)
        return Report(pull, self.repairs.save(), self.refusals)

    def _run(self, pull: Pull) -> None:
        try:
            self._read(pull)
            if pull.full and pull.date_from is None and not self.model.hearsay:
                missing.reconcile(self.model, self.platform, pull, self.ids)
        except crawls.TakenOver:
            pull.state = Pull.State.FAILED
            pull.error = f"page {self.list.read}: it took so long that another pull took over"
            logger.warning("%s stopped: %s", pull, pull.error)
            pullfailures.interrupted([pull])
            return
        except Later as later:
            pull.state, pull.error = Pull.State.WAITING, str(later)
            pull.resume_at = clock.now() + _wait(pull, later)
            if isinstance(later, CalledTooOften):
                pullfailures.stopped(self.platform, pull, later, self.ids)
        except PullFailed as failure:
            pull.state, pull.error, pull.finished_at = Pull.State.FAILED, str(failure), timezone.now()
            pull.next_url = pull.next_url if failure.temporary else ""
            logger.warning("%s stopped: %s", pull, failure)
            pullfailures.stopped(self.platform, pull, failure, self.ids)
        except Exception as error:
            pullfailures.stopped_by_us(pull, error, self.ids)
            error_text = f"a fault of the hub: {type(error).__name__}"
            Pull.objects.filter(pk=pull.pk, holder=pull.holder).update(
                state=Pull.State.FAILED, error=error_text, finished_at=timezone.now()
            )
            pull.state = Pull.State.FAILED
            self._measure(pull)
            raise
        else:
            pull.state, pull.finished_at = Pull.State.DONE, timezone.now()
            if pull.full:
                refusals.forget_the_count(self.platform, pull)
        crawls.finish(pull)
        self._measure(pull)

    def _measure(self, pull: Pull) -> None:
        metrics.pulls.labels(
            str(self.platform.pk), self.platform.name, pull.module, str(pull.state).lower()
        ).inc()

    def _read(self, pull: Pull) -> None:
        """All pages that are left; from the first one when the place where it was cut off is gone."""
        if pull.pages and not pull.next_url:
            return  # it was cut off after the last page
        try:
            self._crawl(pull)
        except PlaceGone:
            logger.info("%s: the page where it was cut off is gone, it begins anew", pull)
            crawls.begin_anew(pull)
            self._crawl(pull)

    def _crawl(self, pull: Pull) -> None:
        place = Place(pull.next_url, pull.pages, pull.total)
        empty = 0
        for page in self.list.pages(pull.date_from, place):
            documents = page.documents
            empty = 0 if documents else empty + 1
            for start in range(0, len(documents), CHUNK) or (0,):
                is_last = start + CHUNK >= len(documents)
                self._store_chunk(pull, documents[start : start + CHUNK], page if is_last else None)
            if self.progress:
                self.progress(pull, page.total)
            if pull.pages == MOST_PAGES:
                raise PullFailed(f"page {pull.pages}: the list does not end")
            if empty == MOST_EMPTY and page.following:
                raise PullFailed(f"page {pull.pages}: the list goes on and on without an object")

    def _store_chunk(self, pull: Pull, documents: list[bytes], page: Page | None) -> None:
        """Objects, and how far the pull has come with them, both or neither; `page` is the one that they end."""
        number = pull.pages + 1
        with transaction.atomic():
            crawls.note_listed(pull, self._store(pull, documents))
            if page:
                pull.pages, pull.next_url, pull.total, pull.slowed = number, page.following, page.total, 0
            crawls.keep(pull)
        if pull.refused - sum(pull.for_others.values()) > MOST_REFUSED:
            raise PullFailed(
                f"page {number}: more than {MOST_REFUSED} objects are refused, the last ones too",
                cause="too_many_refused",
            )

    # ------------------------------------------------------------------------------------------- storing
    def _store(self, pull: Pull, documents: list[bytes]) -> list[int]:
        """Store objects; what is new or changed is published, what cannot be taken is written down.

        The rows that they are, changed or not.
        """
        taken: dict[tuple[str, ...], Taken] = {}
        first: dict[tuple[str, ...], Taken] = {}
        for document in documents:
            pull.received += 1
            item = self._take(pull, document)
            if item is None:
                continue
            if reason := second(self.model, item, first.setdefault(item.mark[:-1], item)):
                self._contradict(pull, item, reason)
            elif (before := taken.get(item.mark)) and store.is_newer(before.last_updated, item.last_updated):
                pull.stale += 1
            else:
                taken[item.mark] = item
        present = self._present(list(taken.values()))
        news = [news for item in taken.values() if (news := self._news(pull, item, present))]
        stored = self._keep(pull, news)
        whole = [name for mark, item in taken.items() if mark not in self.contradicted for name in item.names]
        refusals.forget(self.platform, self.model.module, whole)
        return [row.pk for mark, row in present.items() if mark in taken] + stored

    def _take(self, pull: Pull, document: bytes) -> Taken | None:
        """A checked object of an owner that this platform speaks for, or None when it was refused."""
        raw: Any = None
        received: str | None = None
        try:
            document = self.model.incoming(document, self.platform)
            raw = parse(document)
            try:
                wire = check(raw, self.model.wire)
            except InvalidObject as fault:
                wire = self.repairs.mend(raw, self.party.ref, fault)
                received = document.decode()
            owner = PartyRef(wire.country_code, wire.party_id)
            if owner.key not in self.allowed and not self.model.hearsay:
                raise InvalidObject("$.party_id", f"{owner} is no {self.model.owner_role} of this platform")
            if normalise_times(raw, self.model.wire) or received is not None:
                incoming = upserts.Incoming(wire, store.sealed(raw))
            else:
                incoming = store.examine(self.model, raw, document)
        except (InvalidObject, MalformedJSON) as fault:
            self._refuse(pull, raw, document, str(fault))
            return None
        if owner.key not in pull.owners and not self.model.hearsay:
            pull.owners.append(owner.key)
        address, audience = self.model.place_of(wire, self.party.key)
        if audience and not self.model.hearsay and not self._knows(audience):
            self._count_for(pull, audience)
            return None
        pull.repaired += received is not None
        return Taken(address, incoming, store.digest_of(raw), received, audience)

    def _count_for(self, pull: Pull, stranger: str) -> None:
        """By its name, as long as those are few: a list can name millions of parties."""
        is_named = stranger in pull.for_others or len(pull.for_others) < MOST_NAMED
        name = stranger if is_named else BESIDES
        pull.for_others[name] = pull.for_others.get(name, 0) + 1
        pull.refused += 1

    def _knows(self, audience: str) -> bool:
        """Whether the hub knows the party that an object is for; what is for others is no business of it."""
        if audience not in self.known:
            self.known[audience] = is_known(audience)
        return self.known[audience]

    def _present(self, items: list[Taken]) -> dict[tuple[str, ...], OwnedObject]:
        """The rows that the store has of these objects, whoever they are for, locked, in one query."""
        rows = self.model.objects.select_for_update().filter(
            key__in=[item.address.object_id.upper() for item in items],
            owner_key__in={item.address.owner.key for item in items},
        )
        if not self.model.addressed:
            rows = rows.filter(audience__in={item.audience for item in items})
        return {mark_of(row.own_address, row.audience): row for row in rows.order_by("id")}

    def _news(self, pull: Pull, item: Taken, present: dict[tuple[str, ...], OwnedObject]) -> Taken | None:
        """What of it is to be stored; counts it when nothing is."""
        row = present.get(item.mark)
        if row is not None and row.missing_since:
            self.model.objects.filter(pk=row.pk).update(missing_since=None, missed_pulls=0)
        if reason := clash(self.model, item, present):
            self._contradict(pull, item, reason)
            return None
        if row is None:
            return item
        if row.deleted_at and row.deleted_at >= pull.started_at:
            pull.stale += 1  # its page may be older than the DELETE
            return None
        if row.deleted_at:
            return item
        if row.owners_document is not None:
            return back(self.model, item, row)
        if store.is_newer(vanishing.owners_time(row), upserts.aware(item.incoming.wire.last_updated)):
            pull.stale += 1
            return None
        if content_of(row) == item.digest:
            pull.unchanged += 1
            if not row.digest:
                self.model.objects.filter(pk=row.pk).update(digest=item.digest)
            return None
        return accepted_by_receivers(self.model, item, row)

    def _contradict(self, pull: Pull, item: Taken, reason: str) -> None:
        document = item.incoming.document.encode()
        self._refuse(pull, parse(document), document, reason, "object.contradicted")
        self.contradicted.add(item.mark)

    def _keep(self, pull: Pull, news: list[Taken]) -> list[int]:
        """Store, count and publish; the rows that were written."""
        writings = [item.writing for item in news]
        written = []
        messages = []
        stored = upserts.save_many(self.model, writings, self.platform)
        for item, result in zip(news, stored, strict=True):
            written.append(result.row_id)
            if result.stale:
                pull.stale += 1
                continue
            pull.new += result.created
            pull.changed += not result.created
            messages.append(
                outbox.message(self.model, item.address, result, self.platform, self.ids, bulk=True)
            )
        if not self.model.hearsay:
            outbox.publish_many(messages)
        return written

    def _refuse(
        self, pull: Pull, raw: Any, document: bytes, reason: str, kind: str = "object.refused"
    ) -> None:
        pull.refused += 1
        raw = loosely(document) if raw is None else raw
        token = self.platform.token
        reason = masked(reason, token)
        name = masked(name_of(raw, self.model), token)
        key = key_of(raw, self.model)
        if key is not None and key not in pull.refused_keys:
            pull.refused_keys.append(key)
        self.refusals.append({"id": name, "reason": reason})
        refusals.note(self.platform, self.model.module, name, reason, document)
        self._report(kind, name, reason, document)
        if pull.refused <= MOST_LOGGED:
            text = f"{self.model.module} {name} of {self.party} is refused: {reason}"
            logger.warning("%s", without(text, private_values(document)))

    def _report(self, kind: str, name: str, reason: str, document: bytes) -> None:
        pullfailures.refused(
            kind, self.platform, self.model.module, reason,
            party=self.party.key, name=name, document=document, ids=self.ids,
        )  # fmt: skip

    def _note_others(self, pull: Pull) -> None:
        """One line for each party that the hub does not know; what was listed for it is not kept."""
        if pull.state == Pull.State.WAITING:
            return  # it goes on, and counts on
        for audience, count in pull.for_others.items():
            name, reason = _of_strangers(audience, count)
            self.refusals.append({"id": name, "reason": reason})
            refusals.note(self.platform, self.model.module, name, reason, b"", times=count)
            self._report("object.unknown_party", name, reason, b"")
            logger.warning("%s of %s: %s", self.model.module, self.party, reason)


def _wait(pull: Pull, later: Later) -> timedelta:
    if not isinstance(later, CalledTooOften):
        return later.wait
    wait = later.after(pull.slowed)
    pull.slowed = min(pull.slowed + 1, 1_000)
    return wait


def _of_strangers(audience: str, count: int) -> tuple[str, str]:
    """What was listed for a party that the hub does not know, by name, and why it is not kept."""
    if audience == BESIDES:
        whom = f"parties besides the first {MOST_NAMED} that this hub does not know"
        return (
            "all for parties besides",
            f"{count} in the last list belong to {whom}: not kept, nor told by name",
        )
    reason = f"{count} in the last list belong to {audience}, and this hub knows no such party: not kept"
    return f"all for {audience}", reason
