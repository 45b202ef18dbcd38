"""What pages of the admin have in common: rows that nobody edits, short cells, small tables, links."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

LONGEST_CELL = 40  # characters of a list's cell


class Page(ChangeList):
    """Of a list; its admin looks up at once what all of its rows need."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.model_admin.look_up(list(self.result_list))


class CompactAdmin(admin.ModelAdmin):
    """Lists of low rows, so that their columns fit on a screen beside the menu and the filters."""

    list_per_page = 50

    class Media:
        css = {"all": ["exchange/compact.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Page

    def look_up(self, rows: list[Any]) -> None:
        """Notes on the rows of a page what no column of theirs has: by one query for all, not by one for each."""


class ReadOnlyAdmin(CompactAdmin):
    """Rows that the hub writes and nobody edits."""

    show_full_result_count = False  # counting millions of rows would slow every page down

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def pretty(text: str | None) -> SafeString:
    """JSON indented for reading, whatever is no JSON as it is."""
    if not text:
        return format_html("<em>{}</em>", "none")
    with suppress(msgspec.DecodeError, RecursionError):
        # Numbers and escapes stay as they came: 1.10 is not 1.1, and half a character can be shown only so.
        text = msgspec.json.format(text, indent=2)
    return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', text)


def short(text: str, length: int = LONGEST_CELL) -> SafeString:
    """The beginning of a long text; the whole of it shows under the pointer."""
    if len(text) <= length:
        return format_html("{}", text)
    return format_html('<span title="{}">{}…</span>', text, text[: length - 1].rstrip())


def link(viewname: str, pk: object, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{viewname}_change", args=[pk]), text)


def list_link(model: type[Model], text: object, **filters: object) -> SafeString:
    """To the list of the model's rows that the filters leave."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)


def table(rows: Iterable[tuple[Any, ...]], *heads: str) -> SafeString:
    """Rows as a small table; without heads, a plain one."""
    lines = [
        (format_html_join("", '<td style="padding: 0 1em 2px 0; border: 0">{}</td>', ((c,) for c in row)),)
        for row in rows
    ]
    if not lines:
        return format_html("<em>{}</em>", "none")
    head = format_html_join("", '<th style="padding: 0 1em 2px 0">{}</th>', ((name,) for name in heads))
    return format_html(
        "<table>{}{}</table>",
        format_html("<tr>{}</tr>", head) if heads else "",
        format_html_join("", "<tr>{}</tr>", lines),
    )
