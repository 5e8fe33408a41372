"""Parameters of a policy as APK 2 writes them: a list of keys and values.

They become the mapping that the rest of the reader knows: `[{key: "max", value: "5"}]` is
`{max: 5}`. APK's values are texts, so one that the policy wants as a number, a flag, a list or a
mapping is read as that (JSON). Called by `reading.py` before the schema is checked, which finds
what is wrong with an item.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Final

from kapi.apis import report as codes
from kapi.apis.conf.policy_lists import uses
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import Anything, Record, Shape, Text
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, Node, Scalar, Sequence, mark, read_yaml
from kapi.json_reading import NotJson, read_json

PARAMETER: Final = Record({"key": Text(1, 64), "value": Anything()}, ("key", "value"))
"""An item of such a list."""
MOST: Final = 64
_FIELD: Final = "parameters"


def take_parameter_lists(
    root: Mapping, listed: Table[str, ListedPolicy], report: Report
) -> None:
    """Put mappings in the place of lists whose items are well-formed."""
    for use in uses(root):
        found = use.node.entries.get(_FIELD)
        known = listed.get(use.name)
        if known is None or not isinstance(known.parameters, Record):
            continue
        if isinstance(found, Sequence):
            made = _mapping(found, known.parameters, below(use.pointer, _FIELD), report)
            use.node.entries[_FIELD] = made or found


def _mapping(
    items: Sequence, shape: Record, pointer: str, report: Report
) -> Mapping | None:
    """None if an item is not a key with a value; the schema says what is wrong with it."""
    made = Mapping({}, {}, items.line, items.column)
    for index, item in enumerate(items.items):
        match item:
            case Mapping(
                {"key": Scalar(str(name)) as key, "value": value, **other}
            ) if not other:
                if name in made.entries:
                    message = f"the key {name[:60]} is in the list twice"
                    report.add(
                        codes.COMBINATION,
                        message,
                        mark(key, below(pointer, index)),
                        "Keep one.",
                    )
                made.entries[name] = _typed(value, shape.fields.get(name, Anything()))
                made.keys[name] = (value.line, value.column)
            case _:
                return None
    return made


def _typed(node: Node, shape: Shape) -> Node:
    """A text as the value that is wanted, where it says one."""
    if isinstance(shape, Text | Anything):
        return node
    match node:
        case Scalar(str(text)):
            return _value(text, node) or node
    return node


def _value(text: str, at: Node) -> Node | None:
    """The JSON value that a text is, if it is one."""
    try:
        read_json(text)
    except NotJson:
        return None
    read = read_yaml(f'{{"value": {text}}}'.encode(), Report(""))
    return read and _placed(read.entries["value"], at)


def _placed(node: Node, at: Node) -> Node:
    """A node, all of which is at the place of another."""
    match node:
        case Mapping():
            entries = {key: _placed(value, at) for key, value in node.entries.items()}
            keys = dict.fromkeys(entries, (at.line, at.column))
            return Mapping(entries, keys, at.line, at.column)
        case Sequence():
            return Sequence(
                [_placed(item, at) for item in node.items], at.line, at.column
            )
        case _:
            return Scalar(node.value, node.text, at.line, at.column)
