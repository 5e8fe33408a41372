"""Reads the YAML documents that describe operations and refusals of an OpenAPI document.

A catalogue is a folder with three documents. They are read on first use, because they are needed
for the served OpenAPI document only.

- `operations.yaml`: `operations` contains the members of a `Row` by the name of the operation.
  `takes` may be a list of mappings, which are merged, and `refuses` may contain lists, which are
  flattened. `shared` is a place for YAML anchors.
- `refusals.yaml`: the members of a `Refusal` by its name.
- `schemas.yaml`: the schemas of the document, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kapi.openapi import Refusal, Row


class Catalogue:
    """The catalogue in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def operations(self) -> Mapping[str, Row]:
        """All operations by name."""
        listed = self._read("operations.yaml")["operations"]
        return {name: _row(members) for name, members in listed.items()}

    @cached_property
    def refusals(self) -> Mapping[str, Refusal]:
        """All refusals by name."""
        listed = self._read("refusals.yaml")
        return {name: Refusal(**members) for name, members in listed.items()}

    @cached_property
    def schemas(self) -> Mapping[str, Any]:
        """The schemas of the document."""
        schemas: dict[str, Any] = self._read("schemas.yaml")
        return schemas

    def select(self, names: Iterable[str]) -> Iterator[tuple[str, Refusal]]:
        """The refusals with these names, each once. Raises KeyError for an unknown name."""
        for name in dict.fromkeys(names):
            yield name, self.refusals[name]

    def _read(self, file: str) -> dict[str, Any]:
        import yaml

        text = (self._folder / file).read_text("utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        value: dict[str, Any] = yaml.load(text, loader)  # noqa: S506 - a safe loader
        return value


def _row(members: Mapping[str, Any]) -> Row:
    made = dict(members)
    if isinstance(made.get("takes"), list):
        made["takes"] = {
            name: what for part in made["takes"] for name, what in part.items()
        }
    made["refuses"] = tuple(_flattened(made.get("refuses", ())))
    return Row(**made)


def _flattened(names: Iterable[str | list[str]]) -> Iterator[str]:
    for item in names:
        if isinstance(item, list):
            yield from item
        else:
            yield item
