"""Local references of a document (JSON pointers as URI fragments, RFC 6901 §6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from kapi.apis.yaml_positions import MAX_DEPTH
from kapi.typed import item_at, mapping

MAX_REFERENCES: Final = 8


def target_of(document: Mapping[str, Any], reference: str) -> Any:
    """The value at a local reference; None for any other reference, or where nothing is."""
    here: Any = document
    if not reference.startswith("#/") or reference.count("/") > MAX_DEPTH:
        return None
    for part in reference[2:].split("/"):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        here = (
            item_at(here, name) if isinstance(here, list) else mapping(here).get(name)
        )
    return here


def followed(document: Mapping[str, Any], item: Any) -> Any:
    """The item, or where its references lead; None if there are too many."""
    for _ in range(MAX_REFERENCES):
        reference = mapping(item).get("$ref")
        if not isinstance(reference, str):
            return item
        item = target_of(document, reference)
    return None
