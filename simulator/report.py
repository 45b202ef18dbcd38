"""What happened, for people: pulled objects as a table, from the JSON of `manage.py pull --json`, and the news."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COLUMNS = ("received", "taken", "new", "changed", "unchanged", "stale", "repaired", "refused")
FEW = 5  # parties, up to which each has a line
REASONS = 10  # kinds of refusal that are shown
NAMED = 3  # ids that are named with each
SWITCHED_OFF = re.compile(r"the repair (\S+) is switched off")


def lines(pulls: Sequence[dict[str, Any]], command: str = "manage.py") -> Iterator[str]:
    """`command` is how the hub's management commands are called here."""
    yield row("party", {name: name for name in COLUMNS})
    if len(pulls) <= FEW:
        for pull in pulls:
            yield row(pull["party"], counts(pull))
    if len(pulls) != 1:
        totals = [counts(pull) for pull in pulls]
        yield row(f"all {len(pulls)}", {name: sum(total[name] for total in totals) for name in COLUMNS})
    for pull in pulls:
        if pull["state"] == "failed":
            yield f"  failed: {pull['party']}: {pull['error']}"
    yield from repairs(pulls)
    yield from refusals(pulls)
    yield from remedies(pulls, command)


def row(title: str, cells: Mapping[str, Any]) -> str:
    return "  ".join([f"{title:6}", *(f"{cells[name]:>9}" for name in COLUMNS)])


def counts(pull: dict[str, Any]) -> dict[str, int]:
    return {**{name: pull.get(name, 0) for name in COLUMNS}, "taken": pull["received"] - pull["refused"]}


def repairs(pulls: Sequence[dict[str, Any]]) -> Iterator[str]:
    counts: dict[str, int] = defaultdict(int)
    for pull in pulls:
        for rule, count in (pull.get("repairs") or {}).items():
            counts[rule] += count
    for rule, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        yield f"  repaired {count:>7} times: {rule}"


def refusals(pulls: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each reason once, with how often and for whom; the same field at another place is the same reason."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for pull in pulls:
        for refusal in pull.get("refusals") or ():
            groups[re.sub(r"\[\d+\]", "[]", refusal["reason"])].append(refusal)
    found = sorted(groups.values(), key=len, reverse=True)
    for group in found[:REASONS]:
        named = ", ".join(str(refusal["id"]) for refusal in group[:NAMED])
        more = f" and {len(group) - NAMED} more" if len(group) > NAMED else ""
        yield f"  refused  {len(group):>7} times: {group[0]['reason']} ({named}{more})"
    if len(found) > REASONS:
        yield f"  and {len(found) - REASONS} other reasons"


def remedies(pulls: Sequence[dict[str, Any]], command: str) -> Iterator[str]:
    """The commands that switch on what would have mended refused objects, each once."""
    found = {
        (pull["platform_id"], rule): None
        for pull in pulls
        for refusal in pull.get("refusals") or ()
        for rule in SWITCHED_OFF.findall(refusal["reason"])
    }
    for platform, rule in found:
        yield f"  switch {rule} on: {command} repairs --platform {platform} --enable {rule}"


def news(cpo: dict[str, Any], emsp: dict[str, Any], before: int) -> str:
    text = f"{cpo['changes'] - before} status changes"
    if cpo["last_change"]:
        text += f", the latest {cpo['last_change']}"
    pushes = cpo["pushes"]
    text += f"; pushes: {pushes['sent']} sent by the CPO, {emsp['pushes_received']} received by the eMSP"
    if pushes["pending"] or pushes["refused"]:
        text += f", {pushes['pending']} waiting, {pushes['refused']} refused"
    if cpo["errors"]:
        text += f"; the CPO says: {cpo['errors'][-1]['error']}"
    return text
