"""Says whether the rendered resources in the store are what this program would render.

The whole input of rendering is hashed, never a selection, so a setting that is added later is part
of the fingerprint. Called by the deployer at the start.
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

SOURCES = (
    "addresses.py",
    "apis",
    "client_certificates.py",
    "dataclass.py",
    "error_codes.py",
    "errors.py",
    "gateway",
    "jose",
    "json_reading.py",
    "policies",
    "settings",
    "typed.py",
)
"""Modules and packages of kapi that rendering runs through."""
_SUFFIXES = (".py", ".lua")


def fingerprint(context: RenderContext) -> str:
    """A hash of the version, the input of rendering, the policies and the code.

    The code is part of it because a working copy changes without its version. Raises TypeError for
    an input without a canonical text.
    """
    parts = {
        "version": kapi.__version__,
        "input": plain(context),
        "policies": [policy.name for policy in POLICIES],
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def plain(value: Any) -> Any:
    """A value in a canonical JSON form: equal for equal values.

    Raises TypeError for other types.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return sorted(
            ([plain(key), plain(item)] for key, item in value.items()), key=json.dumps
        )
    if isinstance(value, frozenset | set):
        return sorted((map(plain, value)), key=json.dumps)
    if isinstance(value, tuple | list):
        return list(map(plain, value))
    raise TypeError(f"{type(value).__name__} in the input of rendering")


def _code() -> str:
    digest = hashlib.sha256()
    root = resources.files("kapi")
    for name in SOURCES:
        for path, entry in _files(root.joinpath(name), name):
            digest.update(path.encode() + entry.read_bytes())
    return digest.hexdigest()


def _files(entry: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    """The sources in a folder, or the module itself, in a fixed order."""
    if entry.is_file():
        if entry.name.endswith(_SUFFIXES):
            yield path, entry
        return
    for inner in sorted(entry.iterdir(), key=lambda inner: inner.name):
        yield from _files(inner, f"{path}/{inner.name}")
