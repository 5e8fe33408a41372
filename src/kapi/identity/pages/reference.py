"""An OpenAPI document as a page (`reference.html`): one file, without scripts.

For the document of the provider, and those of the system APIs (`front/web/openapi/document.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from kapi.dataclass import dataclass
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
    """One operation on the page; `also` are its other paths."""

    method: str
    path: str
    value: Mapping[str, Any]
    also: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.method} {self.path}".lower()).strip(
            "-"
        )

    @property
    def security(self) -> str:
        names: list[str] = []
        for item in self.value.get("security", ()):
            names += item
        return ", ".join(_SECURITY.get(name, name) for name in names)

    @property
    def body(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Media types, and the members of each."""
        for media_type, content in (
            self.value.get("requestBody", {}).get("content", {}).items()
        ):
            yield media_type, _members(content["schema"])

    @property
    def answers(self) -> Iterator[dict[str, Any]]:
        for status, response in sorted(self.value["responses"].items()):
            content = response.get("content", {})
            schemas: set[str] = set()
            examples: list[dict[str, Any]] = []
            for media in content.values():
                if "$ref" in media["schema"]:
                    schemas.add(media["schema"]["$ref"].rpartition("/")[2])
                examples += map(_example, media.get("examples", {}).values())
            yield {
                "status": status,
                "description": response["description"],
                "media_types": list(content),
                "schemas": sorted(schemas),
                "examples": examples,
            }


def _example(item: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(item["value"], indent=2, ensure_ascii=False)
    return {"summary": item["summary"], "text": text}


def reference_page(
    document: Mapping[str, Any], note: str = ""
) -> tuple[Headers, bytes]:
    """The page and its headers. `note` is shown first."""
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
    """Headers and body of a page that contains its style, for hosts that serve no style sheet."""
    body = templates().get_template(template).render(css=css, **values)
    digest = b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;"
        " form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        *SHUT,
    ), body.encode("utf-8")


def _groups(document: Mapping[str, Any]) -> Mapping[str, list[_Operation]]:
    """Operations by tag. An operation with several paths is shown with the shortest one."""
    made: dict[str, list[_Operation]] = {}
    same: dict[str, _Operation] = {}
    for path, item in sorted(document["paths"].items(), key=lambda pair: len(pair[0])):
        for method in filter(item.__contains__, _METHODS):
            key = json.dumps([method, item[method]], sort_keys=True)
            if key in same:
                same[key].also.append(path)
                continue
            same[key] = _Operation(method.upper(), path, item[method])
            made.setdefault(item[method]["tags"][0], []).append(same[key])
    for operations in made.values():
        operations.sort(
            key=lambda operation: (
                operation.path,
                _METHODS.index(operation.method.lower()),
            )
        )
    return dict(sorted(made.items()))


def marked(text: str) -> Markup:
    """Text in which words between backticks are code."""
    from markupsafe import Markup, escape

    escaped = str(escape(text))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))  # noqa: S704


def _members(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required", ())
    return [
        {
            "name": name,
            "type": _type(item),
            "description": item.get("description", ""),
            "required": name in needed,
        }
        for name, item in schema.get("properties", {}).items()
    ]


def _type(item: Mapping[str, Any]) -> str:
    if "enum" in item:
        return " or ".join(map(str, item["enum"]))
    return str(item.get("type", ""))


@cache
def _css() -> str:
    own = resources.files("kapi.identity.pages").joinpath("reference.css").read_bytes()
    return (style() + own).decode("utf-8")
