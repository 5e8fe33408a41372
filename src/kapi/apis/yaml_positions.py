"""YAML 1.2 core schema (§10.3) with the line and column of every node.

Called by `reading.py` and the definition readers. Built from libyaml's event stream with a stack of
our own, not from `yaml.compose`: that one recurses in C, so a deeply nested text could end the
process. PyYAML's own constructor is unsuitable: it is YAML 1.1 (`on` becomes True) and keeps the
last of two equal keys.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, Final

import yaml

from kapi.apis import report as codes
from kapi.apis.report import Mark, Report, below
from kapi.dataclass import dataclass

MAX_BYTES: Final = 10_000_000
MAX_DEPTH: Final = 100
MAX_ALIASED: Final = 20_000
"""How many nodes aliases may repeat, with all that they contain (the "billion laughs" text)."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq")
)
_STR_TAGS: Final = ("tag:yaml.org,2002:str", "!")
_CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_TEXT: Final = frozenset("~nNtTfF+-.0123456789")
"""What a plain scalar starts with that may be something else than a text."""
_INT: Final = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]{1,200}|[0-9]{1,200}(\.[0-9]{0,200})?)([eE][-+]?[0-9]{1,6})?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


# Not frozen: a document has a million nodes, and making a frozen one takes three times as long.
@dataclass(slots=True)
class Scalar:
    """A text, number, flag or null; `text` is as written, without quotes."""

    value: str | int | float | bool | None
    text: str
    line: int
    column: int


@dataclass(slots=True)
class Sequence:
    """A list."""

    items: list[Node]
    line: int
    column: int


@dataclass(slots=True)
class Mapping:
    """A mapping. `keys` has the place of each key."""

    entries: dict[str, Node]
    keys: dict[str, tuple[int, int]]
    line: int
    column: int


Node = Scalar | Sequence | Mapping


def mark(node: Node, pointer: str) -> Mark:
    """The place of a node."""
    return Mark(node.line, node.column, pointer)


def key_mark(mapping: Mapping, key: str, pointer: str) -> Mark:
    """The place of a key of a mapping; `pointer` is the mapping's own."""
    line, column = mapping.keys.get(key, (mapping.line, mapping.column))
    return Mark(line, column, below(pointer, key))


def plain(node: Node) -> Any:
    """The node as Python data, without positions."""
    match node:
        case Mapping():
            return {key: plain(value) for key, value in node.entries.items()}
        case Sequence():
            return list(map(plain, node.items))
        case _:
            return node.value


def find(root: Node, pointer: str) -> Mark:
    """The place of a pointer: of its key in a mapping, or of the item in a list.

    At worst the place of the nearest thing that exists.
    """
    here: Node = root
    place = mark(root, pointer)
    for part in pointer.split("/")[1:]:
        inner = child(here, part)
        if inner is None:
            break
        place = mark(inner, pointer)
        if isinstance(here, Mapping):
            place = Mark(*here.keys[unescaped(part)], pointer)
        here = inner
    return place


def child(node: Node, part: str) -> Node | None:
    """The member or item that a part of a JSON pointer names (RFC 6901 §4), or None."""
    if isinstance(node, Mapping):
        return node.entries.get(unescaped(part))
    if isinstance(node, Sequence) and part.isdecimal() and len(part) < 10:
        items = node.items[int(part) :]
        if items:
            return items[0]
    return None


def unescaped(part: str) -> str:
    """A part of a JSON pointer as the name that it is written for (RFC 6901 §4)."""
    return part.replace("~1", "/").replace("~0", "~")


