"""An OpenAPI document as plain data → `Definition`: the parts that a gateway uses, each checked.

OpenAPI 3.0, 3.1, 3.2 and Swagger 2.0. What a gateway cannot do is noted by its name and left out;
what is wrong is a mistake. Called by `openapi.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from kapi.apis.definitions.model import Definition, DefinitionOperation, Note, Server
from kapi.apis.definitions.openapi_security import Security, scheme
from kapi.apis.definitions.openapi_servers import server, servers_of, swagger_server
from kapi.apis.definitions.references import MAX_REFERENCES, followed, target_of
from kapi.apis.report import below
from kapi.dataclass import dataclass
from kapi.typed import mapping, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE: Final = "REST"
_METHODS: Final = ("get", "put", "post", "delete", "patch", "options", "head")
_NOT_ROUTED: Final = ("trace", "query")
_OF_PATH_ITEMS: Final = frozenset(
    (
        "summary",
        "description",
        "servers",
        "parameters",
        "$ref",
        "additionalOperations",
        "<<",
    )
)
_OF_BOTH: Final = frozenset(("info", "paths", "security", "tags", "externalDocs"))
_OF_SWAGGER: Final = _OF_BOTH | frozenset(
    (
        "swagger",
        "host",
        "basePath",
        "schemes",
        "consumes",
        "produces",
        "definitions",
        "parameters",
        "responses",
        "securityDefinitions",
    )
)
_OF_OPENAPI: Final = _OF_BOTH | frozenset(
    ("openapi", "servers", "components", "jsonSchemaDialect", "webhooks", "$self")
)
_OF_EDITORS: Final = frozenset(("$schema", "<<"))
"""Not of OpenAPI, and without a meaning of their own."""
_VERSIONS: Final = {
    "swagger": re.compile(r"2\.0"),
    "openapi": re.compile(r"3\.[012](\.\d{1,3}(-\w+)?)?"),
}
_NAMES: Final = {
    dict: "JSONObject",
    list: "JSONArray",
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Double",
    type(None): "Null",
}
Written = Callable[[str], str]
"""The text of a number, by its pointer."""


@dataclass(slots=True)
class Document:
    """One document under examination."""

    data: dict[str, Any]
    written: Written
    mistakes: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def read(self) -> Definition:
        """The definition; what is wrong goes to `mistakes`."""
        info = self._member(self.data, "info", dict, "#", required=True)
        is_swagger = self._is_swagger()
        self._top_level(is_swagger=is_swagger)
        servers = (
            self._swagger_servers() if is_swagger else self._servers(self.data, "#")
        )
        security = self._security_schemes(is_swagger=is_swagger)
        base_path, base_path_pointer = self._base_path(is_swagger=is_swagger)
        operations = tuple(self._operations(security))
        return Definition(
            type=TYPE,
            name="" if info is None else self._text(info, "title"),
            version="" if info is None else self._text(info, "version"),
            base_path=base_path,
            operations=operations,
            servers=servers,
            notes=(*self.notes, *security.notes()),
            origins={
                "name": "#/info/title",
                "version": "#/info/version",
                "basePath": base_path_pointer,
            },
            no_operations=self._no_operations(),
        )

    def _wrong(self, pointer: str, message: str, hint: str = "") -> None:
        self.mistakes.append(Note(pointer, message, hint))

    def _left_out(self, pointer: str, message: str, hint: str = "") -> None:
        self.notes.append(Note(pointer, message, hint))

    def _member(
        self,
        owner: dict[str, Any],
        name: str,
        kind: type,
        pointer: str,
        *,
        required: bool = False,
    ) -> Any:
        """A member of the right type, or None with the mistake noted."""
        if name not in owner:
            if required:
                self._wrong(
                    pointer, f"required key [{name}] not found", f"Add `{name}`."
                )
            return None
        value = owner[name]
        if not isinstance(value, kind):
            self._wrong(
                below(pointer, name),
                f"expected type: {_NAMES[kind]}, found: {_name(value)}",
            )
            return None
        return value

    def _text(self, info: dict[str, Any], name: str) -> str:
        """A text of `info`; a number there (an unquoted version) is taken as it is written."""
        pointer = below("#/info", name)
        value = info.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = self.written(pointer) or str(value)
            self._left_out(
                pointer,
                f"{name} {text} is a number; it is taken as a text",
                f'Quote it: "{text}".',
            )
            return text
        text = self._member(info, name, str, "#/info", required=True)
        if text is not None and not text.strip():
            self._wrong(
                pointer,
                "expected minLength: 1, actual: 0",
                "Write at least one character.",
            )
        return text or ""

    def _is_swagger(self) -> bool:
        name = "openapi"
        if "swagger" in self.data and "openapi" not in self.data:
            name = "swagger"
        given = self.data.get(name)
        if given is None:
            self._wrong(
                "#",
                "required key [openapi] not found",
                'Start the document with openapi: "3.0.3" (or swagger: "2.0").',
            )
            return False
        if not _VERSIONS[name].fullmatch(str(given)):
            message = f"version {str(given)[:20]} is not read"
            self._wrong(
                below("#", name), message, "OpenAPI 3.0 to 3.2 and Swagger 2.0 are."
            )
        return name == "swagger"

    def _top_level(self, *, is_swagger: bool) -> None:
        known = _OF_OPENAPI
        if is_swagger:
            known = _OF_SWAGGER
        for name in self.data:
            if name not in known | _OF_EDITORS and not name.startswith("x-"):
                message = f"extraneous key [{name[:60]}] is not permitted"
                self._wrong(below("#", name), message, _instead(name, known))

    def _base_path(self, *, is_swagger: bool) -> tuple[str, str]:
        name = "x-wso2-basePath"
        if is_swagger:
            name = "basePath"
        text = self.data.get(name)
        if not isinstance(text, str) or not text.startswith("/"):
            return "", "#/info/title"
        return text.rstrip("/"), below("#", name)

    def _no_operations(self) -> str:
        if not self.data.get("paths") and self.data.get("webhooks"):
            return (
                "the definition has webhooks only: calls that the provider sends,"
                " with nothing for a gateway to serve"
            )
        return "the definition has no operations"

    # servers

    def _swagger_servers(self) -> tuple[Server, ...]:
        host = self._member(self.data, "host", str, "#")
        schemes = self._member(self.data, "schemes", list, "#")
        base_path = self._member(self.data, "basePath", str, "#")
        return (swagger_server(host or "", base_path or "", schemes or []),)

    def _servers(self, owner: dict[str, Any], pointer: str) -> tuple[Server, ...]:
        listed = self._member(owner, "servers", list, pointer)
        if not listed:
            # OpenAPI 3.1 §4.8.1: without servers, the document's own place is meant.
            if owner is self.data:
                return (Server(pointer, "/"),)
            return ()
        found = []
        self._objects(listed, below(pointer, "servers"))
        for here, item in servers_of(owner, pointer):
            self._member(item, "variables", dict, here)
            url = self._member(item, "url", str, here, required=True)
            if url is not None:
                found.append(server(item, url, below(here, "url")))
        return tuple(found)

    def _objects(self, listed: list[Any], pointer: str) -> None:
        """Every item of a list must be an object."""
        for index, item in enumerate(listed):
            if not isinstance(item, dict):
                message = f"expected type: JSONObject, found: {_name(item)}"
                self._wrong(below(pointer, index), message)

    # security

    def _security_schemes(self, *, is_swagger: bool) -> Security:
        pointer = (
            "#/securityDefinitions" if is_swagger else "#/components/securitySchemes"
        )
        declared = mapping(self._at(pointer))
        schemes = {
            name: scheme(followed(self.data, item)) for name, item in declared.items()
        }
        return Security(schemes, pointer)

    def _requirements(self, owner: dict[str, Any], pointer: str) -> list[Any] | None:
        """`security` of the document or an operation, checked; None when it is absent."""
        requirements: list[Any] | None = self._member(owner, "security", list, pointer)
        here = below(pointer, "security")
        self._objects(requirements or [], here)
        for index, requirement in enumerate(requirements or []):
            for name in mapping(requirement):
                self._scope_texts(requirement, name, below(here, index))
        return requirements

    def _scope_texts(
        self, requirement: dict[str, Any], name: str, pointer: str
    ) -> None:
        for item in self._member(requirement, name, list, pointer) or ():
            if not isinstance(item, str):
                message = f"expected type: String, found: {_name(item)}"
                self._wrong(below(pointer, name), message, "Write the scopes as texts.")
                return

    # operations

    def _operations(self, security: Security) -> Iterator[DefinitionOperation]:
        requirements = self._requirements(self.data, "#")
        for path, item in self._paths():
            pointer = below("#/paths", path)
            found = self._resolved(item, pointer)
            if found is None:
                continue
            servers = self._servers(found, pointer)
            for method in self._methods(path, found, pointer):
                yield from self._operation(
                    path, method, found, pointer, servers, requirements, security
                )

    def _paths(self) -> Iterator[tuple[str, Any]]:
        """Path and path item; a path that does not start with / is noted."""
        required = not {"webhooks", "components"} & self.data.keys()
        paths = self._member(self.data, "paths", dict, "#", required=required)
        for path, item in (paths or {}).items():
            if path.startswith("/"):
                yield path, item
            elif not path.startswith("x-") and path != "<<":
                message = f"path [{path[:80]}] is left out: it does not start with /"
                self._left_out(below("#/paths", path), message, f"Write /{path[:80]}.")

    def _methods(self, path: str, item: dict[str, Any], pointer: str) -> Iterator[str]:
        """The members of a path item that are operations; the others are noted."""
        for name in item:
            here = below(pointer, name)
            if name in _METHODS:
                yield name
            elif name.lower() in _METHODS:
                self._left_out(
                    here,
                    f"{name} of {path[:80]} is read as {name.lower()}",
                    f"Write {name.lower()}: names are case-sensitive.",
                )
                yield name
            elif name.lower() in _NOT_ROUTED:
                self._not_routed(here, name, path)
            elif name not in _OF_PATH_ITEMS and not name.startswith("x-"):
                self._left_out(
                    here,
                    f"{name[:60]} of {path[:80]} is left out: it is not a method",
                    f"Use one of: {', '.join(_METHODS)}.",
                )
        for name in mapping(item.get("additionalOperations")):
            self._not_routed(
                below(below(pointer, "additionalOperations"), name), name, path
            )

    def _not_routed(self, pointer: str, method: str, path: str) -> None:
        verbs = ", ".join(name.upper() for name in _METHODS)
        self._left_out(
            pointer,
            f"{method.upper()[:60]} {path[:80]} is left out",
            f"The gateway routes {verbs}.",
        )

    def _resolved(self, item: Any, pointer: str) -> dict[str, Any] | None:
        """The path item, through local references.

        The members beside a reference count too (OpenAPI 3.1 §4.8.9).
        """
        beside: dict[str, Any] = {}
        for _ in range(MAX_REFERENCES):
            if not isinstance(item, dict):
                self._wrong(
                    pointer,
                    f"expected type: JSONObject, found: {_name(item)}",
                    "Write the operations of this path below it.",
                )
                return None
            reference = item.get("$ref")
            beside = {
                **{name: value for name, value in item.items() if name != "$ref"},
                **beside,
            }
            if reference is None:
                return beside
            target = None
            if isinstance(reference, str):
                target = self._at(reference)
            if target is None:
                self._wrong(
                    below(pointer, "$ref"),
                    f"reference [{str(reference)[:80]}] leads nowhere",
                    "References inside the document are followed;"
                    " references to other files are not.",
                )
                return None
            item = target
        self._wrong(
            below(pointer, "$ref"),
            "reference leads through too many others, or to itself",
            "Point at the path item.",
        )
        return None

    def _at(self, reference: str) -> Any:
        return target_of(self.data, reference)

    def _operation(
        self,
        path: str,
        method: str,
        item: dict[str, Any],
        pointer: str,
        servers: tuple[Server, ...],
        requirements: list[Any] | None,
        security: Security,
    ) -> Iterator[DefinitionOperation]:
        operation = self._member(item, method, dict, pointer)
        if operation is None:
            return
        here = below(pointer, method)
        own = self._requirements(operation, here)
        name = f"{method.upper()} {path[:80]}"
        place = "#/security" if own is None else below(here, "security")
        needed = own
        if own is None:
            needed = requirements
        access = security.access(needed, _own_scopes(operation), place, name)
        if access.fault:
            self._left_out(
                here, f"{name} is left out: {access.fault}", "Mend the definition."
            )
            return
        kind = operation.get("x-auth-type", self.data.get("x-auth-type", ""))
        yield DefinitionOperation(
            target=path,
            verb=method.upper(),
            secured=access.secured and str(kind).lower() != "none",
            scopes=access.scopes,
            scope_alternatives=access.alternatives,
            servers=self._servers(operation, here) or servers,
            pointer=here,
            path_pointer=pointer,
        )


def _own_scopes(operation: dict[str, Any]) -> tuple[str, ...]:
    """`x-scope` of an operation: a list, or a text with commas.

    It is read where no security scheme has scopes.
    """
    given = operation.get("x-scope")
    listed = texts([given] if isinstance(given, str) else given)
    words = " ".join(listed).replace(",", " ").split()
    return tuple(dict.fromkeys(words))


def _instead(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name[:60], known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    return "Remove it; names of extensions begin with x-."


def _name(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)
