"""The operations of a REST API as tools of an MCP server (apk-conf `mcp`). For `compile.py`. Pure.

Names, descriptions and schemas are those of the OpenAPI document. References are replaced by what
they lead to, because a tool's schema must be complete in itself (MCP, tools, inputSchema).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from kapi.apis import report as codes
from kapi.apis.definitions.openapi_operations import JSON, OpenApiReader
from kapi.apis.ir_mcp import McpTool
from kapi.apis.model.rules import plain_target, target_key
from kapi.apis.reserved_headers import may_hold_claim, usual
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic
from kapi.typed import mapping

if TYPE_CHECKING:
    from kapi.apis.ir_mcp import McpListed
    from kapi.apis.model.conf import ApiConf, OperationConf

FIELD: Final = "mcp"
PATH: Final = "/mcp"
"""Where the API answers as an MCP server, below its base path."""
MOST_TOOLS: Final = 200
_LONGEST_NAME: Final = 64
_LONGEST_DESCRIPTION: Final = 2000
_LARGEST_TOOL: Final = 64_000
_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH")
_STYLES: Final = {"path": "simple", "header": "simple", "query": "form"}
"""The style of a parameter that names none (OpenAPI 3.1 §4.8.12)."""
_LETTERS: Final = {
    ("path", "simple", False): "p",
    ("header", "simple", False): "h",
    ("query", "form", False): "q",
    ("query", "form", True): "q",
}
"""Place, style and whether it is a list → where an argument goes."""
_OTHER: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_SOURCE: Final = "apkConfiguration"


class _Unsupported(Exception):
    """Why an operation cannot be a tool."""


@dataclass(slots=True)
class Tools:
    """The tools of a conf, its mistakes, and warnings about operations that are not tools."""

    found: tuple[McpTool, ...] = ()
    listed: tuple[McpListed, ...] = ()
    """What several MCP servers have besides tools."""
    mistakes: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)


def is_wanted(conf: ApiConf) -> bool:
    """Whether the API or one of its operations asks for tools."""
    return bool(conf.field(FIELD)) or any(item.field(FIELD) for item in conf.operations)


def tools_of(conf: ApiConf, document: Mapping[str, Any] | None) -> Tools:
    """The tools of an API whose definition is this OpenAPI document."""
    result = Tools()
    if not is_wanted(conf):
        return result
    _check_path(conf, result)
    source = OpenApiReader(document or {})
    reader = _Reader(source)
    known = source.operations
    names: dict[str, None] = {}
    tools = []
    for operation in conf.operations:
        tool = _tool(conf, operation, known, reader, result)
        if tool is not None:
            tools.append(_renamed(tool, names))
        if len(tools) > MOST_TOOLS:
            break
    if len(tools) > MOST_TOOLS:
        message = (
            f"more than {MOST_TOOLS} operations are tools; at most {MOST_TOOLS} can be"
        )
        hint = "Set mcp: true for chosen operations only, instead of the API."
        result.mistakes.append(
            Diagnostic(codes.LIMIT, message, hint, "#/mcp", source=_SOURCE)
        )
    result.found = tuple(tools)
    return result


def _check_path(conf: ApiConf, result: Tools) -> None:
    for operation in conf.operations:
        if target_key(operation.target) == PATH:
            message = f"an API with tools answers at {PATH} itself"
            result.mistakes.append(
                _diagnostic(operation, message, "Choose another target.")
            )


def _tool(
    conf: ApiConf,
    operation: OperationConf,
    known: Mapping[tuple[str, str], dict[str, Any]],
    reader: _Reader,
    result: Tools,
) -> McpTool | None:
    chosen = operation.field(FIELD)
    wanted = chosen
    if chosen is None:
        wanted = conf.field(FIELD)
    if not wanted:
        return None
    named = f"{operation.verb} {operation.target}"
    found = known.get((operation.verb, target_key(operation.target)))
    try:
        if operation.verb not in _METHODS:
            raise _Unsupported(f"its method is none of {', '.join(_METHODS)}")
        if found is None:
            raise _Unsupported("the definition does not have it")
        return reader.tool(operation, found)
    except _Unsupported as why:
        message = f"{named} is not a tool: {why}"
        hint = "Correct the definition, or set mcp: false for the operation."
        if chosen:
            result.mistakes.append(_diagnostic(operation, message, hint))
        else:
            result.warnings.append(_diagnostic(operation, message, hint, "warning"))
        return None


def _diagnostic(
    operation: OperationConf,
    message: str,
    hint: str,
    severity: Literal["error", "warning"] = "error",
) -> Diagnostic:
    mark = operation.mark
    place = (mark.pointer, mark.line, mark.column)
    return Diagnostic(codes.COMBINATION, message, hint, *place, severity, _SOURCE)


def _renamed(tool: McpTool, names: dict[str, None]) -> McpTool:
    """The tool with a name that no other tool has."""
    name, number = tool.name, 2
    while name in names:
        name, number = f"{tool.name[: _LONGEST_NAME - 4]}_{number}", number + 1
    names[name] = None
    return replace(tool, name=name)


class _Reader:
    """Makes tools of the operations of one OpenAPI document."""

    def __init__(self, source: OpenApiReader) -> None:
        self._source = source

    def tool(self, conf: OperationConf, operation: dict[str, Any]) -> McpTool:
        """One operation as a tool. Raises _Unsupported."""
        arguments = _Arguments()
        for parameter in self._source.parameters(operation):
            arguments.add(parameter, self._source.parameter_schema(parameter))
        media_type = self._body(operation, arguments)
        name = _OTHER.sub("_", str(operation.get("operationId") or ""))[:_LONGEST_NAME]
        if not name:
            words = f"{conf.verb.lower()}{conf.target}"
            name = _OTHER.sub("_", words).strip("_")[:_LONGEST_NAME]
        shown = {
            **_described(operation),
            "inputSchema": arguments.schema,
            **self._output(operation),
            "annotations": _annotations(conf.verb),
        }
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        if len(text) > _LARGEST_TOOL:
            raise _Unsupported(f"its schemas have more than {_LARGEST_TOOL} characters")
        # The conf may name the parameters of the path otherwise than the definition.
        target = _with_names(conf.target, str(operation["path"]))
        template = (conf.verb, target, media_type, *arguments.template)
        return McpTool(name, conf.verb, conf.target, template, text)

    def _body(self, operation: dict[str, Any], arguments: _Arguments) -> str:
        """Adds the body as an argument; its media type, or an empty text."""
        body = mapping(self._source.followed(operation.get("requestBody")))
        if not body:
            return arguments.add_swagger_body(self._source.schema)
        for media_type, item in mapping(body.get("content")).items():
            if JSON.match(media_type):
                schema = self._source.schema(mapping(item).get("schema"))
                arguments.add_body(schema, required=body.get("required") is True)
                return str(media_type)
        if body.get("required") is True:
            raise _Unsupported("its body is not JSON")
        return ""

    def _output(self, operation: dict[str, Any]) -> dict[str, Any]:
        """The schema of the result, if every success has one and they are the same."""
        responses = mapping(operation.get("responses"))
        successes = []
        for status, given in responses.items():
            if str(status).startswith("2"):
                successes.append(given)
        found = [
            self._response(mapping(self._source.followed(item))) for item in successes
        ]
        if not found:
            return {}
        first = found[0]
        if not first or found.count(first) < len(found):
            return {}
        if first.get("type") == "object":
            return {"outputSchema": first}
        wrapped = {
            "type": "object",
            "properties": {"result": first},
            "required": ["result"],
        }
        return {"outputSchema": wrapped}

    def _response(self, response: dict[str, Any]) -> dict[str, Any]:
        """The schema of an answer in JSON and nothing else; empty for any other."""
        content = mapping(response.get("content"))
        if not content:
            # Swagger 2.0 has the schema in the response itself.
            return self._source.schema(response.get("schema"))
        schemas = []
        for name, item in content.items():
            if JSON.match(name):
                schemas.append(item.get("schema"))
        if len(content) == len(schemas) == 1:
            return self._source.schema(schemas[0])
        return {}


_CONTROL: Final = frozenset("\t\n\r")


@dataclass(slots=True)
class _Arguments:
    """The arguments of a tool, and where each goes."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    template: list[str] = field(default_factory=list)
    swagger_body: dict[str, Any] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the tool's arguments."""
        made: dict[str, Any] = {"type": "object", "properties": self.properties}
        if self.required:
            made["required"] = self.required
        return {**made, "additionalProperties": False}

    def add(self, parameter: dict[str, Any], schema: dict[str, Any]) -> None:
        """One parameter. Raises _Unsupported if a required one cannot be sent."""
        name, place = parameter["name"], str(parameter.get("in"))
        needed = parameter.get("required") is True
        if place == "body":
            self.swagger_body = parameter
            return
        letter = _letter(parameter, place, schema)
        if letter is None:
            if needed:
                raise _Unsupported(
                    f"its parameter {name[:80]} in {place} is not supported"
                )
            return
        described = parameter.get("description")
        if isinstance(described, str) and "description" not in schema:
            schema = {**schema, "description": described[:_LONGEST_DESCRIPTION]}
        argument = name
        if name in self.properties:
            argument = f"{name}_{place}"
        if not _CONTROL.isdisjoint(name):
            raise _Unsupported("the name of a parameter has control characters")
        self._keep(letter, name, argument, schema, required=needed or place == "path")

    def add_body(self, schema: dict[str, Any], *, required: bool) -> None:
        """The body of the request."""
        argument = "request_body"
        if "body" not in self.properties:
            argument = "body"
        self._keep("b", "", argument, schema, required=required)

    def add_swagger_body(self, converted: Any) -> str:
        """The body parameter of Swagger 2.0; its media type, or an empty text."""
        if self.swagger_body is None:
            return ""
        needed = self.swagger_body.get("required") is True
        self.add_body(converted(self.swagger_body.get("schema")), required=needed)
        return "application/json"

    def _keep(
        self,
        letter: str,
        name: str,
        argument: str,
        schema: dict[str, Any],
        *,
        required: bool,
    ) -> None:
        self.properties[argument] = schema
        if required:
            self.required.append(argument)
        self.template += [letter.upper() if required else letter, name, argument]


