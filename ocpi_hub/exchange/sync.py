"""Pull a partner's Sender list, page by page, into the store (transport_and_format.asciidoc, Pull; PAG rows).

One bad object is a row in the list of refused objects, never the end of the run. Two pulls of one list do not
run at once. An incremental pull starts some time before the last one began (HUB_PULL_OVERLAP), because objects
may reach their server late; a full one also notes what its owner no longer lists.
"""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ocpi_hub import metrics
from ocpi_hub.exchange import missing, outbox, refusals, store, upserts
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.partnerlists import PartnerList, PullFailed
from ocpi_hub.exchange.pulledobjects import Taken, clash, content_of, mark_of, name_of, second
from ocpi_hub.exchange.repairs import RepairTable
from ocpi_hub.exchange.routing import is_known
from ocpi_hub.exchange.verdicts import masked
from ocpi_hub.partners.models import Endpoint, Party, Platform
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, check, normalise_times, parse
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

FIRST_PULL_WITHIN = timedelta(seconds=30)  # of the registration; else the sweep begins it
ABANDONED_AFTER = timedelta(minutes=5)  # without a page: whoever ran the pull is gone
CHUNK = 200  # objects stored in one transaction, so that none is open for long
MOST_PAGES = 20_000  # of one list
MOST_REFUSED = 1_000  # objects of one run; after that the list is no list of such objects
MOST_LOGGED = 20  # refusals of one run that get a line in the log

Progress = Callable[[Pull, int | None], None]


class Report(NamedTuple):
    """A pull, and what cannot be counted in its row."""

    pull: Pull
    repairs: dict[str, int]
    refusals: list[dict[str, str]]

    @property
    def read_nothing(self) -> bool:
        """Not even the first page, so that it may be tried again at once."""
        return self.pull.state == Pull.State.FAILED and self.pull.pages == 0


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


def never_pulled(now: datetime) -> list[tuple[int, str]]:
    """(platform id, module) of lists that nobody has begun to read a while after the registration.

    The registration asks for that by a task, which is lost when Redis is away.
    """
    models = {name: model for name, model in owned_models().items() if model.pulled}
    begun = Pull.objects.filter(platform=OuterRef("platform"), module=OuterRef("module"))
    waiting = Endpoint.objects.filter(
        ~Exists(begun),
        role=Endpoint.Role.SENDER,
        module__in=models,
        platform__in=Platform.objects.registered().filter(connected_at__lt=now - FIRST_PULL_WITHIN),
    )
    return [
        (row.platform_id, row.module)
        for row in waiting.select_related("platform")
        if row.platform.party_with([models[row.module].owner_role])
    ]


def request_pulls(platform: Platform, *, full: bool = False, since: datetime | None = None) -> None:
    """Ask the workers to pull all that this platform offers."""
    from ocpi_hub.exchange import doorbell

    for _, module in sources(platform.pk):
        doorbell.ask_for_pull(platform.pk, module, full, since.isoformat() if since else None)


