"""The bodies of the gateway's own error responses: APK's (apk-interface §4.3). Pure.

One table; the first match counts. Two shapes, as in APK: `error_message, code, error_description`
for authentication and authorization, `code, message, description` for the router. A deliberate
deviation: a request without a token gets 900902, which APK defines but never sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode
from kapi.gateway.envoy.resources.grpc_replies import (
    STATUS_OF,
    grpc_mapper,
    overwriting,
)
from kapi.gateway.envoy.resources.names import typed
from kapi.policies.admission import FILTER as ADMISSION
from kapi.policies.authentication.challenge import METADATA as ROUTE
from kapi.policies.authentication.challenge import REALM
from kapi.policies.callers.browser_sign_in import METADATA as SIGN_IN
from kapi.policies.callers.scopes import METADATA as SCOPES

_CONTENT_TYPE = "application/json; charset=UTF-8"
_GRAPHQL = "application/graphql-response+json"
_ADVICE = "Make sure you have provided the correct security credentials"
_MISSING = (
    "Missing Credentials. Make sure your API invocation call has a header:"
    " Authorization: Bearer ACCESS_TOKEN"
)
_DENIED = "response.code_details.startsWith('jwt_authn_access_denied{"
_FORBIDDEN = "response.code_details.startsWith('rbac_access_denied')"
_REFUSED = "response.code_details.startsWith('rbac_access_denied_matched_policy["
"""A refusing policy's name begins with the code of its answer."""
_LATE = "response.code_details == 'max_duration_timeout'"
_GIVEN_UP = (
    "response.code_details.startsWith('filter_removed_required_response_headers')"
)
_BASIC = f'Basic {REALM}, charset="UTF-8"'
_SCHEME = f"%METADATA(ROUTE:{ROUTE}:scheme)% {REALM}"
_MORE = f"%METADATA(ROUTE:{ROUTE}:more)%%METADATA(ROUTE:{ROUTE}:other)%"
_SIGN_IN = f"response.code == 401 && '{SIGN_IN}' in xds.route_metadata.filter_metadata"
"""What the filter that signs browsers in refuses, after the rows of all others."""
_NO_SESSION = (
    f"{_SIGN_IN} && (response.code_details.startsWith('Unauthorized, and redirecting')"
    " || response.code_details.startsWith('Failed to refresh'))"
)
_WITH_RESOURCE = (
    f'%METADATA(ROUTE:{ROUTE}:more)%, resource_metadata="https://%REQ(:AUTHORITY)%'
    f'%METADATA(ROUTE:{ROUTE}:resource)%"%METADATA(ROUTE:{ROUTE}:other)%'
)
"""The host is the one that the caller named: one of the names of the virtual host."""
_HAS_RESOURCE = f"xds.route_metadata.filter_metadata['{ROUTE}'].resource != ''"
CHALLENGE = f"{_SCHEME}{_MORE}"
INVALID = f'{_SCHEME}, error="invalid_token"{_MORE}'
_NEEDED = f"%METADATA(ROUTE:{SCOPES}:scope)%"
INSUFFICIENT_SCOPE = f'{_SCHEME}, error="insufficient_scope", scope="{_NEEDED}"{_MORE}'
"""RFC 6750 §3: no error code when no token was sent. Envoy's own challenge would repeat the URL."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A denial by a policy: its condition (CEL over the reply), number and description."""

    when: str
    error: ErrorCode
    description: str
    challenge: str = ""
    """For WWW-Authenticate; empty if other credentials would not help."""


def _refused_by(error: ErrorCode) -> str:
    """Condition of a refusal by a policy whose name begins with the number."""
    return f"{_REFUSED}{error.number}')"


