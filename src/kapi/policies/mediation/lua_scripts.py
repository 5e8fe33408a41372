"""Lua scripts of an API (apk-conf `LuaInterceptor`), each in a sandbox (`lua/sandbox.lua`).

A script sees and changes the calls of its own operation and nothing else: no files, no other
cluster, no other route, no state of another API. One that fails, or runs too long, gives a 500 of
ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import field
from typing import ClassVar

from kapi.apis import report as codes
from kapi.apis.conf.nodes import text_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, NAME, SCRIPT_NAME, Either, Record, Text
from kapi.apis.ir import SecretRef
from kapi.apis.model.conf import ApiConf, Fields, OperationConf, PolicyConf
from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, NotPossible
from kapi.policies.lua import script
from kapi.policies.streams import endless_flows

name = "lua_scripts"
phase = Phase.TRANSFORM
"""The last filter, and none chooses the route again: a changed path leads to no other API."""

FILTER = "kapi.lua"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3."
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": _LUA + "Lua", "clear_route_cache": False},
        disabled=True,
    ),
)
_SANDBOX = script(
    "sandbox_limits", "sandbox_patterns", "sandbox_text", "sandbox_handle", "sandbox"
)
_TEXT = 256 * 1024
"""Bytes of a text that a script may make, besides a body's."""
_KEY = "lua"
"""Key of a script in the secret that `sourceCodeRef` names by a text."""
_NOT_BY_THE_CONTROLLER = "if not jit then return end\nUNCHECKED = true\n"
"""Envoy Gateway runs scripts in an interpreter without LuaJIT, which the sandbox needs."""
_GONE = 'function envoy_on_request() error("its source is gone", 0) end'


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its text, or the named secret that holds it."""

    name: str
    source: str = ""
    ref: SecretRef | None = None
    mark: Mark = field(
        default=Mark(), compare=False, repr=False, metadata={"hidden": True}
    )


@dataclass(frozen=True, slots=True)
class LuaScripts:
    """The scripts of one operation in the order of a request; for a response, reversed."""

    policy: ClassVar[str] = name
    scripts: tuple[Script, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> LuaScripts | None:
    """A script in both lists is one script: it runs in the flows for which it has a function."""
    lists = (
        conf.policies.request,
        conf.policies.response,
        operation.policies.request,
        operation.policies.response,
    )
    found = tuple(
        dict.fromkeys(item for policies in lists for item in _scripts(policies))
    )
    if found:
        return LuaScripts(found)
    return None


def _scripts(policies: Iterable[PolicyConf]) -> Iterable[Script]:
    for item in policies:
        if item.name == "LuaInterceptor":
            ref = item.parameter("sourceCodeRef")
            name = item.parameter("name")
            if isinstance(ref, Fields):
                secret = SecretRef(ref.get("name"), ref.get("key"), item.mark)
                yield Script(name, ref=secret, mark=item.mark)
            elif ref:
                yield Script(name, ref=SecretRef(ref, _KEY, item.mark), mark=item.mark)
            else:
                yield Script(name, item.parameter("sourceCode", ""), mark=item.mark)


def envoy(node: LuaScripts, place: Place) -> EnvoyRoute:
    """The scripts as data, then the sandbox that runs them."""
    per_route = {
        "@type": _LUA + "LuaPerRoute",
        "source_code": {"inline_string": _source(node, place)},
    }
    return EnvoyRoute(
        {FILTER: per_route},
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
    )


def kubernetes(node: LuaScripts, at: KubernetesPlace) -> KubernetesRoute:
    """The scripts in their sandbox, as one script of an EnvoyExtensionPolicy."""
    stored = (
        (item.name, at.place.secret(item.ref)) for item in node.scripts if item.ref
    )
    unknown = [name for name, source in stored if not source]
    if unknown:
        hint = "Give its source in secrets.values, or write it as sourceCode."
        faults = [
            NotPossible(f"the source of the script {name}", hint) for name in unknown
        ]
        return KubernetesRoute(not_possible=tuple(faults))
    source = _NOT_BY_THE_CONTROLLER + _source(node, at.place)
    return KubernetesRoute(lua=[{"type": "Inline", "inline": source}])


def _source(node: LuaScripts, place: Place) -> str:
    items = [_literal(item, place) for item in node.scripts]
    longest = _TEXT + place.gateway.enforcer.max_body_bytes
    endless = ", ".join(f"{flow} = true" for flow in endless_flows(place.operation))
    head = ""
    if endless:
        head = f"ENDLESS = {{{endless}}}\n"
    return (
        f"local LONGEST = {longest}\n{head}SCRIPTS = {{{', '.join(items)}}}\n{_SANDBOX}"
    )


def _literal(item: Script, place: Place) -> str:
    source = item.source
    if item.ref is not None:
        source = place.secret(item.ref) or _GONE
    level = 0
    while f"]{'=' * level}]" in source:
        level += 1
    # Lua drops the first line break of such a string;
    # the last one keeps a `]` of the source from closing it.
    quoted = f"[{'=' * level}[\n{source}\n]{'=' * level}]"
    return f"{{name = {json.dumps(item.name)}, source = {quoted}}}"


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    given = [
        name for name in ("sourceCode", "sourceCodeRef") if name in parameters.entries
    ]
    if len(given) != 1:
        message = "LuaInterceptor needs one of sourceCode and sourceCodeRef"
        hint = (
            "Write the script as sourceCode, or name where it is kept by sourceCodeRef."
        )
        report.add(codes.COMBINATION, message, mark(parameters, pointer), hint)
    source = text_at(parameters, "sourceCode")
    if "\x00" in source or source.lstrip("\r\n").startswith("\x1b"):
        message = "sourceCode is not the text of a script"
        place = key_mark(parameters, "sourceCode", pointer)
        report.add(codes.FORMAT, message, place, "Give the source, not compiled code.")


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            "LuaInterceptor",
            flows=("request", "response"),
            both_levels=True,
            parameters=Record(
                {
                    "name": SCRIPT_NAME,
                    "sourceCode": Text(1, 64 * 1024),
                    "sourceCodeRef": Either(
                        Record({"name": NAME, "key": NAME}, ("name", "key")), NAME
                    ),
                    "mountInConfigMap": FLAG,
                },
                ("name",),
            ),
            descriptions={
                "name": "Name of the script.",
                "sourceCode": "The script itself.",
                "sourceCodeRef": "Where the script is kept.",
                "sourceCodeRef.name": "Name of the secret that holds the script.",
                "sourceCodeRef.key": "Key of the script in the secret.",
                "mountInConfigMap": "For Kubernetes only.",
            },
            example={
                "name": "script",
                "sourceCode": "function envoy_on_request(handle) end",
            },
            check=_check,
        ),
    )
)
