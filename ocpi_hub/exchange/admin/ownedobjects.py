"""The page of every Client Owned Object, which modules inherit."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Case, DecimalField, Model, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.journeys import address_of as journeys_of
from ocpi_hub.exchange.admin.journeys import may_follow
from ocpi_hub.exchange.admin.pages import ReadOnlyAdmin, link, list_link, pretty, table
from ocpi_hub.exchange.admin.questions import may_ask, question_about
from ocpi_hub.exchange.explaining import whynot
from ocpi_hub.exchange.explaining.whynot import Answer, Urgency
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.objects.findings import plain
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners.models import Platform

MOST_ANSWERS = 20  # lines of "who has it" that are shown unasked
_HIDDEN = {
    "document", "received", "digest", "inserted_in", "owner_key", "key", "findings", "owners_document",
}  # fmt: skip
_OF_THE_VANISHED = {"vanished", "owners_update"}


class Repaired(admin.SimpleListFilter):
    title = "repaired"
    parameter_name = "repaired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "came broken, was repaired"), ("no", "as its owner sent it")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return (
            queryset.filter(received__isnull=self.value() == "no")
            if self.value() in ("yes", "no")
            else queryset
        )


class Doubtful(admin.SimpleListFilter):
    title = "findings"
    parameter_name = "findings"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "something looks wrong"), ("no", "nothing does")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.exclude(findings=[])
        return queryset.filter(findings=[]) if self.value() == "no" else queryset


def number(field: "DecimalField[Any, Any]") -> Callable[[Any], str]:
    """A column that shows a number as people write it, and its unit in its head."""
    unit = f" ({field.help_text})" if field.help_text else ""

    @admin.display(description=f"{field.verbose_name}{unit}", ordering=field.name)
    def shown(row: Any) -> str:
        value = getattr(row, field.name)
        return "" if value is None else plain(value)

    return shown


class OwnedObjectAdmin(ReadOnlyAdmin):
    """The base of every Client Owned Object's page; modules add their columns to `columns`."""

    columns: tuple[str, ...] = ()
    list_filter: Any = [
        "country_code", "party_id", Doubtful, ("missing_since", admin.EmptyFieldListFilter), Repaired, "source",
    ]  # fmt: skip
    search_fields: Any = ["object_id__istartswith"]
    list_select_related = ["source"]
    exclude = ["document", "received", "owners_document"]
    change_form_template = "admin/exchange/object_form.html"

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        # Django would show each of the twenty decimals that such a column holds.
        fields = [field for field in model._meta.fields if isinstance(field, DecimalField)]
        self.numbers = {field.name: f"plain_{field.name}" for field in fields}
        for field in fields:
            setattr(self, self.numbers[field.name], number(field))

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = [self.numbers.get(name, name) for name in self.columns]
        return ["object_id", "owner", *columns, "last_updated", "missing_since", "repaired", "doubts"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Lists do not need the documents, which are by far the largest column.
        was_repaired = Case(When(received=None, then=Value("")), default=Value("repaired"))
        return (
            super()
            .get_queryset(request)
            .annotate(was_repaired=was_repaired)
            .defer("document", "received", "owners_document")
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = _HIDDEN if self.model.says_what_is_gone() else _HIDDEN | _OF_THE_VANISHED
        fields = [field.name for field in self.model._meta.fields if field.name not in hidden]
        names = [self.numbers.get(name, name) for name in fields]
        return [
            "what_looks_wrong",
            "who_has_it",
            "deliveries",
            *names,
            "as_sent",
            "owners_version",
            "before_repairs",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj and obj.id_field and may_ask(request.user):
            context["question"] = question_about(obj)
        if obj and obj.id_field and may_follow(request.user):
            context["journeys"] = journeys_of(f"{obj.module}/{obj.own_address.parent.path}")
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    @admin.display(description="owner", ordering="owner_key")
    def owner(self, row: OwnedObject) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description="repaired", empty_value="", ordering="was_repaired")
    def repaired(self, row: Any) -> str:
        return str(row.was_repaired)

    @admin.display(description="findings", empty_value="")
    def doubts(self, row: OwnedObject) -> Any:
        """How many; the first of them shows under the pointer."""
        return (
            format_html('<span title="{}">{}</span>', row.findings[0], len(row.findings))
            if row.findings
            else ""
        )

    @admin.display(description="findings")
    def what_looks_wrong(self, row: OwnedObject) -> SafeString:
        """What the hub takes all the same."""
        return table((sentence,) for sentence in row.findings)

    @admin.display(description="document")
    def as_sent(self, row: OwnedObject) -> SafeString:
        return pretty(row.document)

    @admin.display(description="its owner's last version, while the hub says that it vanished")
    def owners_version(self, row: OwnedObject) -> SafeString:
        return pretty(row.owners_document)

    @admin.display(description="as it came, before repairs")
    def before_repairs(self, row: OwnedObject) -> SafeString:
        return pretty(row.received)

    @admin.display(description="who has it")
    def who_has_it(self, row: OwnedObject) -> SafeString:
        """Why did this object not reach this partner: a line for each, of many only where something is wrong."""
        answers = sorted(whynot.answers(row), key=lambda found: found[1].urgency)  # by name within each
        if len(answers) <= MOST_ANSWERS:
            return table(map(_answer, answers))
        wrong = sum(answer.urgency < Urgency.NOT_SENT for _, answer in answers)
        shown = min(wrong, MOST_ANSWERS)
        return format_html(
            "{}<details><summary>{}</summary>{}</details>",
            table(map(_answer, answers[:shown])) if shown else "",
            _counted(answer for _, answer in answers[shown:]),
            table(map(_answer, answers[shown:])),
        )

    @admin.display(description="deliveries")
    def deliveries(self, row: OwnedObject) -> SafeString:
        filters = {"module": row.module, "message__parent_key": row.own_address.key}
        return list_link(Delivery, "all deliveries of this object", **filters)


def _answer(found: tuple[Platform, Answer]) -> tuple[Any, ...]:
    platform, answer = found
    row = answer.delivery
    word = link("exchange_delivery", row.pk, answer.word) if row else answer.word
    return link("partners_platform", platform.pk, platform), word, answer.text


def _counted(answers: Iterable[Answer]) -> str:
    """Such as "297 more: 280 delivered, 17 not sent"."""
    counts = Counter(answer.word for answer in answers)
    each = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"{counts.total()} more: {each}"
