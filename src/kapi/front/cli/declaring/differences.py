"""Differences between what there is and what files declare, as unified diffs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any

from kapi.dataclass import dataclass
from kapi.front.cli.declaring.entries import API, Entry
from kapi.front.cli.declaring.writing import yaml_text


def differences(
    objects: Sequence[Mapping[str, Any]], entries: Sequence[Entry]
) -> Iterator[str]:
    """The unified diff of each object that differs, with its file and line."""
    for item in objects:
        if item["status"] == "unchanged":
            continue
        name, after = f"{item['kind']}/{item['name']}", "removed"
        if "object" in item:
            after = entries[item["object"]].place
        yield from _of_object(name, after, item)


def _of_object(name: str, place: str, item: Mapping[str, Any]) -> Iterator[str]:
    before, after = item.get("before") or {}, item.get("after") or {}
    headings = _Headings("(not there)", f"({place})")
    if before:
        headings = _Headings("(platform)", f"({place})")
    if item["status"] == "pruned":
        yield f"--- {name}\t(platform)\n+++ {name}\t(removed)\n"
    elif item["kind"] == API:
        for part in ("conf", "definition"):
            yield from headings.diff(
                f"{name}/{part}", before.get(part, ""), after.get(part, "")
            )
    else:
        yield from headings.diff(name, _text(before), _text(after))


@dataclass(frozen=True, slots=True)
class _Headings:
    """What the headings of a diff say of both sides."""

    before: str
    after: str

    def diff(self, name: str, before: str, after: str) -> Iterator[str]:
        """The lines of a unified diff of two texts."""
        texts = (before.splitlines(), after.splitlines())
        for line in unified_diff(
            *texts, name, name, self.before, self.after, lineterm=""
        ):
            yield line + "\n"


def _text(document: Mapping[str, Any]) -> str:
    if not document:
        return ""
    return yaml_text([document])
