"""WebAssembly modules of an API (apk-conf policy `WASMInterceptor`): Proxy-Wasm filters in Envoy.

Each API has a virtual machine of its own. The gateway fetches a module when the API is deployed
and pins its bytes (`gateway.deployment.modules`). A module may read and change the calls of its
operations, keep data shared by the API's own calls, log, and answer. It may call no other host,
and no call may leave its route.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any, ClassVar, Final

from kapi.addresses import url_parts
from kapi.apis import report as codes
from kapi.apis.conf.nodes import text_at
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, SCRIPT_NAME, Either, Items, Record, Text
from kapi.apis.model.conf import ApiConf, Fields, OperationConf, PolicyConf
from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.admission import ON
from kapi.policies.composite import BY_ROUTE, on_route
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, NotPossible
from kapi.policies.lua import script

name = "wasm_modules"
phase = Phase.MEDIATE

FILTER = "kapi.wasm"
_EXTENSIONS = "type.googleapis.com/envoy.extensions."
_GUARD = {
    "@type": _EXTENSIONS + "filters.http.lua.v3.Lua",
    "default_source_code": {"inline_string": script("guard")},
    "clear_route_cache": False,
}
GUARD_BEFORE, GUARD_AFTER = "kapi.guard.before", "kapi.guard.after"
filters = (
    HttpFilter(phase, GUARD_BEFORE, _GUARD, disabled=True),
    HttpFilter(phase, FILTER, BY_ROUTE, disabled=True),
    HttpFilter(Phase.LAST, GUARD_AFTER, _GUARD, disabled=True),
)

_LIFE = (
    *(
        "malloc",
        "main",
        "_start",
        "_initialize",
        "proxy_on_memory_allocate",
        "proxy_on_context_create",
        "proxy_on_vm_start",
    ),
    *(
        "proxy_on_configure",
        "proxy_validate_configuration",
        "proxy_on_tick",
        "proxy_on_done",
        "proxy_on_log",
        "proxy_on_delete",
    ),
    *(
        "proxy_done",
        "proxy_set_effective_context",
        "proxy_set_tick_period_milliseconds",
    ),
)
_CALLS = tuple(
    f"proxy_on_{flow}_{part}"
    for flow in ("request", "response")
    for part in ("headers", "body", "trailers")
)
_MESSAGES = (
    *(
        f"proxy_{verb}_header_map_{what}"
        for verb in ("get", "set")
        for what in ("pairs",)
    ),
    *(f"proxy_{verb}_header_map_value" for verb in ("get", "add", "replace", "remove")),
    *(
        "proxy_get_header_map_size",
        "proxy_get_buffer_bytes",
        "proxy_get_buffer_status",
        "proxy_set_buffer_bytes",
    ),
    *(
        "proxy_send_local_response",
        "proxy_continue_stream",
        "proxy_close_stream",
        "proxy_continue_request",
        "proxy_continue_response",
    ),
)
_OWN = (
    *(
        "proxy_log",
        "proxy_get_log_level",
        "proxy_get_status",
        "proxy_get_property",
        "proxy_set_property",
    ),
    *(
        "proxy_get_current_time_nanoseconds",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
    ),
)
_WASI = (
    *(
        "fd_write",
        "fd_read",
        "fd_seek",
        "fd_close",
        "fd_fdstat_get",
        "environ_get",
        "environ_sizes_get",
        "args_get",
        "args_sizes_get",
    ),
    *("clock_time_get", "random_get", "proc_exit", "sched_yield", "poll_oneoff"),
)
ALLOWED = (*_LIFE, *_CALLS, *_MESSAGES, *_OWN, *_WASI)
"""Not: calls over HTTP and gRPC, queues and metrics (other APIs' too), and Envoy's own extras."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module.

    `file` is empty until the gateway has fetched and pinned it; `sha256` is what the conf
    insists on, or empty.
    """

    name: str
    root_id: str
    url: str
    sha256: str = ""
    config: str = ""
    fail_open: bool = False
    host_keys: tuple[str, ...] = ()
    file: str = ""
    mark: Mark = field(
        default=Mark(), compare=False, repr=False, metadata={"hidden": True}
    )


@dataclass(frozen=True, slots=True)
class WasmModules:
    """The modules of one operation in the order of a request; for a response, reversed."""

    policy: ClassVar[str] = name
    modules: tuple[Module, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> WasmModules | None:
    """A module in both lists is one module."""
    lists = (
        conf.policies.request,
        conf.policies.response,
        operation.policies.request,
        operation.policies.response,
    )
    found = tuple(dict.fromkeys(map(_module, _items(lists))))
    if found:
        return WasmModules(found)
    return None


def _items(lists: Iterable[Iterable[PolicyConf]]) -> Iterable[PolicyConf]:
    return (
        item
        for policies in lists
        for item in policies
        if item.name == "WASMInterceptor"
    )


def _module(item: PolicyConf) -> Module:
    config = item.parameter("config", "")
    return Module(
        name=item.parameter("name"),
        root_id=item.parameter("rootId"),
        url=item.parameter("url", ""),
        sha256=item.parameter("sha256", ""),
        config=json.dumps(_plain(config)) if isinstance(config, Fields) else config,
        fail_open=item.parameter("failOpen", default=False),
        host_keys=tuple(item.parameter("hostKeys", ())),
        mark=item.mark,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Fields):
        return {key: _plain(item) for key, item in value.items}
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def envoy(node: WasmModules, place: Place) -> EnvoyRoute:
    """The modules on this route alone, between the two guards."""
    filters_here = [
        {"name": item.name, "typed_config": _filter(item, place)}
        for item in node.modules
    ]
    per_route = on_route("modules", filters_here)
    limit = {"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes}
    return EnvoyRoute(
        {GUARD_BEFORE: ON, FILTER: per_route, GUARD_AFTER: ON}, route=limit
    )


def kubernetes(node: WasmModules, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """The same modules, which Envoy Gateway fetches; their functions are not restricted."""
    faults = tuple(_faults_on_kubernetes(node.modules))
    if faults:
        return KubernetesRoute(not_possible=faults)
    return KubernetesRoute(wasm=list(map(_on_kubernetes, node.modules)))


def _faults_on_kubernetes(modules: Iterable[Module]) -> Iterator[NotPossible]:
    for item in modules:
        if not item.url.startswith(("http://", "https://")):
            hint = "Publish the module at an https URL."
            yield NotPossible(f"the module {item.name} is a file of this gateway", hint)
        if item.config and not item.config.startswith("{"):
            what = f"the configuration of the module {item.name} is a text"
            yield NotPossible(
                what, "Envoy Gateway passes JSON only: write it as an object."
            )


def _on_kubernetes(item: Module) -> dict[str, Any]:
    source = {"url": item.url, **({"sha256": item.sha256} if item.sha256 else {})}
    module: dict[str, Any] = {
        "name": item.name,
        "rootID": item.root_id,
        "code": {"type": "HTTP", "http": source},
    }
    if item.config:
        module["config"] = json.loads(item.config)
    if item.fail_open:
        module["failOpen"] = True
    if item.host_keys:
        module["env"] = {"hostKeys": list(item.host_keys)}
    return module


def _filter(item: Module, place: Place) -> dict[str, Any]:
    machine: dict[str, Any] = {
        # One machine for each API and module: data that calls share is the API's own.
        "vm_id": f"api/{place.api.organization}/{place.api.id}",
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": item.file}},
    }
    if item.host_keys:
        machine["environment_variables"] = {"host_env_keys": list(item.host_keys)}
    config: dict[str, Any] = {
        "name": item.name,
        "root_id": item.root_id,
        "vm_config": machine,
        "failure_policy": "FAIL_OPEN" if item.fail_open else "FAIL_RELOAD",
        "capability_restriction_config": {
            "allowed_capabilities": {capability: {} for capability in ALLOWED}
        },
    }
    if item.config:
        config["configuration"] = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": item.config,
        }
    return {"@type": _EXTENSIONS + "filters.http.wasm.v3.Wasm", "config": config}


_URL_HINT: Final = (
    "https://host/module.wasm, or file:NAME for a file in gateway.wasm.folder."
)
_FILE_URL: Final = re.compile(r"file:[A-Za-z0-9][A-Za-z0-9._-]*")


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    if "image" in parameters.entries:
        message = "image is not supported: modules do not come from OCI registries"
        place = key_mark(parameters, "image", pointer)
        report.add(codes.NOT_SUPPORTED, message, place, f"Give a url: {_URL_HINT}")
        return
    if "url" not in parameters.entries:
        place = mark(parameters, pointer)
        report.add(
            codes.MISSING, "required key [url] not found", place, f"Give {_URL_HINT}"
        )
        return
    url = text_at(parameters, "url")
    if not _is_module_url(url):
        message = f"url [{url[:80]}] leads to no module"
        place = key_mark(parameters, "url", pointer)
        report.add(codes.ENDPOINT, message, place, f"Write {_URL_HINT}")


def _is_module_url(url: str) -> bool:
    if _FILE_URL.fullmatch(url):
        return True
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    parts = url_parts(url)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and parts.username is None
    )


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            "WASMInterceptor",
            flows=("request", "response"),
            both_levels=True,
            parameters=Record(
                {
                    "name": SCRIPT_NAME,
                    "rootId": Text(1, 256),
                    "url": Text(1, 2048),
                    "sha256": Text(
                        64,
                        64,
                        pattern="[0-9a-f]+",
                        hint=(
                            "Write the SHA-256 of the module: 64 digits of 0-9 and a-f (sha256sum)."
                        ),
                    ),
                    "image": Text(1, 2048),
                    "imagePullPolicy": Text(one_of=("Always", "IfNotPresent")),
                    "config": Either(Record({}, more=True), Text(0, 64 * 1024)),
                    "failOpen": FLAG,
                    "hostKeys": Items(
                        Text(
                            1,
                            256,
                            pattern="[A-Za-z_][A-Za-z0-9_]*",
                            hint="Name a variable: letters, digits and `_`, no digit first.",
                        )
                    ),
                },
                ("name", "rootId"),
            ),
            descriptions={
                "name": "Name of the module.",
                "rootId": "Root id within the module.",
                "url": "Where the module is.",
                "sha256": "Digest of the module, in hexadecimal.",
                "image": "Image that holds the module, for Kubernetes.",
                "imagePullPolicy": "When the image is fetched, for Kubernetes.",
                "config": "Configuration of the module.",
                "failOpen": "true lets requests pass when the module fails. false when left out.",
                "hostKeys": "Environment variables that the module may read.",
            },
            example={
                "name": "module",
                "rootId": "r",
                "url": "https://modules.example/a.wasm",
            },
            check=_check,
        ),
    )
)
