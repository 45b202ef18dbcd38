"""What became of pulled objects, as a table for people, from the JSON of `manage.py pull --json`."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

COLUMNS = ("received", "taken", "new", "changed", "unchanged", "stale", "repaired", "refused")
REASONS = 10  # kinds of refusal that are shown
NAMED = 3  # ids that are named with each


def lines(pulls: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "  ".join(["party ", *(f"{name:>9}" for name in COLUMNS)])
    for pull in pulls:
        counts = {**pull, "taken": pull["received"] - pull["refused"]}
        yield "  ".join([f"{pull['party']:6}", *(f"{counts[name]:>9}" for name in COLUMNS)])
        if pull["state"] == "failed":
            yield f"  failed: {pull['error']}"
    yield from repairs(pulls)
    yield from refusals(pulls)


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
