"""A page that people read an OpenAPI document on: everything in one file, no script, nothing from elsewhere (`reference.html`).

The provider shows its own document so, and the system APIs theirs (`front/web/openapi/document.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from kapi.identity.pages import SHUT, style, templates
from kapi.identity.protocol.http import Headers

if TYPE_CHECKING:
    from markupsafe import Markup

_SECURITY = {
    "client": "the client authenticates",
    "bearer": "an access token",
    "stsAuthKey": "the header stsAuthKey",
}
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(slots=True)
class _Operation:
    """One operation as the page shows it; `also` are further paths that do the same."""

    method: str
    path: str
    value: Mapping[str, Any]
    also: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.method} {self.path}".lower()).strip("-")

    @property
    def security(self) -> str:
        return ", ".join(
            _SECURITY.get(name, name) for item in self.value.get("security", ()) for name in item
        )

    @property
    def body(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Media types, and the members of each."""
        for media_type, content in self.value.get("requestBody", {}).get("content", {}).items():
            yield media_type, _members(content["schema"])

    @property
    def answers(self) -> Iterator[dict[str, Any]]:
        for status, response in sorted(self.value["responses"].items()):
            content = response.get("content", {})
            examples = [
                {
                    "summary": item["summary"],
                    "text": json.dumps(item["value"], indent=2, ensure_ascii=False),
                }
                for media in content.values()
                for item in media.get("examples", {}).values()
            ]
            names = {
                media["schema"]["$ref"].rpartition("/")[2]
                for media in content.values()
                if "$ref" in media["schema"]
            }
            yield {
                "status": status,
                "description": response["description"],
                "media_types": list(content),
                "schemas": sorted(names),
                "examples": examples,
            }


def reference_page(document: Mapping[str, Any], note: str = "") -> tuple[Headers, bytes]:
    """The page and its headers. `note` is said above everything."""
    css = _css()
    schemas = {
        name: (schema, _members(schema))
        for name, schema in document["components"]["schemas"].items()
    }
    return one_file_page(
        "reference.html",
        css,
        document=document,
        groups=_groups(document),
        schemas=schemas,
        note=note,
        marked=marked,
    )


def one_file_page(template: str, css: str, **values: Any) -> tuple[Headers, bytes]:
    """Headers and body of a page whose style is inside, so that it needs no other address of its host."""
    body = templates().get_template(template).render(css=css, **values)
    digest = b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    return (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        *SHUT,
    ), body.encode("utf-8")


def _groups(document: Mapping[str, Any]) -> Mapping[str, list[_Operation]]:
    """Operations by tag. Paths that are older names of others are told beside them."""
    made: dict[str, list[_Operation]] = {}
    same: dict[str, _Operation] = {}
    # The shortest path of those that do the same is the one to show.
    for path, item in sorted(document["paths"].items(), key=lambda pair: len(pair[0])):
        for method in _METHODS:
            if method not in item:
                continue
            key = json.dumps([method, item[method]], sort_keys=True)
            if key in same:
                same[key].also.append(path)
                continue
            same[key] = _Operation(method.upper(), path, item[method])
            made.setdefault(item[method]["tags"][0], []).append(same[key])
    for operations in made.values():
        operations.sort(
            key=lambda operation: (operation.path, _METHODS.index(operation.method.lower()))
        )
    return dict(sorted(made.items()))


def marked(text: str) -> Markup:
    """Text in which words between backticks are code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _members(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required", ())
    return [
        {
            "name": name,
            "type": " or ".join(map(str, item["enum"])) if "enum" in item else item.get("type", ""),
            "description": item.get("description", ""),
            "required": name in needed,
        }
        for name, item in schema.get("properties", {}).items()
    ]


@cache
def _css() -> str:
    own = resources.files("kapi.identity.pages").joinpath("reference.css").read_bytes()
    return (style() + own).decode("utf-8")
