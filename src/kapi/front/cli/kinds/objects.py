"""Lists, finds, shows and deletes the objects of a kind, over the system APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kapi.errors import Problem
from kapi.front.cli.kinds.rows import moment
from kapi.front.cli.output import Format, put, say, show, table

if TYPE_CHECKING:
    from kapi.front.cli.client import Client
    from kapi.front.cli.kinds.table import Kind

_MOST_SUGGESTED = 3
_MOST_OF_PAGE = 1000
_MOST_OF_PAGES = 10_000
_TIMES = ("At", "_at")
"""Ends of the names of members that are times."""


class Form(StrEnum):
    """Output formats of `kapi get`: those of all commands, and two for objects."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    WIDE = "wide"


def answered(kind: Kind, client: Client) -> dict[str, Any]:
    """The answer with all objects of a kind."""
    if kind.in_pages:
        return pages(kind, client, {}, _MOST_OF_PAGES)
    value = client.call("GET", kind.path, scope=kind.scope)
    if kind.name == "node":
        _add_states(value)
    for item in value[kind.member]:
        for name in kind.addresses:
            item[name] = list(map(client.server.shown, item[name]))
    return value


def pages(
    kind: Kind, client: Client, sought: Mapping[str, str], most: int
) -> dict[str, Any]:
    """At most `most` objects, as one answer. `sought` are parameters of the requests.

    Its `next` is empty if these are all.
    """
    found: list[dict[str, Any]] = []
    after = ""
    while len(found) < most:
        value = _page(kind, client, sought, most - len(found), after)
        found += value[kind.member]
        after = value["next"]
        if not after:
            break
    return {kind.member: found, "next": after}


def each(
    kind: Kind, client: Client, sought: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Every object of a kind that answers in pages; an object may be deleted meanwhile."""
    after = ""
    while True:
        value = _page(kind, client, sought, _MOST_OF_PAGE, after)
        yield from value[kind.member]
        after = value["next"]
        if not after:
            return


def _page(
    kind: Kind, client: Client, sought: Mapping[str, str], most: int, after: str
) -> dict[str, Any]:
    limit = str(min(most, _MOST_OF_PAGE))
    query = urlencode({**sought, "limit": limit, "after": after})
    return client.call("GET", f"{kind.path}?{query}", scope=kind.scope)


def _add_states(value: dict[str, Any]) -> None:
    """Say of each node whether it has the newest change."""
    for node in value["nodes"]:
        node["state"] = "away"
        if node["alive"]:
            node["state"] = "current" if node["change"] >= value["change"] else "behind"


def show_all(kind: Kind, client: Client, output: Format | Form) -> None:
    """Print all objects of a kind."""
    show_answer(kind, answered(kind, client), output)


def show_answer(kind: Kind, value: dict[str, Any], output: Format | Form) -> None:
    """Print the objects of an answer."""
    items = value[kind.member]
    if not items and output in {"table", "wide"}:
        say(kind.none)
    if value.get("next"):
        say(f"these are the first {len(items)}; there are more")
    _print(kind, items, value, Form(output.value))


def show_one(kind: Kind, client: Client, name: str, output: Form) -> None:
    """Print an object. Raises Problem if there is none of that name."""
    item = found(kind, client, name)
    _print(kind, [item], item, output)


def _print(kind: Kind, items: Sequence[dict[str, Any]], value: Any, form: Form) -> None:
    if form is Form.NAME:
        for item in items:
            put(f"{kind.name}/{kind.name_of(item)}")
    elif form is Form.WIDE:
        table([{**kind.row(item), **_rest(kind, item)} for item in items])
    else:
        show(value, Format(form.value), list(map(kind.row, items)))


def _rest(kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
    """The members of an object that are not columns, as far as they fit into a cell."""
    columns = kind.row(item)
    shown = [text for text in columns.values() if isinstance(text, str)]
    rest = {}
    for name, value in item.items():
        if name in columns or isinstance(value, dict | list):
            continue
        if not _is_time(name, value):
            rest[name] = value
        elif moment(value) not in shown:
            rest[name] = moment(value)
    return rest


def found(kind: Kind, client: Client, name: str) -> dict[str, Any]:
    """The object of a name. Raises Problem if there is none, or more than one."""
    if kind.in_pages:
        path = f"{kind.path}/{quote(name, safe='')}"
        return client.call("GET", path, scope=kind.scope)
    items: list[dict[str, Any]] = answered(kind, client)[kind.member]
    matching = _matching(kind, items, name)
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(map(kind.name_of, matching))
        raise Problem(
            409,
            "ambiguous",
            f"{len(matching)} {kind.plural} are called {name!r}",
            hint=f"Name one of: {ids}.",
        )
    known = [text for item in items for text in kind.names_of(item)]
    close = get_close_matches(name, known, _MOST_SUGGESTED)
    hint = f"See them with: kapi get {kind.plural}."
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    raise Problem(404, "not-found", f"there is no {kind.name} {name!r}", hint=hint)


def _matching(
    kind: Kind, items: Sequence[dict[str, Any]], name: str
) -> list[dict[str, Any]]:
    """The objects that have this name; if none has, those that have it in another case."""
    for item in items:
        if kind.name_of(item) == name:
            return [item]
    same, folded = [], []
    for item in items:
        names = kind.names_of(item)
        if name in names:
            same.append(item)
        if name.casefold() in map(str.casefold, names):
            folded.append(item)
    return same or folded


def deleted(kind: Kind, client: Client, name: str) -> str:
    """Delete the object of a name, and return what identified it. Raises Problem."""
    return removed(kind, client, found(kind, client, name))


def removed(kind: Kind, client: Client, item: Mapping[str, Any]) -> str:
    """Delete an object, and return what identified it. Raises Problem."""
    if kind.removal is None:
        what = f"a {kind.name} cannot be deleted"
        raise Problem(400, "not-deletable", what, hint=kind.instead)
    method, template = kind.removal
    client.system(method, kind.path_of_removal(item, template), scope=kind.scope)
    return kind.name_of(item)


def described_lines(value: Any, indent: str = "") -> list[str]:
    """An object as lines of text for people: a member in each, lists and objects indented."""
    lines = []
    for name, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{name}:", *described_lines(item, f"{indent}  ")]
        elif isinstance(item, list) and any(map(_needs_a_line, item)):
            lines.append(f"{indent}{name}:")
            for part in item:
                lines += _bullet(part, indent)
        else:
            lines.append(f"{indent}{name}: {_text_of(name, item)}".rstrip())
    return lines


def _text_of(name: str, value: Any) -> str:
    """A member as text. Times of the system APIs are seconds since the epoch."""
    if _is_time(name, value):
        return moment(value) if value else "never"
    return _text(value)


def _is_time(name: str, value: Any) -> bool:
    return type(value) is int and name.endswith(_TIMES)


def _needs_a_line(part: Any) -> bool:
    """Whether an item of a list is an object or a sentence."""
    return isinstance(part, dict) or (isinstance(part, str) and part.endswith("."))


def _bullet(part: Any, indent: str) -> list[str]:
    if not isinstance(part, dict):
        return [f"{indent}  - {_text(part)}"]
    inner = described_lines(part, f"{indent}    ")
    if inner:
        inner[0] = f"{indent}  - {inner[0].lstrip()}"
    return inner


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) or '""' for part in value) or "none"
    if value is None or value in ({}, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