def pull_platform(
    platform_id: int,
    module: str,
    *,
    full: bool = False,
    since: datetime | None = None,
    progress: Progress | None = None,
) -> list[Report]:
    """Pull one module of one platform, once for each of its parties, addressed by OCPI-to (interpretations, P28)."""
    model = owned_models()[module]
    found = [platform for platform, _ in sources(platform_id, module)]
    if not found:
        return []
    reports: list[Report] = []
    seen_owners: set[str] = set()
    for party in found[0].parties.own().filter(roles__contains=[model.owner_role]):
        if party.key in seen_owners:
            continue  # the partner answers for all its parties at once
        run = _Run(found[0], model, party, full=full, since=since, progress=progress)
        reports.append(run.execute())
        seen_owners |= run.owners
    return reports


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
        if self.full and (back := model.asked_back_to()):
            self.date_from = timezone.now() - back
        self.ids = MessageIDs.new()
        self.list = PartnerList(platform, model.module, party, self.ids, routed=model.routed)
        self.repairs = RepairTable(platform, model)
        self.refusals: list[dict[str, str]] = []
        self.owners: set[str] = {party.key}
        self.seen: list[int] = []
        self.refused: set[str] = set()  # keys of what was listed and could not be taken
        self.known: dict[str, bool] = {}
        self.for_others: Counter[str] = Counter()  # objects for parties that the hub does not know
        # Objects that must not change, and came with other content or for another party.
        self.contradicted: set[tuple[str, ...]] = set()
        self.allowed = set(
            platform.parties.own().filter(roles__contains=[model.owner_role]).values_list("key", flat=True)
        )

    def execute(self) -> Report:
        pull = self._begin()
        if pull.state == Pull.State.RUNNING:
            try:
                self._crawl(pull)
            except PullFailed as failure:
                pull.state, pull.error = Pull.State.FAILED, str(failure)
                logger.warning("%s stopped: %s", pull, failure)
            except Exception as error:
                error_text = f"a fault of the hub: {type(error).__name__}"
                Pull.objects.filter(pk=pull.pk).update(
                    state=Pull.State.FAILED, error=error_text, finished_at=timezone.now()
                )
                pull.state = Pull.State.FAILED
                self._measure(pull)
                raise
            else:
                pull.state = Pull.State.DONE
                if pull.full and pull.date_from is None and not self.model.hearsay:
                    missing.note(
                        self.model,
                        self.platform,
                        pull,
                        owners=self.owners,
                        seen=self.seen,
                        refused=self.refused,
                        ids=self.ids,
                    )
            pull.finished_at = timezone.now()
            pull.save()
            self._measure(pull)
        self._note_others()
        return Report(pull, self.repairs.save(), self.refusals)

    def _measure(self, pull: Pull) -> None:
        metrics.pulls.labels(
            str(self.platform.pk), self.platform.name, pull.module, str(pull.state).lower()
        ).inc()

    def _begin(self) -> Pull:
        """A running row, or a failed one that is not saved when the same list is being pulled already."""
        mine = Q(platform=self.platform, module=self.model.module, party=self.party.key)
        now = timezone.now()
        with transaction.atomic():
            running = Pull.objects.filter(
                mine, state=Pull.State.RUNNING, touched_at__lt=now - ABANDONED_AFTER
            )
            # One that is being saved at this moment lives.
            abandoned = list(running.select_for_update(skip_locked=True))
            Pull.objects.filter(pk__in=[row.pk for row in abandoned]).update(
                state=Pull.State.FAILED, error="the process that ran it ended", finished_at=now
            )
        pull = Pull(
            platform=self.platform,
            module=self.model.module,
            party=self.party.key,
            full=self.full,
            date_from=self.date_from,
            started_at=now,
            touched_at=now,
        )
        try:
            with transaction.atomic():
                pull.save()
        except IntegrityError:
            pull.state, pull.error = Pull.State.FAILED, "the same list is being pulled already"
        return pull

    def _crawl(self, pull: Pull) -> None:
        for documents, total in self.list.pages(self.date_from):
            for start in range(0, len(documents), CHUNK):
                self._store_chunk(pull, documents[start : start + CHUNK])
            pull.pages += 1
            self._touch(pull)
            if self.progress:
                self.progress(pull, total)
            if pull.pages == MOST_PAGES:
                raise PullFailed(f"page {pull.pages}: the list does not end")

    def _store_chunk(self, pull: Pull, documents: list[bytes]) -> None:
        with transaction.atomic():
            self._store(pull, documents)
            self._touch(pull)
        if pull.refused - self.for_others.total() > MOST_REFUSED:
            raise PullFailed(
                f"page {pull.pages + 1}: more than {MOST_REFUSED} objects are refused, the last ones too"
            )

    def _touch(self, pull: Pull) -> None:
        """Save the counts and that the run lives, unless another took over."""
        pull.touched_at = timezone.now()
        with transaction.atomic():
            if not Pull.objects.select_for_update().filter(pk=pull.pk, state=Pull.State.RUNNING).exists():
                raise PullFailed(f"page {pull.pages + 1}: it took so long that another pull took over")
            pull.save()

    # ------------------------------------------------------------------------------------------- storing
    def _store(self, pull: Pull, documents: list[bytes]) -> None:
        """Store a page; what is new or changed is published, what cannot be taken is written down."""
        taken: dict[tuple[str, ...], Taken] = {}
        first: dict[tuple[str, ...], Taken] = {}
        for document in documents:
            pull.received += 1
            item = self._take(pull, document)
            if item is None:
                continue
            if reason := second(self.model, item, first.setdefault(item.mark[:-1], item)):
                self._contradict(pull, item, reason)
            else:
                taken[item.mark] = item
        present = self._present(list(taken.values()))
        news = [item for item in taken.values() if self._is_news(pull, item, present)]
        self._keep(pull, news)
        whole = [name for mark, item in taken.items() if mark not in self.contradicted for name in item.names]
        refusals.forget(self.platform, self.model.module, whole)

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
        self.owners.add(owner.key)
        address, audience = self.model.place_of(wire, self.party.key)
        if audience and not self.model.hearsay and not self._knows(audience):
            self.for_others[audience] += 1
            pull.refused += 1
            return None
        pull.repaired += received is not None
        return Taken(address, incoming, store.digest_of(raw), received, audience)

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

    def _is_news(self, pull: Pull, item: Taken, present: dict[tuple[str, ...], OwnedObject]) -> bool:
        """Whether its content is to be stored; counts it when not."""
        row = present.get(item.mark)
        if row is not None:
            self.seen.append(row.pk)
            if row.missing_since:
                self.model.objects.filter(pk=row.pk).update(missing_since=None)
        if reason := clash(self.model, item, present):
            self._contradict(pull, item, reason)
            return False
        if row is None:
            return True
        if row.deleted_at and row.deleted_at >= pull.started_at:
            pull.stale += 1  # its page may be older than the DELETE
            return False
        if row.deleted_at:
            return True
        if store.is_newer(row.last_updated, upserts.aware(item.incoming.wire.last_updated)):
            pull.stale += 1
            return False
        if content_of(row) == item.digest:
            pull.unchanged += 1
            if not row.digest:
                self.model.objects.filter(pk=row.pk).update(digest=item.digest)
            return False
        return True

    def _contradict(self, pull: Pull, item: Taken, reason: str) -> None:
        document = item.incoming.document.encode()
        self._refuse(pull, parse(document), document, reason)
        self.contradicted.add(item.mark)

    def _keep(self, pull: Pull, news: list[Taken]) -> None:
        """Store, count and publish."""
        writings = [
            upserts.Writing(item.address, item.incoming, item.digest, item.received, item.audience)
            for item in news
        ]
        messages = []
        stored = upserts.save_many(self.model, writings, self.platform)
        for item, result in zip(news, stored, strict=True):
            if result.stale:
                pull.stale += 1
                continue
            self.seen.append(result.row_id)
            pull.new += result.created
            pull.changed += not result.created
            messages.append(
                outbox.message(self.model, item.address, result, self.platform, self.ids, bulk=True)
            )
        if not self.model.hearsay:
            outbox.publish_many(messages)

    def _refuse(self, pull: Pull, raw: Any, document: bytes, reason: str) -> None:
        pull.refused += 1
        token = self.platform.token
        reason = masked(reason, token)
        name = masked(name_of(raw, self.model), token)
        if isinstance(raw, dict):
            self.refused.add(str(raw.get(self.model.id_field)).upper())
        self.refusals.append({"id": name, "reason": reason})
        refusals.note(self.platform, self.model.module, name, reason, document)
        if pull.refused <= MOST_LOGGED:
            logger.warning("%s %s of %s is refused: %s", self.model.module, name, self.party, reason)

    def _note_others(self) -> None:
        """One line for each party that the hub does not know; what was listed for it is not kept."""
        for audience, count in self.for_others.items():
            reason = (
                f"{count} in the last list belong to {audience}, and this hub knows no such party: not kept"
            )
            name = f"all for {audience}"
            self.refusals.append({"id": name, "reason": reason})
            refusals.note(self.platform, self.model.module, name, reason, b"", times=count)
            logger.warning("%s of %s: %s", self.model.module, self.party, reason)
