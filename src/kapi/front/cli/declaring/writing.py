"""Writes documents as YAML: texts of several lines as they are, one document for each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def yaml_text(documents: Iterable[Mapping[str, Any]]) -> str:
    """The documents as one text, divided by `---`."""
    parts = [
        yaml.dump(
            dict(item), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
        for item in documents
    ]
    return "---\n".join(parts)
