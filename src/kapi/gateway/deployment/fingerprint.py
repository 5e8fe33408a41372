"""Are the rendered resources in the store still what this program would render? Called by the deployer at start.

The whole input of rendering is hashed, never a choice of it: a setting that is added later is part of it without anybody's doing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import kapi
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.policies import POLICIES

_SOURCES = ("kapi.apis", "kapi.policies", "kapi.gateway")
_SUFFIXES = (".py", ".lua")


def fingerprint(context: RenderContext) -> str:
    """Differs when the version, the input of rendering, the policies or the code in between differ.

    The code is part of it because a working copy changes without its version. Raises TypeError for an input that has no one text.
    """
    parts = {
        "version": kapi.__version__,
        "input": plain(context),
        "policies": [policy.name for policy in POLICIES],
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def plain(value: Any) -> Any:
    """A value as JSON knows it, the same for equal values whatever order they were made in. Raises TypeError for what has no such form."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return sorted(([plain(key), plain(item)] for key, item in value.items()), key=json.dumps)
    if isinstance(value, frozenset | set):
        return sorted((plain(item) for item in value), key=json.dumps)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} in the input of rendering")


def _code() -> str:
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path, entry in _files(resources.files(package), package):
            digest.update(path.encode() + entry.read_bytes())
    return digest.hexdigest()


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        below = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, below)
        elif entry.name.endswith(_SUFFIXES):
            yield below, entry
