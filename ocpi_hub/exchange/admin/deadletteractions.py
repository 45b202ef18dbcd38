"""What was done about dead letters, by whom, and what has become of them since."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.deadletters import SHORT_STATES
from ocpi_hub.exchange.admin.pages import ReadOnlyAdmin, link, short, table
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, DeadLetterEntry

State = DeadLetter.State

MOST_ENTRIES = 200  # shown of one action


def became(actions: Iterable[DeadLetterAction]) -> dict[int, Counter[str | None]]:
    """The states of the letters of each action; None for those that are deleted by age."""
    found: dict[int, Counter[str | None]] = {action.pk: Counter() for action in actions}
    state = Subquery(DeadLetter.objects.filter(pk=OuterRef("letter_id")).values("state"))
    entries = DeadLetterEntry.objects.filter(action__in=found).order_by().annotate(state=state)
    for action, name, count in entries.values_list("action", "state").annotate(Count("pk")):
        found[action][name] = count
    return found


class ByWhom(admin.AllValuesFieldListFilter):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.title = "who"


class ByDay(admin.DateFieldListFilter):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.title = "day"


@admin.register(DeadLetterAction)
class DeadLetterActionAdmin(ReadOnlyAdmin):
    list_display = ["at", "by", "what", "which", "letters", "progress", "said"]
    list_filter = ["what", ("by", ByWhom), ("at", ByDay)]
    search_fields = ["note", "by__iexact", "chosen"]
    search_help_text = "a word of the note, or who it was"
    fields = ["at", "by", "what", "chosen", "note", "letters", "progress", "entries"]
    readonly_fields = ["letters", "progress", "entries"]

    def look_up(self, rows: list[DeadLetterAction]) -> None:
        """How many letters each was about, and in which states they are now."""
        found = became(rows)
        for row in rows:
            row.now = found[row.pk]  # type: ignore[attr-defined]  # noted for the columns

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row:
            self.look_up([row])
        return row

    @admin.display(description="which", ordering="chosen")
    def which(self, row: DeadLetterAction) -> SafeString:
        return short(row.chosen)

    @admin.display(description="note")
    def said(self, row: DeadLetterAction) -> SafeString:
        return short(row.note)

    @admin.display(description="letters")
    def letters(self, row: Any) -> int:
        return int(row.now.total())

    @admin.display(description="now they are")
    def progress(self, row: Any) -> str:
        """How many of them have come to an end; those that are deleted by age had one."""
        names = {**SHORT_STATES, State.OPEN: "given up again", None: "deleted by age"}
        return ", ".join(f"{row.now[state]} {name}" for state, name in names.items() if row.now[state])

    @admin.display(description="which they are")
    def entries(self, row: DeadLetterAction) -> SafeString:
        found = list(row.entries.order_by("id")[:MOST_ENTRIES])
        there = DeadLetter.objects.in_bulk([entry.letter_id for entry in found])
        lines = (
            (
                link("exchange_deadletter", entry.letter_id, f"letter {entry.letter_id}")
                if entry.letter_id in there
                else f"letter {entry.letter_id}",
                entry.to_party,
                entry.module,
                entry.cause,
                entry.get_became_display(),
                SHORT_STATES[State(there[entry.letter_id].state)]
                if entry.letter_id in there
                else "deleted by age",
            )
            for entry in found
        )
        return table(lines, "letter", "to", "module", "cause", "what was done", "now")
