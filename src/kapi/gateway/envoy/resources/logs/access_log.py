"""The access log: a JSON line for each call, written by Envoy. Pure.

Two loggers write to one file. Calls that passed get a short line, since most calls pass and each
field costs CPU time. Calls that were refused or failed, and those that the backend answered with an
error, get the code, the reason and its facts as well.

No query and no header of the caller but the user agent: those may contain credentials.

What a field costs, in Envoy's instructions: a claim or route metadata 13,000, but 1,500 as a text,
which a field of two variables is. To leave out empty fields costs 8,000 in all, so lines of calls
that passed have `-` or `null` there; `gateway/calls/lines.py` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapi.apis.ir import Api
from kapi.gateway.envoy.resources.logs import reasons
from kapi.gateway.envoy.resources.logs.labels import fields_of, label
from kapi.gateway.envoy.resources.names import URL_HEADER, typed
from kapi.jose.claim_names import CLIENT_CLAIMS
from kapi.policies.callers.scopes import METADATA as SCOPES
from kapi.policies.rbac import CLAIMS, FACTS, JWT_FILTER

METADATA = "kapi.api"
"""Route metadata: which API and operation a route is of. For spans."""
_NONE = "%TRAILER(-)%"
"""Never there, so left out. A field of two variables is a text."""
_EMPTY = "%REQ(:METHOD):0%"
"""The same for lines in which nothing is left out: no character of what each of them has."""
_APPLICATION = (
    ("FILTER_STATE", "wasm.kapi.application:PLAIN"),
    ("DYNAMIC_METADATA", f"{FACTS}:application_name"),
)
_TOKEN = f"{JWT_FILTER}:{CLAIMS}"
_NOT_OK = (
    *("INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "PERMISSION_DENIED"),
    *(
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
    ),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", "CANCELED"),
)
"""Statuses of gRPC calls that did not pass. A call that is not gRPC has the status UNKNOWN."""

_IS_GRPC: dict[str, Any] = {
    "name": "content-type",
    "string_match": {"prefix": "application/grpc"},
}


def labelled(
    routes: Iterable[dict[str, Any]], api: Api, *, spans: bool
) -> list[dict[str, Any]]:
    """The routes of an API, each with its API, and its operation if its name has one.

    In the name of the route for the access log, and with `spans` as metadata too.
    """
    return [_labelled(route, api, spans=spans) for route in routes]


def _labelled(route: dict[str, Any], api: Api, *, spans: bool) -> dict[str, Any]:
    _, _, operation = route.get("name", "").partition(f"{api.id}:")
    operation = operation.replace(":", " ", 1)
    name = label(api.organization, api.name, api.version, operation)
    if not spans:
        return {**route, "name": name}
    metadata = route.get("metadata", {}).get("filter_metadata", {})
    more = {**metadata, METADATA: dict(fields_of(name))}
    return {**route, "name": name, "metadata": {"filter_metadata": more}}


def access_logs(path: str) -> list[dict[str, Any]]:
    """The access logs of the listener: one for calls that succeeded, one for all others."""
    passed = {
        "and_filter": {
            "filters": [_status("GE", 100), _status("LE", 399), _grpc_passed()]
        }
    }
    other = {
        "or_filter": {
            "filters": [_status("LE", 99), _status("GE", 400), _grpc_failed()]
        }
    }
    short = {name: value.replace(_NONE, _EMPTY) for name, value in _line().items()}
    return [
        _logger(
            "passed", path, passed, {**short, "decision": reasons.ALLOWED}, omit=False
        ),
        _logger("not_passed", path, other, {**_line(), **_why()}, omit=True),
    ]


def _logger(
    name: str, path: str, which: dict[str, Any], line: dict[str, str], *, omit: bool
) -> dict[str, Any]:
    cel = {
        "name": "envoy.formatter.cel",
        "typed_config": typed("envoy.extensions.formatter.cel.v3.Cel"),
    }
    form: dict[str, Any] = {"json_format": line}
    if omit:
        form["omit_empty_values"] = True
    if any("%CEL(" in value for value in line.values()):
        form["formatters"] = [cel]
    config = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format=form,
    )
    return {"name": name, "filter": which, "typed_config": config}


def _status(op: str, value: int) -> dict[str, Any]:
    number = {"default_value": value, "runtime_key": f"kapi.access_log.{op}.{value}"}
    return {"status_code_filter": {"comparison": {"op": op, "value": number}}}


def _grpc_passed() -> dict[str, Any]:
    """The content type decides for most calls: to find a status costs ten times as much."""
    other = {"header_filter": {"header": {**_IS_GRPC, "invert_match": True}}}
    passed = {"grpc_status_filter": {"statuses": list(_NOT_OK), "exclude": True}}
    return {"or_filter": {"filters": [other, passed]}}


def _grpc_failed() -> dict[str, Any]:
    failed = {"grpc_status_filter": {"statuses": list(_NOT_OK)}}
    return {
        "and_filter": {
            "filters": [{"header_filter": {"header": dict(_IS_GRPC)}}, failed]
        }
    }


def _line() -> dict[str, str]:
    """The fields of every line."""
    return {
        "time": "%START_TIME%",
        "request_id": "%RESP(X-REQUEST-ID)%",
        # Organization, API, version and operation.
        "route": "%ROUTE_NAME%",
        "method": "%REQ(:METHOD)%",
        "url": f"%REQ({URL_HEADER})%",
        "status": "%RESPONSE_CODE%",
        "consumer": _first_claim(CLIENT_CLAIMS) + _NONE,
        "subject": f"%DYNAMIC_METADATA({_TOKEN}:sub)%{_NONE}",
        "application": _first(_APPLICATION) + _NONE,
        "microseconds": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "upstream": "%UPSTREAM_HOST%",
        "upstream_microseconds": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "peer": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        # Of an answer of an AI provider: `say_usage` of `wasm/admission/src/filter.rs`.
        "usage": "%FILTER_STATE(wasm.kapi.usage:PLAIN)%",
        # Of an answer that the definition does not describe: `wasm/validation/src/filter.rs`.
        "answer_fault": "%FILTER_STATE(wasm.kapi.answer_fault:PLAIN)%",
    }


def _why() -> dict[str, str]:
    """The decision, its reason, and the facts that it comes from."""
    return {
        "decision": f"%CEL({reasons.decision()})%",
        "code": (
            "%FILTER_STATE(wasm.kapi.code:PLAIN)%%DYNAMIC_METADATA(kapi.reply:code)%"
            f"%CEL({reasons.code()})%"
        ),
        "reason": (
            "%FILTER_STATE(wasm.kapi.reason:PLAIN)%%DYNAMIC_METADATA(kapi.reply:reason)%"
            + "".join(f"%CEL({part})%" for part in reasons.words())
        ),
        "details": f"%CEL({reasons.details()})%",
        "grpc_status": "%GRPC_STATUS_NUMBER%",
        "flags": "%RESPONSE_FLAGS%",
        "needed_scopes": f"%METADATA(ROUTE:{SCOPES}:scope)%{_NONE}",
        "scopes": f"%DYNAMIC_METADATA({_TOKEN}:scope)%",
        "issuer": f"%DYNAMIC_METADATA({_TOKEN}:iss)%",
        "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "protocol": "%PROTOCOL%",
        "user_agent": "%REQ(USER-AGENT)%",
    }


def _first_claim(names: tuple[str, ...]) -> str:
    """The first of these claims that the token has."""
    return _first(tuple(("DYNAMIC_METADATA", f"{_TOKEN}:{name}") for name in names))


def _first(variables: tuple[tuple[str, str], ...]) -> str:
    """The first of these variables that has a value."""
    operators = ",".join(
        f'{{"command":"{command}","param":"{value}"}}' for command, value in variables
    )
    return f'%COALESCE({{"operators":[{operators}]}})%'
