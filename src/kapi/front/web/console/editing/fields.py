"""The fields of forms: what a typed text becomes in a body, and how a value is shown. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kapi.dataclass import dataclass

TEXT, WORDS, PAIRS, SECRET = "text", "words", "pairs", "password"
"""Forms: a text, a list of words, `name=value` words, a text that is not shown."""
LINES, NUMBER, SWITCH, VALUE, APIS = "lines", "number", "switch", "value", "apis"
"""A list, one item a line; a whole number; a switch; JSON; APIs, one `name version` a line."""
ON: Final = "yes"
"""What a switch sends."""
NEW, OLD = "member", "content"
"""The fields of a member that no other field is for: its name, and its value as JSON."""
_WIDE: Final = (LINES, VALUE, APIS)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form, and the member that it becomes; `a.b` is the member b of a."""

    name: str
    label: str
    form: str = TEXT
    about: str = ""
    value: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether its text has several lines."""
        return self.form in _WIDE


class NotJsonError(Exception):
    """The text of a field is not JSON. `label` names the field."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def body_of(fields: Sequence[Field], given: Mapping[str, str]) -> dict[str, Any]:
    """The body of what is new; fields without a value are left out. Raises NotJsonError."""
    body: dict[str, Any] = {}
    for field in fields:
        text = given.get(field.name, "")
        if not text:
            continue
        outer, _, inner = field.name.rpartition(".")
        members = body.setdefault(outer, {}) if outer else body
        members[inner] = _value(field, text)
    return body


def changes_of(
    fields: Sequence[Field], given: Mapping[str, str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """The merge patch (RFC 7396) of the fields whose text is another one. Raises NotJsonError."""
    patch: dict[str, Any] = {}
    for field in fields:
        text = given.get(field.name, "")
        shown = text_of(field, before)
        if text != shown:
            patch[field.name] = _changed(field, text, shown)
    name = given.get(NEW, "")
    if name:
        patch[name] = _json("Value", given.get(OLD, ""))
    return patch


def text_of(field: Field, row: Mapping[str, Any]) -> str:
    """The text of a field for the value of an object; empty without a value."""
    value = row.get(field.name)
    if field.form == SWITCH:
        return ON if value else ""
    if not value and value != 0:
        return ""
    if isinstance(value, (list, tuple)):
        return ("\n" if field.form == LINES else " ").join(map(str, value))
    if field.form == PAIRS:
        return " ".join(f"{name}={item}" for name, item in value.items())
    if field.form == VALUE:
        return json.dumps(value, indent=2, ensure_ascii=False)
    return str(value)


def _changed(field: Field, text: str, shown: str) -> Any:
    """The value of a merge patch: members that are gone are null, and so is an empty text."""
    if field.form == SWITCH:
        return text == ON
    if not text:
        return None
    value = _value(field, text)
    if isinstance(value, dict):
        gone = dict.fromkeys(
            _value(field, shown or "{}" if field.form == VALUE else shown)
        )
        return {**gone, **value}
    return value


def _value(field: Field, text: str) -> Any:
    read = _READ.get(field.form)
    if read is not None:
        return read(text)
    if field.form == VALUE:
        return _json(field.label, text)
    return text


def _json(label: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise NotJsonError(label) from error


def _lines(text: str) -> list[str]:
    return list(filter(None, map(str.strip, text.splitlines())))


def _pairs(text: str) -> dict[str, str]:
    return {
        name: value for name, _, value in (item.partition("=") for item in text.split())
    }


def _number(text: str) -> Any:
    """A number; another text is left to the system API, which says what is wrong."""
    return int(text) if text.isascii() and text.isdecimal() else text


def _apis(text: str) -> list[dict[str, str]]:
    made = []
    for line in _lines(text):
        name, _, version = line.partition(" ")
        made.append({"name": name, "version": version.strip() or "*"})
    return made


def _switch(text: str) -> bool:
    return text == ON


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    WORDS: str.split,
    PAIRS: _pairs,
    LINES: _lines,
    NUMBER: _number,
    APIS: _apis,
    SWITCH: _switch,
}
