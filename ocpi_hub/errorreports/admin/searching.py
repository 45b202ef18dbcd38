"""How an operator finds a report: by what happened, who must act, and what was meant by a search."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from ocpi_hub.errorreports.kinds import KINDS, Who
from ocpi_hub.errorreports.models import ErrorReport, Occurrence
from ocpi_hub.partners.models import Party


class ByKind(admin.SimpleListFilter):
    title = "what happened"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reports = ErrorReport.objects.order_by("kind").distinct("kind")
        return sorted(((row.kind, str(row)) for row in reports), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[ErrorReport]) -> QuerySet[ErrorReport]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class ByWho(admin.SimpleListFilter):
    title = "who must act"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(who.name, who.value) for who in Who]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ErrorReport]) -> QuerySet[ErrorReport]:
        if self.value() not in Who.__members__:
            return queryset
        return queryset.filter(
            kind__in=[kind.name for kind in KINDS.values() if kind.who.name == self.value()]
        )


def found(term: str) -> Q:
    """What a search for reports looks for."""
    titled = [kind.name for kind in KINDS.values() if term.lower() in kind.title.lower()]
    failures = Occurrence.objects.filter(
        Q(correlation_id=term) | Q(request_id=term) | Q(subject__icontains=term) | Q(party__iexact=term)
    )
    return (
        Q(kind__in=titled)
        | Q(text__icontains=term)
        | Q(subject__icontains=term)
        | Q(party__iexact=term)
        | Q(platform__name__icontains=term)
        | Q(platform__in=Party.objects.filter(key__iexact=term.replace("-", "*")).values("platform"))
        | Q(pk__in=failures.order_by().values("report"))
    )