def _letter(
    parameter: dict[str, Any], place: str, schema: dict[str, Any]
) -> str | None:
    """Where an argument goes, as `wasm/admission/src/mcp_tools.rs` reads it; None if it cannot."""
    style = str(parameter.get("style", _STYLES.get(place)))
    letter = _LETTERS.get((place, style, bool(schema.get("type") == "array")))
    if schema.get("type") == "object" or "content" in parameter:
        return None
    if letter == "h" and not may_hold_claim(usual(parameter["name"])):
        return None
    if letter == "q" and _is_joined(parameter):
        return "c"
    return letter


def _is_joined(parameter: dict[str, Any]) -> bool:
    return (
        parameter.get("explode") is False or parameter.get("collectionFormat") == "csv"
    )


def _with_names(target: str, path: str) -> str:
    """The target with the names that the path of the definition has for its parameters."""
    names = iter(re.findall(r"\{[^{}/]*\}", plain_target(path)))
    return re.sub(r"\{[^{}/]*\}", lambda match: next(names, match.group()), target)


def _described(operation: dict[str, Any]) -> dict[str, Any]:
    summary = _text_of(operation, "summary")
    texts = list(filter(None, (summary, _text_of(operation, "description"))))
    made: dict[str, Any] = {}
    if summary:
        made["title"] = summary[:120]
    if texts:
        made["description"] = "\n\n".join(dict.fromkeys(texts))[:_LONGEST_DESCRIPTION]
    return made


def _text_of(operation: dict[str, Any], field: str) -> str:
    """A field with a text; empty if it is blank or not a text."""
    value = operation.get(field)
    if isinstance(value, str) and value.strip():
        return value
    return ""


def _annotations(verb: str) -> dict[str, bool]:
    """What RFC 9110 §9.2 says of the method."""
    return {
        "readOnlyHint": verb == "GET",
        "destructiveHint": verb in ("DELETE", "PUT", "PATCH"),
        "idempotentHint": verb in ("GET", "PUT", "DELETE"),
    }