def core_value(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core schema; `on`, `yes` and dates stay texts."""
    if text and text[0] not in _NOT_TEXT:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        if text[:2] in ("0o", "0x"):
            return int(text, 0)
        return int(text)
    if _FLOAT.fullmatch(text):
        if text[-1] in "fFnN":
            return float(text.replace(".", ""))  # `.inf` and `.nan`
        return float(text)
    return text


def decode(content: bytes, report: Report, *, limit: int = MAX_BYTES) -> str | None:
    """The text of a file; None, with the mistake reported, when it is too large or not UTF-8."""
    if len(content) > limit:
        report.add(
            codes.LIMIT,
            f"the file has {len(content)} bytes; at most {limit} are read",
            Mark(1, 1),
            "Split it into several APIs.",
        )
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8", "replace"))
        report.add(
            codes.NOT_UTF8,
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            Mark(line, column),
            "Save the file as UTF-8.",
        )
        return None


def read_yaml(
    content: bytes, report: Report, *, limit: int = MAX_BYTES
) -> Mapping | None:
    """The one mapping that a YAML or JSON file contains; None if there is none.

    All mistakes go to the report; none is raised.
    """
    text = decode(content, report, limit=limit)
    if text is None:
        return None
    composer = _Composer(report)
    loader = _LOADER(text)
    try:
        while not composer.broken and loader.check_event():
            composer.take(loader.get_event())
    except yaml.YAMLError as error:
        _report_syntax(error, text, report)
        return None
    finally:
        loader.dispose()
    if composer.broken:
        return None
    root = composer.root
    if root is None or (isinstance(root, Scalar) and root.value is None):
        report.add(
            codes.NOT_ONE_MAPPING,
            "the file is empty",
            Mark(1, 1),
            "Start from the answer of generate-configuration.",
        )
        return None
    if not isinstance(root, Mapping):
        message = f"expected type: JSONObject, found: {type_name(root)}"
        report.add(
            codes.NOT_ONE_MAPPING, message, mark(root, "#"), "Write `key: value` lines."
        )
        return None
    return root


def type_name(node: Node) -> str:
    """The name of a node's type in the words of APK's own messages."""
    if isinstance(node, Scalar):
        return _TYPE_NAMES[type(node.value)]
    return _TYPE_NAMES[type(node)]


_TYPE_NAMES: Final[dict[type, str]] = {
    Mapping: "JSONObject",
    Sequence: "JSONArray",
    type(None): "Null",
    bool: "Boolean",
    int: "Integer",
    float: "Double",
    str: "String",
}


def _start(event: yaml.Event) -> tuple[int, int]:
    place = event.start_mark
    if place is None:
        return (0, 0)
    return (place.line + 1, place.column + 1)


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _report_syntax(error: yaml.YAMLError, text: str, report: Report) -> None:
    line, column, message = 1, 1, "not readable as YAML"
    if isinstance(error, yaml.MarkedYAMLError):
        where = error.problem_mark or error.context_mark
        if where is not None:
            line, column = where.line + 1, where.column + 1
        message = ", ".join(filter(None, (error.context, error.problem))) or message
    elif isinstance(error, yaml.reader.ReaderError):
        line, column = _place(text.encode()[: error.position].decode("utf-8", "ignore"))
        message = str(error.reason)
    lines = text.splitlines()
    hint = "Check indentation, quotes and colons here and one line up."
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: column + 1]:
        hint = "Indent with spaces; YAML allows no tab here."
    report.add(codes.SYNTAX, message, Mark(line, column), hint)


@dataclass(slots=True)
class _Frame:
    """A collection that is still open."""

    node: Mapping | Sequence
    is_mapping: bool
    anchor: str | None
    weight: int = 1
    key: str | None = None
    ignored: bool = False
    """The value to come belongs to a key that is a mistake; it is read and dropped."""


@dataclass(slots=True)
class _Composer:
    """Takes events one by one and puts the nodes together. Pointers are made for mistakes only."""

    report: Report
    root: Node | None = None
    broken: bool = False
    documents: int = 0
    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    aliased: int = 0

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._open(Mapping({}, {}, *_start(event)), event, is_mapping=True)
        elif kind is yaml.SequenceStartEvent:
            self._open(Sequence([], *_start(event)), event, is_mapping=False)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            frame = self.stack.pop()
            if frame.anchor:
                self.anchors[frame.anchor] = (frame.node, frame.weight)
            self._place(frame.node, frame.weight)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                message = "the file holds more than one document"
                self._break(
                    event, codes.NOT_ONE_MAPPING, message, "Remove the second `---`."
                )

    def _break(self, event: yaml.Event, code: str, message: str, hint: str) -> None:
        self.broken = True
        self.report.add(code, message, self._mark(event), hint)

    def _mark(self, event: yaml.Event) -> Mark:
        return Mark(*_start(event), self._pointer(len(self.stack)))

    def _pointer(self, depth: int) -> str:
        """The pointer of the next node in the outermost `depth` open collections."""
        pointer = "#"
        for frame in self.stack[:depth]:
            if isinstance(frame.node, Sequence):
                pointer = below(pointer, len(frame.node.items))
            elif frame.key is not None:
                pointer = below(pointer, frame.key)
        return pointer

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        value: str | int | float | bool | None = text
        tag = event.tag
        if event.implicit[0]:
            value = core_value(text)
        elif tag is not None and tag not in _STR_TAGS:
            if tag in _CORE_TAGS:
                value = core_value(text)
            else:
                self._tag_mistake(event, tag)
        place = event.start_mark
        node = Scalar(value, text, place.line + 1, place.column + 1)
        if event.anchor:
            self.anchors[event.anchor] = (node, 1)
        self._place(node, 1)

    def _open(self, node: Mapping | Sequence, event: Any, *, is_mapping: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            self._break(
                event, codes.LIMIT, message, "An apk-conf needs no more than 10."
            )
            return
        if event.tag is not None and not event.implicit and event.tag not in _CORE_TAGS:
            self._tag_mistake(event, event.tag)
        if self._expects_key():
            hint = "Quote a key that starts with `[` or `{`."
            self._break(event, codes.NOT_JSON_LIKE, "a key must be a text", hint)
            return
        if event.anchor:
            self.anchors.pop(event.anchor, None)
        self.stack.append(_Frame(node, is_mapping, event.anchor))

    def _alias(self, event: Any) -> None:
        known = self.anchors.get(event.anchor or "")
        if known is None:
            message = (
                f"alias *{event.anchor} has no anchor before it, or is inside its own"
            )
            self._break(
                event,
                codes.SYNTAX,
                message,
                f"Write &{event.anchor} at the value first.",
            )
            return
        node, weight = known
        self.aliased += weight
        if self.aliased > MAX_ALIASED:
            message = f"aliases repeat more than {MAX_ALIASED} values"
            self._break(event, codes.LIMIT, message, "Write the values out.")
            return
        if self._expects_key() and not isinstance(node, Scalar):
            hint = "Use the alias as a value."
            self._break(event, codes.NOT_JSON_LIKE, "a key must be a text", hint)
            return
        self._place(node, weight)

    def _tag_mistake(self, event: yaml.Event, tag: str) -> None:
        message = f"tag {tag[:60]} is not understood"
        self.report.add(
            codes.NOT_JSON_LIKE, message, self._mark(event), "Remove the tag."
        )

    def _expects_key(self) -> bool:
        return (
            bool(self.stack)
            and self.stack[-1].is_mapping
            and self.stack[-1].key is None
        )

    def _place(self, node: Node, weight: int) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        frame.weight += weight
        container: Any = frame.node
        if not frame.is_mapping:
            container.items.append(node)
        elif frame.key is None:
            self._key(frame, container, node)
        else:
            if not frame.ignored:
                container.entries[frame.key] = node
            frame.key, frame.ignored = None, False

    def _key(self, frame: _Frame, mapping: Mapping, node: Node) -> None:
        key = ""
        if isinstance(node, Scalar):
            key = node.text
        if key in mapping.entries:
            first = mapping.keys[key][0]
            place = Mark(
                node.line, node.column, below(self._pointer(len(self.stack) - 1), key)
            )
            hint = f"It is on line {first} already; keep one of the two."
            self.report.add(
                codes.DUPLICATE_KEY, f"duplicate key [{key[:60]}]", place, hint
            )
            frame.ignored = True
        else:
            mapping.keys[key] = (node.line, node.column)
        frame.key = key
