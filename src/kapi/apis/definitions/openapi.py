"""OpenAPI 3.0 and 3.1 and Swagger 2.0, JSON or YAML: the parts that a gateway uses, each checked. Called by `definitions/__init__.py`.

A full validator would cost more than the whole deploy and complain about schemas that nothing here reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.conf import Mark
from kapi.apis.definitions.model import Definition, DefinitionOperation
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import MAX_BYTES, MAX_DEPTH, Mapping, decode, find, plain, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE: Final = "REST"
_METHODS: Final = ("get", "put", "post", "delete", "patch", "options", "head")
_SCOPE_SCHEMES: Final = ("default", "OAuth2Security")
_HEAD: Final = re.compile(rb"""(?m)(^|[{,\s])["']?(openapi|swagger)["']?\s*:""")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_MAX_REFERENCES: Final = 8
_NAMES: Final = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer", float: "Double", type(None): "Null"}


def detect(content: bytes, file_name: str) -> bool:  # noqa: ARG001  the content decides
    """Whether it has an `openapi` or `swagger` key near its start or end (JSON writers put it anywhere)."""
    return bool(_HEAD.search(content[:20_000]) or _HEAD.search(content[-2_000:]))


def parse(content: bytes, report: Report) -> Definition | None:
    """The definition, or None; every mistake goes to the report."""
    data, root = _load(content, report)
    if data is None:
        return None
    document = _Document(data)
    definition = document.read()
    if document.mistakes:
        root = root or read_yaml(content, Report(""))
        for pointer, message, hint in document.mistakes:
            report.add(codes.DEFINITION_CONTENT, message, find(root, pointer) if root else Mark(pointer=pointer), hint)
    return definition


def _load(content: bytes, report: Report) -> tuple[dict[str, Any] | None, Mapping | None]:
    """The document as plain data; JSON goes the fast way, and places are looked up only when there is a mistake."""
    if len(content) <= MAX_BYTES and content.lstrip()[:1] == b"{":
        import orjson

        try:
            data = orjson.loads(content)
        except orjson.JSONDecodeError:
            pass  # YAML in flow style looks like JSON; and its reader tells the place of a mistake
        else:
            return (data, None) if isinstance(data, dict) else (None, None)
    if decode(content, report) is None:
        return None, None
    root = read_yaml(content, report)
    return (None, None) if root is None else (plain(root), root)


@dataclass(slots=True)
class _Document:
    """One document under examination. `mistakes` holds (pointer, message, hint)."""

    data: dict[str, Any]
    mistakes: list[tuple[str, str, str]] = field(default_factory=list)

    def read(self) -> Definition:
        info = self._member(self.data, "info", dict, "#", required=True)
        is_swagger = self._is_swagger()
        servers = self._swagger_servers() if is_swagger else self._servers(self.data, "#")
        base_path = self.data.get("basePath" if is_swagger else "x-wso2-basePath", "")
        base_path = base_path.rstrip("/") if isinstance(base_path, str) and base_path.startswith("/") else ""
        return Definition(
            type=TYPE,
            name="" if info is None else self._text(info, "title", "#/info"),
            version="" if info is None else self._text(info, "version", "#/info"),
            base_path=base_path,
            operations=tuple(self._operations()),
            servers=servers[:1] if servers and servers[0] else (),
        )

    def _wrong(self, pointer: str, message: str, hint: str = "") -> None:
        self.mistakes.append((pointer, message, hint))

    def _member(self, owner: dict[str, Any], name: str, kind: type, pointer: str, *, required: bool = False) -> Any:
        """A member of the right type, or None with the mistake noted."""
        if name not in owner:
            if required:
                self._wrong(pointer, f"required key [{name}] not found", f"Add `{name}`.")
            return None
        value = owner[name]
        if not isinstance(value, kind):
            hint = f'Quote it: "{value}".' if kind is str and isinstance(value, int | float) else ""
            self._wrong(below(pointer, name), f"expected type: {_NAMES[kind]}, found: {_name(value)}", hint)
            return None
        return value

    def _text(self, owner: dict[str, Any], name: str, pointer: str) -> str:
        text: str | None = self._member(owner, name, str, pointer, required=True)
        if text is not None and not text.strip():
            self._wrong(below(pointer, name), "expected minLength: 1, actual: 0", "Write at least one character.")
        return text or ""

    def _is_swagger(self) -> bool:
        name = "swagger" if "swagger" in self.data and "openapi" not in self.data else "openapi"
        given = self.data.get(name)
        if given is None:
            self._wrong("#", "required key [openapi] not found", 'Start the document with openapi: "3.0.3" (or swagger: "2.0").')
            return False
        known = str(given) == "2.0" if name == "swagger" else bool(re.fullmatch(r"3\.[01](\.\d{1,3}(-\w+)?)?", str(given)))
        if not known:
            self._wrong(below("#", name), f"version {str(given)[:20]} is not read", "OpenAPI 3.0, OpenAPI 3.1 and Swagger 2.0 are.")
        return name == "swagger"

    # servers

    def _swagger_servers(self) -> tuple[str, ...]:
        host = self._member(self.data, "host", str, "#")
        schemes = self._member(self.data, "schemes", list, "#")
        base_path = self._member(self.data, "basePath", str, "#") or ""
        if not host:
            return ()
        scheme = "https" if "https" in (schemes or ()) else "http"
        return (f"{scheme}://{host}{base_path.rstrip('/')}",)

    def _servers(self, owner: dict[str, Any], pointer: str) -> tuple[str, ...]:
        """The URLs of `servers`; "" stands for a relative one."""
        found = []
        for index, server in enumerate(self._member(owner, "servers", list, pointer) or ()):
            here = below(below(pointer, "servers"), index)
            if not isinstance(server, dict):
                self._wrong(here, f"expected type: JSONObject, found: {_name(server)}")
                continue
            url = self._member(server, "url", str, here, required=True)
            if url is not None:
                found.append(self._filled(url, server, here))
        return tuple(found)

    def _filled(self, url: str, server: dict[str, Any], pointer: str) -> str:
        variables = self._member(server, "variables", dict, pointer) or {}
        for name in dict.fromkeys(_VARIABLE.findall(url)):
            variable = variables.get(name)
            default = variable.get("default") if isinstance(variable, dict) else None
            if not isinstance(default, str):
                hint = f"Give variables.{name}.default a text." if isinstance(variable, dict) else f"Add variables.{name} with a default."
                self._wrong(below(pointer, "url"), f"server variable {{{name[:60]}}} has no default", hint)
                return ""
            url = url.replace(f"{{{name}}}", default)
        return url if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) else ""

    # operations

    def _operations(self) -> Iterator[DefinitionOperation]:
        security = self._security(self.data, "#")
        for path, item in (self._member(self.data, "paths", dict, "#", required=True) or {}).items():
            pointer = below("#/paths", path)
            if path.startswith("x-"):
                continue
            if not path.startswith("/"):
                self._wrong(pointer, f"path [{path[:80]}] does not start with /", f"Write /{path[:80]}.")
                continue
            item = self._resolved(item, pointer)  # noqa: PLW2901
            if item is None:
                continue
            servers = self._servers(item, pointer)
            for method in item:
                if method in _METHODS:
                    operation = self._operation(path, method, item, pointer, servers, security)
                    if operation is not None:
                        yield operation

    def _resolved(self, item: Any, pointer: str) -> dict[str, Any] | None:
        """The path item, through local references."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(item, dict):
                self._wrong(pointer, f"expected type: JSONObject, found: {_name(item)}", "Write the operations of this path below it.")
                return None
            reference = item.get("$ref")
            if reference is None:
                return item
            target = self._at(reference) if isinstance(reference, str) else None
            if target is None:
                hint = "References inside the document are followed; references to other files are not."
                self._wrong(below(pointer, "$ref"), f"reference [{str(reference)[:80]}] leads nowhere", hint)
                return None
            item = target
        self._wrong(below(pointer, "$ref"), "reference leads through too many others, or to itself", "Point at the path item.")
        return None

    def _at(self, reference: str) -> Any:
        here: Any = self.data
        if not reference.startswith("#/") or reference.count("/") > MAX_DEPTH:
            return None
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            here = here.get(name) if isinstance(here, dict) else None
        return here

    def _operation(
        self, path: str, method: str, item: dict[str, Any], pointer: str, servers: tuple[str, ...], security: tuple[str, ...] | None
    ) -> DefinitionOperation | None:
        operation = self._member(item, method, dict, pointer)
        if operation is None:
            return None
        here = below(pointer, method)
        own_servers = self._servers(operation, here) or servers
        own_security = self._security(operation, here)
        kind = operation.get("x-auth-type", self.data.get("x-auth-type", ""))
        scopes = security if own_security is None else own_security
        return DefinitionOperation(
            target=path,
            verb=method.upper(),
            secured=str(kind).lower() != "none",
            scopes=scopes or (),
            server=own_servers[0] if own_servers else "",
        )

    def _security(self, owner: dict[str, Any], pointer: str) -> tuple[str, ...] | None:
        """The scopes asked for through the schemes that APK reads; None when `security` is absent."""
        requirements = self._member(owner, "security", list, pointer)
        if requirements is None:
            return None
        scopes: dict[str, None] = {}
        for index, requirement in enumerate(requirements):
            here = below(below(pointer, "security"), index)
            if not isinstance(requirement, dict):
                self._wrong(here, f"expected type: JSONObject, found: {_name(requirement)}")
                continue
            for name in requirement:
                listed = self._member(requirement, name, list, here) or []
                strangers = [scope for scope in listed if not isinstance(scope, str)]
                if strangers:
                    self._wrong(below(here, name), f"expected type: String, found: {_name(strangers[0])}", "Write the scopes as texts.")
                elif name in _SCOPE_SCHEMES:
                    scopes.update(dict.fromkeys(listed))
        return tuple(scopes)


def _name(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)