DENIALS = (
    Denial(
        f"{_DENIED}Jwt_is_missing')",
        error_codes.MISSING_CREDENTIALS,
        _MISSING,
        CHALLENGE,
    ),
    Denial(
        f"{_DENIED}Jwt_is_expired')",
        error_codes.TOKEN_EXPIRED,
        "Access Token Expired. Renew the access token and try again",
        INVALID,
    ),
    Denial(
        f"{_DENIED}')",
        error_codes.INVALID_CREDENTIALS,
        f"Invalid Credentials. {_ADVICE}",
        INVALID,
    ),
    Denial(
        _refused_by(error_codes.MISSING_CREDENTIALS),
        error_codes.MISSING_CREDENTIALS,
        _MISSING,
        CHALLENGE,
    ),
    Denial(
        _refused_by(error_codes.RESOURCE_FORBIDDEN),
        error_codes.RESOURCE_FORBIDDEN,
        "Resource forbidden",
    ),
    Denial(
        _refused_by(error_codes.INVALID_CREDENTIALS),
        error_codes.INVALID_CREDENTIALS,
        f"Invalid Credentials. {_ADVICE}",
        INVALID,
    ),
    Denial(
        _refused_by(error_codes.ADDRESS_REFUSED),
        error_codes.ADDRESS_REFUSED,
        "Calls from this address are not allowed",
    ),
    Denial(
        "response.code_details == 'no_credential_for_basic_auth'",
        error_codes.MISSING_CREDENTIALS,
        "Missing Credentials. Send a user name and a password (Authorization: Basic)",
        _BASIC,
    ),
    Denial(
        "response.code_details.endsWith('_for_basic_auth')",
        error_codes.INVALID_CREDENTIALS,
        f"Invalid Credentials. {_ADVICE}",
        _BASIC,
    ),
    Denial(
        "response.code_details == 'ext_authz_error'",
        error_codes.CHECK_FAILED,
        "The authorization service of the API did not answer",
    ),
    Denial(
        _FORBIDDEN,
        error_codes.SCOPE_MISSING,
        "User is NOT authorized to access the Resource: %PATH(NQ:ORIG_OR_PATH)%."
        " Scope validation failed.",
        INSUFFICIENT_SCOPE,
    ),
    Denial(_NO_SESSION, error_codes.MISSING_CREDENTIALS, _MISSING, f"Bearer {REALM}"),
    Denial(
        _SIGN_IN,
        error_codes.INVALID_CREDENTIALS,
        "The sign-in did not succeed. Open the page again to sign in",
        f"Bearer {REALM}",
    ),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A backend or a connection that failed, by Envoy's response flag."""

    flag: str
    error: ErrorCode


FAILURES = (
    Failure("UT", error_codes.UPSTREAM_TIMEOUT),
    # Before URX: the cause of the last attempt says more than the number of attempts.
    Failure("UF", error_codes.UPSTREAM_CONNECTION_FAILED),
    Failure("UO", error_codes.UPSTREAM_OVERFLOW),
    Failure("UR", error_codes.UPSTREAM_RESET),
    Failure("URX", error_codes.UPSTREAM_ATTEMPTS),
    Failure("NC", error_codes.UPSTREAM_NOT_CONFIGURED),
    Failure("UH", error_codes.UPSTREAM_UNHEALTHY),
    Failure("UC", error_codes.UPSTREAM_TERMINATED),
    Failure("LR", error_codes.RESET_BY_GATEWAY),
    Failure("IH", error_codes.INVALID_ENVOY_HEADERS),
    Failure("SI", error_codes.STREAM_IDLE),
    Failure("DPE", error_codes.DOWNSTREAM_PROTOCOL),
    Failure("UPE", error_codes.UPSTREAM_PROTOCOL),
    Failure("UMSDR", error_codes.UPSTREAM_DURATION),
)
"""APK's rows. With two flags at once the first row holds."""

STATUSES = {
    400: ("Bad Request", "The request is not valid HTTP."),
    403: ("Forbidden", "The gateway does not allow this request."),
    404: ("Not Found", "The requested resource is not available."),
    405: ("Method Not Allowed", "The requested resource does not have this method."),
    408: ("Request Timeout", "The request was not received in time."),
    413: ("Payload Too Large", "The request body is larger than the gateway allows."),
    426: ("Upgrade Required", "Use HTTP/1.1 or HTTP/2."),
    431: (
        "Request Header Fields Too Large",
        "The request headers are larger than the gateway allows.",
    ),
    500: ("Internal Server Error", "The gateway could not handle the request."),
    501: ("Not Implemented", "The gateway does not support this request."),
    503: ("Service Unavailable", "The gateway cannot take the request now; try again."),
    504: ("Gateway Timeout", "The backend did not answer in time."),
}


def _each_challenge() -> Iterator[Denial]:
    """The denials; one with a challenge is there for APIs with metadata, then for the others."""
    for item in DENIALS:
        if item.challenge:
            when = f"{item.when} && {_HAS_RESOURCE}"
            yield replace(
                item, when=when, challenge=item.challenge.replace(_MORE, _WITH_RESOURCE)
            )
        yield item


def local_reply_config() -> dict[str, Any]:
    """The connection manager's table: the first match wins."""
    written = [
        _mediation(),
        *map(_denial, _each_challenge()),
        *map(_failure, FAILURES),
        _SLASH,
        *map(_status, STATUSES),
    ]
    graphql = map(_as_graphql, written)
    return {"mappers": [_OPTIONS, *grpc_mappers(), _SAID, *graphql, *written, _ANY]}


def _as_graphql(mapper: dict[str, Any]) -> dict[str, Any]:
    """The same error in the form of GraphQL over HTTP, for a caller of a GraphQL API that reads it.

    `wasm/admission/src/replies.rs` writes the errors of the admission filter in this form.
    """
    body = mapper["body_format_override"]["json_format"]
    words = {name.removeprefix("error_"): text for name, text in body.items()}
    extensions = {"code": words["code"], "title": words["message"]}
    error = {"message": words["description"], "extensions": extensions}
    form = {"json_format": {"errors": [error]}, "content_type": _GRAPHQL}
    conditions = [_SPEAKS_GRAPHQL, mapper["filter"], _OF_GRAPHQL]
    return {
        **mapper,
        "filter": {"and_filter": {"filters": conditions}},
        "body_format_override": form,
    }


def grpc_mappers() -> list[dict[str, Any]]:
    """The same table for gRPC calls: a status of gRPC, and a text as its message."""
    said = [
        grpc_mapper(_cel(f"{_IS_SAID} && response.code == {code}"), code)
        for code in STATUS_OF
    ]
    of_status = [
        grpc_mapper(
            _cel(f"response.code == {code}"), code, f"{code}: {STATUSES[code][1]}"
        )
        for code in STATUSES
    ]
    return [
        *said,
        grpc_mapper(_SAID["filter"]),
        grpc_mapper(_cel(_LATE), 504, "504: The call did not end before its deadline."),
        grpc_mapper(
            _cel(_GIVEN_UP),
            500,
            "%DYNAMIC_METADATA(kapi.reply:code)%: The script failed.",
        ),
        *map(_grpc_denial, _each_challenge()),
        *map(_grpc_failure, FAILURES),
        *of_status,
    ]


def _grpc_denial(item: Denial) -> dict[str, Any]:
    text = f"{item.error.number}: {item.description}"
    return grpc_mapper(_cel(item.when), item.error.status, text, item.challenge)


def _grpc_failure(item: Failure) -> dict[str, Any]:
    flag = {"response_flag_filter": {"flags": [item.flag]}}
    return grpc_mapper(
        flag, item.error.status, f"{item.error.number}: %LOCAL_REPLY_BODY%"
    )


def _mediation() -> dict[str, Any]:
    """A script that fails on a response removes the status, so Envoy drops the response.

    The script leaves a code in the metadata.
    """
    body = {
        "error_message": "Internal Server Error",
        "code": "%DYNAMIC_METADATA(kapi.reply:code)%",
        "error_description": "Internal Server Error",
    }
    return {
        "filter": _cel(_GIVEN_UP),
        "status_code": 500,
        "body_format_override": _json(body),
    }


def _denial(item: Denial) -> dict[str, Any]:
    body = {
        "error_message": item.error.text,
        "code": item.error.number,
        "error_description": item.description,
    }
    mapper = {
        "filter": _cel(item.when),
        "status_code": item.error.status,
        "body_format_override": _json(body),
    }
    if not item.challenge:
        return mapper
    return {
        **mapper,
        "headers_to_add": [overwriting("www-authenticate", item.challenge)],
    }


def _failure(item: Failure) -> dict[str, Any]:
    body = {
        "code": item.error.number,
        "message": item.error.text,
        "description": "%LOCAL_REPLY_BODY%",
    }
    return {
        "filter": {"response_flag_filter": {"flags": [item.flag]}},
        "status_code": item.error.status,
        "body_format_override": _json(body),
    }


def _status(status: int) -> dict[str, Any]:
    message, description = STATUSES[status]
    body = {"code": str(status), "message": message, "description": description}
    return {
        "filter": _cel(f"response.code == {status}"),
        "body_format_override": _json(body),
        "headers_to_add": [_ID],
    }


def _cel(expression: str) -> dict[str, Any]:
    config = typed(
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=expression,
    )
    return {"extension_filter": {"name": "cel", "typed_config": config}}


def _json(body: dict[str, str]) -> dict[str, Any]:
    return {"json_format": body, "content_type": _CONTENT_TYPE}


_SPEAKS_GRAPHQL = {
    "header_filter": {
        "header": {"name": "accept", "string_match": {"contains": _GRAPHQL}}
    }
}
_OF_GRAPHQL = _cel(
    f"xds.route_metadata.filter_metadata['{ADMISSION}'].plan.startsWith('kind\\tgraphql')"
)
_ID = {
    "header": {"key": "x-request-id", "value": "%UNIQUE_ID%"},
    "append_action": "ADD_IF_ABSENT",
}
"""For responses before the request has an id: headers too large, a redirect of escaped slashes."""
_REFUSED_PATH = {
    "code": "400",
    "message": "Bad Request",
    "description": "The path has an escaped slash, which this API does not take.",
}
_SLASH = {
    "filter": _cel(
        "response.code == 400 && response.code_details == 'direct_response'"
    ),
    "body_format_override": _json(_REFUSED_PATH),
}
"""See `slashes.py`."""
_OPTIONS = {
    "filter": _cel(
        "response.code == 405 && request.method == 'OPTIONS'"
        " && response.code_details == 'direct_response'"
    ),
    "status_code": 204,
    "headers_to_add": [_ID],
}
"""The route of a target answers 405 to methods that it does not have: see `rest/options.py`."""
_ANY = {"filter": _cel("response.code > 0"), "headers_to_add": [_ID]}
_OF_ENVOY = (
    "request_payload_too_large",
    "response_payload_too_large",
    "wasm_fail_stream",
    "route_not_found",
    "cluster_not_found",
)
_MODULE = (
    "('kapi.guard' in metadata.filter_metadata && response.flags == 0"
    f" && !(response.code_details in {list(_OF_ENVOY)}))"
)
_IS_SAID = (
    "(response.code_details.startsWith('kapi_')"
    f" || response.code_details in ['lua_response', 'ext_authz_denied'] || {_MODULE})"
)
_SAID = {"filter": _cel(_IS_SAID)}
"""Responses of the admission filter, interceptors, scripts and modules (known by the guard)."""
