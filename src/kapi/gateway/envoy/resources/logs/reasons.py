"""Why the gateway answered a call itself: from Envoy's details to a code and plain words. Pure.

One table. The access log asks it in Envoy, as an expression (CEL) over the details of the response
code; the codes are those that `replies.py` puts into the bodies. The first row that matches counts.
The admission filter and the scripts leave their own code and words (`SAID`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.policies.callers.scopes import METADATA as SCOPES

ALLOWED, REFUSED, FAILED = "allowed", "refused", "failed"
"""The backend answered; the gateway refused the call; the call could not be carried out."""
_DETAILS = "response.code_details"
_JWT = "jwt_authn_access_denied{"
_RULE = "rbac_access_denied_matched_policy["
_RESET = "upstream_reset_before_response_started{"
_SCOPES = "rbac_access_denied_matched_policy[none]"
"""The rule for scopes allows; the others refuse."""
_NEEDED = f"xds.route_metadata.filter_metadata['{SCOPES}'].scope"


@dataclass(frozen=True, slots=True)
class Reason:
    """Details that begin with `details`, and with this status if it is not 0."""

    details: str
    code: str
    words: str
    status: int = 0
    decision: str = REFUSED
    expression: str = ""
    """CEL in place of `words`, where these contain something of the call."""

    @property
    def condition(self) -> str:
        """CEL: whether it holds for a call."""
        starts = f"{_DETAILS}.startsWith('{self.details}')"
        if self.status:
            return f"({starts} && response.code == {self.status})"
        return starts

    @property
    def value(self) -> str:
        """The CEL expression whose value is the reason."""
        return self.expression or f"'{self.words}'"


def _token(detail: str, error: error_codes.ErrorCode, words: str) -> Reason:
    return Reason(_JWT + detail, error.number, words)


def _rule(name: str, words: str) -> Reason:
    """A rule that refuses; its name begins with the code."""
    return Reason(_RULE + name, name[:6], words)


def _failure(details: str, error: error_codes.ErrorCode, words: str) -> Reason:
    return Reason(details, error.number, words, decision=FAILED)


_TOKENS = (
    _token(
        "Jwt_is_missing", error_codes.MISSING_CREDENTIALS, "no access token was sent"
    ),
    _token("Jwt_is_expired", error_codes.TOKEN_EXPIRED, "the token has expired"),
    _token(
        "Jwt_not_yet", error_codes.INVALID_CREDENTIALS, "the token is not valid yet"
    ),
    _token(
        "Jwt_is_not_yet", error_codes.INVALID_CREDENTIALS, "the token is not valid yet"
    ),
    _token(
        "Jwt_verification_fails",
        error_codes.INVALID_CREDENTIALS,
        "the signature of the token is wrong",
    ),
    _token(
        "Audiences_in_Jwt",
        error_codes.INVALID_CREDENTIALS,
        "the token is for another audience than its issuer declares here",
    ),
    _token(
        "Jwks_doesn",
        error_codes.INVALID_CREDENTIALS,
        "the token is signed with a key that its issuer does not publish",
    ),
    _token(
        "Jwt_issuer_is_not",
        error_codes.INVALID_CREDENTIALS,
        "the issuer of the token is not trusted for this API",
    ),
    _token(
        "Jwt_header_[alg]",
        error_codes.INVALID_CREDENTIALS,
        "the signature algorithm of the token is not accepted",
    ),
    _token("", error_codes.INVALID_CREDENTIALS, "the token cannot be read"),
)
_RULES = (
    _rule("900901_typ", "the token is not an access token: its type is another"),
    _rule(
        "900901_kind", "the token is not an access token: a claim names another kind"
    ),
    _rule("900901_id_token", "the token is an ID token, not an access token"),
    _rule("900901_crit", "the token has a critical header that is not understood"),
    _rule(
        "900901_keytype", "the token is for the other endpoints (production or sandbox)"
    ),
    _rule("900901_scheme", "the scheme before the token is neither Bearer nor DPoP"),
    _rule("900901_bound", "the token is bound to a key, and no valid proof was sent"),
    _rule("900901_claims", "a claim of the token cannot be sent as a header"),
    _rule(
        "900901_required", "the token lacks a claim that tokens of its issuer must have"
    ),
    _rule("900901_audience", "the token is for another audience"),
    _rule("900901_token_audience", "the token is for another audience"),
    _rule("900901_certificate", "the client certificate is not accepted by this API"),
    _rule("900901_api_key", "the API key is not valid"),
    _rule(error_codes.INVALID_CREDENTIALS.number, "the token was revoked"),
    _rule("900902_certificate", "no client certificate was sent"),
    _rule(error_codes.MISSING_CREDENTIALS.number, "no credential was sent"),
    _rule("900908_api_key", "the API key is for another API"),
    _rule(error_codes.RESOURCE_FORBIDDEN.number, "the caller may not call this API"),
    _rule(
        error_codes.ADDRESS_REFUSED.number, "calls from this address are not allowed"
    ),
    Reason(
        _SCOPES,
        error_codes.SCOPE_MISSING.number,
        "scope ",
        expression=f"({_NEEDED}.contains(' ') ? 'one of the scopes ' : 'scope ')",
    ),
)
_FAILURES = (
    _failure(
        "upstream_response_timeout",
        error_codes.UPSTREAM_TIMEOUT,
        "the backend did not answer in time",
    ),
    _failure(
        "upstream_per_try",
        error_codes.UPSTREAM_TIMEOUT,
        "the backend did not answer in time",
    ),
    _failure(
        f"{_RESET}overflow",
        error_codes.UPSTREAM_OVERFLOW,
        "too many requests to the backend at once (circuit breaker)",
    ),
    _failure(
        f"{_RESET}remote_re",
        error_codes.UPSTREAM_RESET,
        "the backend broke off the request",
    ),
    _failure(
        f"{_RESET}connection_termination",
        error_codes.UPSTREAM_TERMINATED,
        "the backend closed the connection before it answered",
    ),
    _failure(
        f"{_RESET}protocol_error",
        error_codes.UPSTREAM_PROTOCOL,
        "the backend sent something that is not valid HTTP",
    ),
    _failure(
        f"{_RESET}local_reset",
        error_codes.RESET_BY_GATEWAY,
        "the gateway broke off the request",
    ),
    _failure(
        _RESET,
        error_codes.UPSTREAM_CONNECTION_FAILED,
        "the gateway cannot connect to the backend",
    ),
    _failure(
        "no_healthy_upstream",
        error_codes.UPSTREAM_UNHEALTHY,
        "no address of the backend is known or healthy",
    ),
    _failure(
        "cluster_not_found",
        error_codes.UPSTREAM_NOT_CONFIGURED,
        "the backend is not configured",
    ),
    _failure(
        "upstream_max_stream_duration",
        error_codes.UPSTREAM_DURATION,
        "the backend took longer than a call may last",
    ),
    _failure(
        "stream_idle_timeout", error_codes.STREAM_IDLE, "nothing was sent for too long"
    ),
    Reason(
        "max_duration_timeout",
        "504",
        "the call did not end before its deadline",
        0,
        FAILED,
    ),
    Reason(
        "downstream", "", "the client closed the connection before the end", 0, FAILED
    ),
    Reason("filter_removed_required", "", "a script of the API failed", 0, FAILED),
    _failure(
        "ext_authz_error",
        error_codes.CHECK_FAILED,
        "the authorization service of the API did not answer",
    ),
    Reason(
        "wasm_fail_stream",
        "503",
        "a module of the API or the gateway failed",
        0,
        FAILED,
    ),
    Reason("overload", "503", "the gateway has too little memory left", 0, FAILED),
)
_SAID_BY_FILTERS = (
    Reason("kapi_request_invalid", "400", "the request does not match the definition"),
    Reason(
        "kapi_request_media_type", "415", "the media type is not one of the definition"
    ),
    Reason(
        "kapi_validation_not_ready", "503", "the definition cannot be read", 0, FAILED
    ),
    Reason(
        "kapi_guardrails_not_ready", "503", "the guardrails cannot be read", 0, FAILED
    ),
    Reason("kapi_guardrail", "900514", "a guardrail of the API intervened"),
    Reason("kapi_admission_not_ready", "", "the gateway has just started", 0, FAILED),
    Reason(
        "kapi_limits_away",
        "",
        "Redis, which counts the limits, does not answer",
        0,
        FAILED,
    ),
    Reason("kapi_cached", "", "", decision=ALLOWED),
    Reason("kapi_not_cached", "504", "the caller wanted an answer of the cache only"),
    Reason("kapi_", "", ""),
    Reason(
        "lua_response",
        error_codes.INVALID_CREDENTIALS.number,
        "a proof or a credential was refused",
        401,
    ),
    Reason(
        "lua_response", "", "a script or an interceptor service failed", 500, FAILED
    ),
    Reason("lua_response", "", "a script or an interceptor service answered"),
    Reason(
        "no_credential_for_basic_auth",
        error_codes.MISSING_CREDENTIALS.number,
        "no user name and password were sent",
    ),
    Reason(
        "invalid_scheme_for_basic_auth",
        error_codes.INVALID_CREDENTIALS.number,
        "the scheme of the credentials is not Basic",
    ),
    Reason(
        "invalid_format_for_basic_auth",
        error_codes.INVALID_CREDENTIALS.number,
        "the user name and password cannot be read",
    ),
    Reason(
        "invalid_credential_for_basic_auth",
        error_codes.INVALID_CREDENTIALS.number,
        "the user is not known, or the password is wrong",
    ),
    Reason(
        "ext_authz_denied", "", "the authorization service of the API refused the call"
    ),
)
"""What leaves its own code and words; the words here are for modules that do not."""


def _sign_in(details: str, error: error_codes.ErrorCode, words: str) -> Reason:
    return Reason(details, error.number, words, 401)


_SIGN_IN = (
    _sign_in(
        "Unauthorized, and redirecting",
        error_codes.MISSING_CREDENTIALS,
        "there is no session, and no page was asked for",
    ),
    _sign_in(
        "Failed to refresh",
        error_codes.MISSING_CREDENTIALS,
        "the session has expired, and the provider did not renew it",
    ),
    _sign_in(
        "OAuth server returned",
        error_codes.INVALID_CREDENTIALS,
        "the provider did not sign the person in",
    ),
    _sign_in(
        "Code or state",
        error_codes.INVALID_CREDENTIALS,
        "the path is for browsers that the provider sends back",
    ),
    *(
        _sign_in(
            details,
            error_codes.INVALID_CREDENTIALS,
            "this browser did not begin the sign-in, or did so too long ago",
        )
        for details in (
            "CSRF ",
            "Code verifier",
            "Failed to decrypt",
            "State ",
            "Malformed oauth",
        )
    ),
    *(
        _sign_in(
            details,
            error_codes.INVALID_CREDENTIALS,
            "the provider did not exchange the code for a token",
        )
        for details in (
            "Failed to get access",
            "OAuth ",
            "No access token",
            "Could not parse",
        )
    ),
)
"""Of the filter that signs browsers in. Its details may end with the query of a request."""
_REQUESTS = (
    Reason(
        "route_not_found", "404", "no API or operation answers at this host and path"
    ),
    Reason("direct_response", "404", "the API has no operation with this path", 404),
    Reason(
        "direct_response", "405", "the operations at this path have other methods", 405
    ),
    Reason("direct_response", "400", "the path has an escaped slash", 400),
    Reason("request_headers_too_large", "431", "the request headers are too large"),
    Reason("request_payload_too_large", "413", "the request body is too large"),
    Reason("request_header_timeout", "408", "the request was not received in time"),
    Reason("request_overall_timeout", "408", "the request was not received in time"),
    Reason("low_version", "426", "the version of HTTP is too old"),
    Reason("path_normalization_failed", "400", "the path is not valid"),
    Reason("http", "400", "the request is not valid HTTP"),
    Reason("", "", "the gateway answered this request itself"),
)
_BACKEND = Reason("via_upstream", "", "", decision=ALLOWED)
REASONS: tuple[Reason, ...] = (
    _BACKEND,
    *_TOKENS,
    *_RULES,
    *_SAID_BY_FILTERS,
    *_FAILURES,
    *_SIGN_IN,
    *_REQUESTS,
)


def reason_of(details: str, status: int, rows: Iterable[Reason] = REASONS) -> Reason:
    """The row for a call."""
    for row in rows:
        if details.startswith(row.details) and row.status in (0, status):
            return row
    return _REQUESTS[-1]


def decision() -> str:
    """CEL: `allowed`, `refused` or `failed`."""
    return _chosen([(row.condition, f"'{row.decision}'") for row in REASONS])


def code() -> str:
    """CEL: the code of the answer; empty if a filter says it, or the backend."""
    return _chosen([(row.condition, f"'{row.code}'") for row in REASONS])


def details() -> str:
    """CEL: the details, without what callers have sent."""
    rows = [(row.condition, f"'{row.details}'") for row in _SIGN_IN]
    return _chosen([*rows, ("true", _DETAILS)])


def words() -> tuple[str, ...]:
    """CEL: the parts of the reason, since Envoy's CEL cannot join texts.

    Empty if a filter says it, or the backend.
    """
    of_scopes = f"{_DETAILS}.startsWith('{_SCOPES}')"
    return (
        _chosen([(row.condition, row.value) for row in REASONS]),
        f"{of_scopes} ? {_NEEDED} : ''",
        f"{of_scopes} ? ' is missing' : ''",
    )


def _chosen(rows: Sequence[tuple[str, str]]) -> str:
    """The value of the first row whose condition holds. The last row always does.

    Rows with one value that follow each other are one condition. A tree, not a chain: Envoy's
    parser does not read expressions that are nested more than 32 deep.
    """
    joined: list[tuple[str, str]] = []
    for condition, value in rows:
        if joined and joined[-1][1] == value:
            joined[-1] = (f"{joined[-1][0]} || {condition}", value)
        else:
            joined.append((condition, value))
    return _tree(joined)


def _tree(rows: Sequence[tuple[str, str]]) -> str:
    if len(rows) == 1:
        return rows[0][1]
    half = len(rows) // 2
    condition = " || ".join(condition for condition, _ in rows[:half])
    return f"(({condition}) ? {_tree(rows[:half])} : {_tree(rows[half:])})"
