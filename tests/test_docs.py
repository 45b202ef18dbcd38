"""The documents are true where a test can tell: settings and their defaults, commands and their options, links."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from ocpi_hub.exchange.objects.ownedobject import OwnedObject

ROOT = Path(settings.BASE_DIR)
OPERATING = (ROOT / "docs" / "operating.md").read_text()
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("tests/*.md"),
    *ROOT.glob("benchmarks/*.md"),
]
READERS = {"_env", "_list", "_number", "_flag"}  # of settings.py
READ_ELSEWHERE = {
    "WEB_PROCESSES",
    "SENTRY_ENVIRONMENT",
    "SENTRY_RELEASE",
}  # server.py, and the library of Sentry
COMMANDS = {
    name: load_command_class(app, name) if isinstance(app, str) else app
    for name, app in get_commands().items()
    if not str(app).startswith(("django", "rest_framework"))
}
OF_EVERY_COMMAND = {
    option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings
}


# -------------------------------------------------------------------------------------------------- settings
def defaults() -> dict[str, str | None]:
    """Every variable that settings.py reads; None where its default is no plain value."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse((ROOT / "ocpi_hub" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READERS:
            name, *more = node.args
            if isinstance(name, ast.Constant):
                default = more[0] if more else ast.Constant("")
                known = isinstance(default, ast.Constant)
                found[name.value] = str(default.value) if known else found.get(name.value)
    return {name: {"True": "1", "False": "0"}.get(str(value), value) for name, value in found.items()}


def documented() -> dict[str, str]:
    """Variables of the tables of operating.md, with the default that is given there; empty where there is none."""
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|", OPERATING, re.MULTILINE):
        names, values = (re.findall(r"`([^`]+)`", cell) for cell in row)
        alone = re.sub(r"[`,\w\s.:/$-]", "", row[1]) == "" and len(names) == len(values)
        found |= dict(zip(names, values if alone else [""] * len(names), strict=True))
    kept = re.findall(r"`(HUB_\w+_DAYS)`, (\d+)", OPERATING)
    return found | dict(kept)


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    told = {name for name in documented() if re.fullmatch(r"[A-Z_]+", name)}
    mentioned = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", OPERATING))

    assert defaults().keys() - told - mentioned == set()
    assert told - defaults().keys() - READ_ELSEWHERE == set()
    assert {name for name in mentioned if name.startswith("HUB_")} - defaults().keys() == set()


def test_defaults_are_what_the_documents_say() -> None:
    told = documented()

    wrong = {
        name: (told[name], default)
        for name, default in defaults().items()
        if default and told.get(name) and told[name] != default
    }

    assert wrong == {}
    assert told["HUB_RETRY_SCHEDULE"] == ",".join(map(str, settings.DEFAULT_RETRY_SCHEDULE))
    days = settings.DEFAULT_JOURNAL_DAYS.items()
    assert told["HUB_JOURNAL_DAYS"] == ",".join(f"{kind}:{count}" for kind, count in days)
    assert told["HUB_PROOF_HOUR"] == defaults()["HUB_PROOF_HOUR"] == "2"
    assert told["HUB_PROOF_KEPT_DAYS"] == defaults()["HUB_PROOF_KEPT_DAYS"] == "400"


# -------------------------------------------------------------------------------------------------- commands
def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        says_nothing_new = action.nargs == 0 and getattr(action, "const", None) == action.default
        if not says_nothing_new:
            yield from (option for option in action.option_strings if option not in OF_EVERY_COMMAND)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_each_of_its_options(name: str) -> None:
    known = set(options(COMMANDS[name].create_parser("manage.py", name)))

    assert f"manage.py {name}" in OPERATING
    assert {option for option in known if not re.search(rf"{option}\b", OPERATING)} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_a_document_names_are_there_with_their_options(path: Path) -> None:
    wrong = []
    for name, rest in re.findall(r"manage\.py ([a-z]+)((?:(?!manage\.py)[^`\n#])*)", path.read_text()):
        if name not in COMMANDS:
            wrong += [name] if name not in get_commands() else []
            continue
        parser = COMMANDS[name].create_parser("manage.py", name)
        known = {option for action in parser._actions for option in action.option_strings}
        wrong += [
            f"{name} {option}" for option in re.findall(r"(?<![\w-])--[a-z-]+", rest) if option not in known
        ]

    assert wrong == []


# ----------------------------------------------------------------------------------------------------- links
def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_the_tree_that_a_document_names_are_there(path: Path) -> None:
    """Such as `docs/operating.md`; the module `things` is the example of adding-a-module.md."""
    named = re.findall(r"`((?:ocpi_hub|docs|tests|simulator|benchmarks)/[\w./-]+)`", path.read_text())

    assert [name for name in named if "things" not in name and not (ROOT / name).exists()] == []


def test_every_attribute_of_a_module_is_in_the_table_for_whoever_adds_one() -> None:
    rows = re.findall(r"^   \| (`.*?) \|", (ROOT / "docs" / "adding-a-module.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)(?:\(\))?`", row)}

    missing = {name for name, kind in OwnedObject.__annotations__.items() if "ClassVar" in str(kind)} - told

    assert missing == set()
    assert {
        name for name in told if not hasattr(OwnedObject, name) and name not in OwnedObject.__annotations__
    } == set()


def test_the_tree_of_the_architecture_is_that_of_the_files() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    above: list[tuple[int, str]] = []
    missing, count = [], 0
    for line in text[: text.index("Imports point down")].splitlines():
        found = re.match(r"( {4,})((?:[\w/]+(?:\.py|/) ?)+)", line)
        if not found:
            continue
        while above and above[-1][0] >= len(found[1]):
            above.pop()
        names, folder = found[2].split(), ROOT.joinpath(*(name for _, name in above))
        missing += [f"{folder.name}/{name}" for name in names if not (folder / name).exists()]
        count += len(names)
        if names[0].endswith("/"):
            above.append((len(found[1]), names[0]))

    assert missing == []
    assert count > 80
