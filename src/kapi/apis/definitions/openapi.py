"""OpenAPI 3.0 to 3.2 and Swagger 2.0, JSON or YAML: from bytes to `openapi_document.py`.

Called by `definitions/__init__.py`. A full validator would cost more than the whole deploy and
complain about schemas that nothing here reads.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions import json_places
from kapi.apis.definitions.openapi_document import TYPE, Document
from kapi.apis.report import Report
from kapi.apis.yaml_positions import (
    Mapping,
    Scalar,
    child,
    decode,
    find,
    plain,
    read_yaml,
    unescaped,
)
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as Table

    from kapi.apis.definitions.model import Definition
    from kapi.apis.report import Mark
    from kapi.apis.yaml_positions import Node

__all__ = ["TYPE", "detect", "parse"]

_HEAD: Final = re.compile(rb"""(?m)(^|[{,\s])["']?(openapi|swagger)["']?\s*:""")

_HALF: Final = re.compile(rb"\\u[dD]")
"""How an escaped half begins: also some whole characters, and a backslash before `ud`."""


def detect(content: bytes, file_name: str) -> bool:  # noqa: ARG001  the content decides
    """Whether it has an `openapi` or `swagger` key near its start or end."""
    return bool(_HEAD.search(content[:20_000]) or _HEAD.search(content[-2_000:]))


def parse(content: bytes, report: Report) -> Definition | None:
    """The definition, or None; every mistake goes to the report."""
    loaded = _json(content, report) or _yaml(content, report)
    if loaded is None or loaded.data is None:
        return None
    document = Document(loaded.data, loaded.written)
    definition = document.read()
    if document.mistakes:
        places = loaded.places({item.pointer for item in document.mistakes})
        for item in document.mistakes:
            report.add(
                codes.DEFINITION_CONTENT, item.message, places[item.pointer], item.hint
            )
    return replace(definition, places=loaded.places, document=loaded.data)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The document as plain data, and its text with places; `root` is None for JSON.

    `data` is None when it has mistakes.
    """

    data: dict[str, Any] | None
    text: str
    root: Mapping | None = None

    def places(self, pointers: Iterable[str]) -> Table[str, Mark]:
        """The line and column of each JSON Pointer in the text."""
        if self.root is None:
            return json_places.places(self.text, pointers)
        return {pointer: find(self.root, pointer) for pointer in pointers}

    def written(self, pointer: str) -> str:
        """A number as its author wrote it."""
        if self.root is None:
            return json_places.written(self.text, pointer)
        node = _node_at(self.root, pointer)
        if isinstance(node, Scalar):
            return node.text
        return ""


def _json(content: bytes, report: Report) -> _Loaded | None:
    """A JSON document, whose places are looked up only for messages; None for anything else."""
    if content.lstrip()[:1] != b"{":
        return None
    pairs = _Pairs()
    try:
        text = content.decode()
        data = json.loads(text, object_pairs_hook=pairs, parse_constant=_not_json)
        _refuse_half_characters(content)
    except (ValueError, RecursionError):
        # YAML in flow style looks like JSON; and its reader tells the place of a mistake.
        return None
    if not pairs.are_equal:
        return _Loaded(data, text)
    for place in json_places.equal_keys(text):
        name = unescaped(place.pointer.rpartition("/")[2])
        report.add(
            codes.DUPLICATE_KEY,
            f"duplicate key [{name[:60]}]",
            place,
            "The object has it already; keep one of the two.",
        )
    return _Loaded(None, text)


def _not_json(name: str) -> None:
    """For `NaN` and `Infinity`, which Python's reader takes."""
    raise ValueError(name)


def _refuse_half_characters(content: bytes) -> None:
    """Raise ValueError for an escaped half of a character (RFC 8259 §8.2), as UTF-8 has none."""
    if _HALF.search(content):
        import orjson

        orjson.loads(content)


class _Pairs:
    """Makes objects of their members, and remembers whether one had two members of one name."""

    are_equal = False

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self.are_equal = True
        return made


def _yaml(content: bytes, report: Report) -> _Loaded | None:
    # How large a definition may be is a setting, which the caller applies.
    text = decode(content, report, limit=len(content))
    root = None
    if text is not None:
        root = read_yaml(content, report, limit=len(content))
    if text is None or root is None:
        return None
    data = plain(root)
    return _Loaded(_merged(data) if "<<" in text else data, text, root)


def _merged(value: Any) -> Any:
    """The value with YAML's merge keys (`<<`) applied.

    Own keys win, then those of the first mapping that is merged.
    """
    if isinstance(value, list):
        return list(map(_merged, value))
    if not isinstance(value, dict):
        return value
    made = {}
    for key, item in value.items():
        if key != "<<":
            made[key] = _merged(item)
    sources = value.get("<<", ())
    for source in sources if isinstance(sources, list) else [sources]:
        if isinstance(source, dict):
            made = {**_merged(source), **made}
    return made


def _node_at(root: Node, pointer: str) -> Node | None:
    """What a pointer leads to, or None."""
    here: Node | None = root
    for part in pointer.split("/")[1:]:
        here = None if here is None else child(here, part)
    return here
