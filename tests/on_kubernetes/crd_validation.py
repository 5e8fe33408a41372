"""Objects checked against the published CRDs as an API server would: structure, defaults, CEL.

No server: the structural schemas as JSON Schema, the rules (`x-kubernetes-validations`) with a CEL
interpreter. Rules about changes (`oldSelf`) are for updates only and are left out.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cel
import jsonschema

CRDS = Path(__file__).parent / "crds"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
CORE = {"ConfigMap": {"data"}, "Secret": {"stringData", "type"}}
"""Kinds without a CRD, and their fields."""


@cache
def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """(apiVersion, kind) → the schema of an object."""
    found = {}
    for path in sorted(CRDS.glob("*.json")):
        spec = json.loads(path.read_text("utf-8"))["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = version["schema"]["openAPIV3Schema"]
    return found


@cache
def _validator(key: tuple[str, str]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_closed(schemas()[key], top=True))


def _closed(schema: dict[str, Any], *, top: bool = False) -> dict[str, Any]:
    """A structural schema as JSON Schema: unknown fields are refused, as by a strict API server."""
    made = {
        key: value
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-")
        and key not in {"properties", "items", "default", "format"}
    }
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
        made.pop("anyOf", None)
    if "properties" in schema:
        made["properties"] = {
            name: _closed(item) for name, item in schema["properties"].items()
        }
        if (
            not schema.get("x-kubernetes-preserve-unknown-fields")
            and "additionalProperties" not in schema
        ):
            made["additionalProperties"] = False
        if top:
            made["properties"]["metadata"] = {"type": "object"}
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = _closed(schema["additionalProperties"])
    if "items" in schema:
        made["items"] = _closed(schema["items"])
    for word in ("anyOf", "oneOf", "allOf"):
        if word in made:
            made[word] = list(schema[word])
    if schema.get("nullable"):
        made = {"anyOf": [made, {"type": "null"}]}
    return made


def faults(manifest: dict[str, Any]) -> list[str]:
    """All that an API server would refuse."""
    kind, metadata = manifest["kind"], manifest["metadata"]
    found = list(_metadata_faults(metadata))
    if manifest["apiVersion"] == "v1":
        unknown = manifest.keys() - {"apiVersion", "kind", "metadata"} - CORE[kind]
        return found + [f"unknown field {name}" for name in unknown]
    key = (manifest["apiVersion"], kind)
    if key not in schemas():
        return [*found, f"there is no kind {key}"]
    errors = list(_validator(key).iter_errors(manifest))
    found += [f"{error.json_path}: {error.message[:300]}" for error in errors]
    if not errors:
        value = copy.deepcopy(manifest)
        _fill(schemas()[key], value)
        found += _broken_rules(schemas()[key], value, "$")
        found += _repeated(schemas()[key], value, "$")
    return found


def _metadata_faults(metadata: dict[str, Any]) -> Iterator[str]:
    if not _NAME.fullmatch(metadata["name"]):
        yield f"the name {metadata['name']}"
    for name, value in metadata.get("labels", {}).items():
        if not _LABEL_KEY.fullmatch(name) or not _LABEL.fullmatch(value):
            yield f"the label {name}: {value}"


def _fill(schema: dict[str, Any], value: Any) -> None:
    """Put in the defaults."""
    if isinstance(value, dict):
        for name, item in schema.get("properties", {}).items():
            if name not in value and "default" in item:
                value[name] = copy.deepcopy(item["default"])
            if name in value:
                _fill(item, value[name])
        if isinstance(schema.get("additionalProperties"), dict):
            for item in value.values():
                _fill(schema["additionalProperties"], item)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill(schema["items"], item)


def _broken_rules(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield f"{path}: {rule.get('message', rule['rule'])}"
    for step, item, below in _inside(schema, value):
        yield from _broken_rules(below, item, f"{path}{step}")


def _inside(
    schema: dict[str, Any], value: Any
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    if isinstance(value, dict):
        for name, item in value.items():
            below = schema.get("properties", {}).get(name) or schema.get(
                "additionalProperties"
            )
            if isinstance(below, dict):
                yield f".{name}", item, below
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield f"[{index}]", item, schema["items"]


@cache
def _program(rule: str) -> Any:
    return cel.compile(rule)


def _holds(rule: str, value: Any) -> bool:
    try:
        return _program(rule).execute({"self": value}) is True
    except (ValueError, RuntimeError, TypeError) as error:
        # An API server refuses what a rule cannot be evaluated for.
        raise AssertionError(f"{rule}: {error}") from error


def _repeated(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """Items of a set or map that are there twice."""
    if isinstance(value, list):
        kind, keys = (
            schema.get("x-kubernetes-list-type"),
            schema.get("x-kubernetes-list-map-keys", ()),
        )
        names = [
            json.dumps([item.get(key) for key in keys] if keys else item)
            for item in value
        ]
        if kind in {"map", "set"} and len(set(names)) < len(names):
            yield f"{path}: an item is there twice"
    for step, item, below in _inside(schema, value):
        yield from _repeated(below, item, f"{path}{step}")
