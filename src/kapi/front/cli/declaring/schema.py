"""The JSON Schema (draft 7) of the documents that `kapi apply` reads, for editors."""

from __future__ import annotations

from typing import Any, Final

from kapi.front.cli.declaring.entries import API
from kapi.front.cli.declaring.references import REFERENCES
from kapi.settings import (
    AssertionIssuerSettings,
    ClientSettings,
    IdentitySettings,
    IssuerSettings,
    ResourceSettings,
    UserSettings,
)
from kapi.settings.secrets import SecretSettings
from kapi.settings.subscriptions import ApplicationSettings, SubscriptionSettings
from kapi.settings.written.json_schema import schema_of

_CLASSES: Final = {
    "Secret": SecretSettings,
    "Issuer": IssuerSettings,
    "Client": ClientSettings,
    "User": UserSettings,
    "Application": ApplicationSettings,
    "Subscription": SubscriptionSettings,
    "Provider": IdentitySettings,
    "Resource": ResourceSettings,
    "AssertionIssuer": AssertionIssuerSettings,
}
_TEXT: Final = {"type": "string"}
_MORE: Final[dict[str, dict[str, Any]]] = {
    "User": {
        "disabled": {"type": "boolean", "description": "The person cannot sign in."}
    },
    "Subscription": {
        "application": {**_TEXT, "description": "Name or id of the application."}
    },
}
_LESS: Final = {
    "Secret": ("value_variable", "organization"),
    "Application": ("organization",),
    "Provider": (
        "clients",
        "users",
        "resources",
        "assertion_issuers",
        "issuers",
        "testing",
    ),
}
_NEEDED: Final = {"Secret": ("value",), "Subscription": ("application",)}
_DUMPED: Final[dict[str, dict[str, Any]]] = {
    "owner": {
        **_TEXT,
        "description": "By kapi dump: who created it. kapi apply ignores it.",
    },
    "organization": {
        **_TEXT,
        "description": "Whose it is; for callers of that organization.",
    },
}
"""Members that documents of a dump have besides."""
_BASE64: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"base64": _TEXT},
    "required": ["base64"],
}
_REFERENCE: Final = {
    "description": "Where the command reads the value.",
    "oneOf": [
        {"type": "object", "additionalProperties": False, "properties": {name: _TEXT},
         "required": [name]}
        for name in ("env", "file")
    ],
}  # fmt: skip


def declared_schema() -> dict[str, Any]:
    """The schema of one document, whatever its kind is."""
    kinds = {name: _of_kind(name, cls) for name, cls in _CLASSES.items()}
    kinds[API] = _document(
        API,
        {
            "conf": {
                **_TEXT,
                "description": "The name of an apk-conf file, or its text.",
            },
            "definition": {
                "description": "The name of its definition, or its text; base64 of another file.",
                "oneOf": [_TEXT, _BASE64],
            },
        },
        ["conf", "definition"],
    )
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A document for kapi apply",
        "type": "object",
        "required": ["kind"],
        "oneOf": [{"$ref": f"#/definitions/{name}"} for name in kinds],
        "definitions": kinds,
    }


def _of_kind(name: str, cls: type) -> dict[str, Any]:
    made = schema_of(cls)
    members = {**made["properties"], **_MORE.get(name, {})}
    needed = [*made["required"], *_NEEDED.get(name, ())]
    for member in _LESS.get(name, ()):
        del members[member]
    for member in REFERENCES.get(name, ()):
        members[member] = {"oneOf": [_REFERENCE, _TEXT]}
    if name in {"Client", "Issuer"}:
        members["organization"] = made["properties"]["organization"]
    if name == "User":
        needed.remove("password")
    return _document(name, members, needed)


def _document(kind: str, members: dict[str, Any], needed: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"kind": {"const": kind}, **_DUMPED, **members},
        "required": ["kind", *needed],
    }
