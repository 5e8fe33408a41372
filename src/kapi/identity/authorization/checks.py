"""The checks of an authorization request, as a table: one function for each check, in this order.

An error of ON_PAGE is shown to the person, because nothing may be sent to an unverified redirect
URI (RFC 6749 §4.1.2.1). An error of REDIRECTED is sent to the client.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.hints import subject_of_hint
from kapi.identity.authorization.request import (
    AuthorizationRequest,
    RefusedRequest,
    RequestChecks,
)
from kapi.identity.authorization.responses import (
    QUERY_MODES,
    RESPONSE_MODES,
    SIGNED_MODES,
    default_mode,
)
from kapi.identity.authorization.sources import parameters
from kapi.identity.clients.redirect_uris import allowed
from kapi.identity.clients.response_types import (
    carries_tokens,
    normal_form,
    response_types,
)
from kapi.identity.protocol.details import requested_details
from kapi.identity.protocol.resources import requested_resources
from kapi.identity.protocol.scopes import granted_scope
from kapi.json_reading import NotJson, read_object
from kapi.settings.identity.profiles import MESSAGE_SIGNING

Check = Callable[[RequestChecks, AuthorizationRequest], AuthorizationRequest]
"""Returns the request with one more member. Raises OAuthError."""
ACR = ("0", "1")
"""Levels of sign-in: no proof (one click), a password (OIDC Core §2)."""
PROMPTS = ("none", "login", "consent", "select_account")
LONGEST_STATE = 2048
LARGEST_CLAIMS = 8192
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,9}")


def checked(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """The request after all checks.

    Raises OAuthError for an error that the person is shown, RefusedRequest for one that the client
    gets.
    """
    for check in ON_PAGE:
        request = check(checks, request)
    for check in REDIRECTED:
        try:
            request = check(checks, request)
        except OAuthError as error:
            raise RefusedRequest(request, error) from error
    return request


def client(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """A registered client."""
    found = checks.registry.client(request.parameters.need("client_id"), request.now)
    if found is None:
        raise OAuthError(
            "invalid_request", "No client is registered under this client_id"
        )
    return dataclasses.replace(request, known_client=found)


def redirect_uri(
    _: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """One of the client's; optional in plain OAuth if there is only one.

    RFC 6749 §3.1.2.3, OIDC Core §3.1.2.1.
    """
    registered = request.client.settings.redirect_uris
    uri = request.parameters.get("redirect_uri")
    if uri is None:
        openid = "openid" in (request.parameters.get("scope") or "").split(" ")
        # FAPI 2.0 Security Profile §5.3.2.2 asks for it in every request.
        if openid or len(registered) != 1 or request.client.settings.profile:
            raise OAuthError("invalid_request", "redirect_uri is missing")
        uri = registered[0]
    elif not allowed(uri, registered):
        raise OAuthError(
            "invalid_request",
            "redirect_uri is not one that the client registered; it must be the same text",
        )
    return dataclasses.replace(request, redirect_uri=uri)


def response_mode(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """The mode of the response; first, because it is also that of errors."""
    form = request.parameters
    wanted = normal_form(form.get("response_type") or "")
    offered = response_types(checks.identity)
    front = wanted in offered and carries_tokens(wanted)
    signed = request.client.settings.profile == MESSAGE_SIGNING
    mode = form.get("response_mode") or default_mode(front=front, signed=signed)
    if mode not in RESPONSE_MODES:
        modes = ", ".join(RESPONSE_MODES)
        raise OAuthError("invalid_request", f"response_mode must be one of {modes}")
    if signed and mode not in SIGNED_MODES:
        modes = ", ".join(SIGNED_MODES)
        detail = (
            f"This client needs signed responses: response_mode must be one of {modes}"
        )
        raise OAuthError("invalid_request", detail)
    if front and mode in QUERY_MODES:
        fragment = dataclasses.replace(
            request, response_mode=default_mode(front=True, signed=signed)
        )
        detail = (
            "Tokens must not be in a query: response_mode must be fragment or form_post"
        )
        raise RefusedRequest(fragment, OAuthError("invalid_request", detail))
    if mode == "jwt":
        mode = f"{default_mode(front=front, signed=False)}.jwt"
    return dataclasses.replace(request, response_mode=mode)


def state(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """Any text, within a limit."""
    if request.state is not None and len(request.state) > LONGEST_STATE:
        raise OAuthError(
            "invalid_request", f"state is longer than {LONGEST_STATE} characters"
        )
    return request


def registration(
    _: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """A parameter of self-issued providers (Core §7.2.1)."""
    if request.parameters.get("registration") is not None:
        raise OAuthError(
            "registration_not_supported", "The parameter registration is not supported"
        )
    return request


def resources(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """The services that the tokens are for (RFC 8707)."""
    return dataclasses.replace(
        request, resources=requested_resources(request.client, request.parameters)
    )


def details(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """Rich authorization requests (RFC 9396)."""
    return dataclasses.replace(
        request, details=requested_details(request.client, request.parameters)
    )


def dpop_jkt(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """The key that the code is bound to (RFC 9449 §10)."""
    jkt = request.parameters.get("dpop_jkt")
    if jkt is None:
        return request
    if not _CHALLENGE.fullmatch(jkt):
        raise OAuthError(
            "invalid_request",
            "dpop_jkt must be the SHA-256 thumbprint of a key, 43 characters (RFC 9449 10)",
        )
    return dataclasses.replace(request, confirmation={"jkt": jkt})


def response_type(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """A response type that is offered and that the client registered, in any order of its words."""
    wanted = normal_form(request.parameters.need("response_type"))
    offered = response_types(checks.identity)
    if wanted not in offered:
        detail = f"response_type must be one of {', '.join(offered)}"
        raise OAuthError("unsupported_response_type", detail)
    client = request.client
    words = wanted.split(" ")
    if "code" in words and "authorization_code" not in client.grants:
        detail = "The client may not use the authorization code grant"
        raise OAuthError("unauthorized_client", detail)
    if wanted not in client.settings.response_types:
        raise OAuthError(
            "unauthorized_client", "The client did not register this response type"
        )
    if "id_token" in words:
        _check_openid(request)
    return dataclasses.replace(request, response_type=wanted)


def _check_openid(request: AuthorizationRequest) -> None:
    """OpenID Connect Core §3.2.2.1 and §3.3.2.11: an ID token from this endpoint needs a nonce."""
    if "openid" not in (request.parameters.get("scope") or "").split(" "):
        raise OAuthError("invalid_request", "This response_type needs the scope openid")
    if request.parameters.get("nonce") is None:
        detail = "nonce is missing: this response_type needs it (OpenID Connect Core 3.2.2.1)"
        raise OAuthError("invalid_request", detail)


def pkce(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """S256 only (RFC 7636, RFC 9700 §2.1.1)."""
    challenge = request.parameters.get("code_challenge")
    method = request.parameters.get("code_challenge_method")
    if challenge is None:
        _check_without_pkce(request, method)
        return request
    if method != "S256":
        raise OAuthError(
            "invalid_request",
            "code_challenge_method must be S256 (RFC 7636 4.3, RFC 9700 2.1.1)",
        )
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError(
            "invalid_request",
            "code_challenge must be a SHA-256 digest in base64url, 43 characters (RFC 7636 4.2)",
        )
    return dataclasses.replace(request, challenge=challenge)


def _check_without_pkce(request: AuthorizationRequest, method: str | None) -> None:
    if "code" not in request.response_type.split(" "):
        return
    if method is not None:
        raise OAuthError(
            "invalid_request",
            "code_challenge_method without a code_challenge (RFC 7636 4.3)",
        )
    if request.client.is_public or request.client.settings.require_pkce:
        raise OAuthError(
            "invalid_request",
            "code_challenge is missing: this client must use PKCE (RFC 7636)",
        )


def scope(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """Scopes that the client may request."""
    return dataclasses.replace(
        request, scope=granted_scope(request.client, request.parameters.get("scope"))
    )


def prompt(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """The pages that the person must see (OIDC Core §3.1.2.1)."""
    wanted = frozenset((request.parameters.get("prompt") or "").split())
    unknown = wanted - set(PROMPTS)
    if unknown:
        detail = f"prompt may contain {', '.join(PROMPTS)}"
        if unknown == {"create"}:
            detail += ": create is not offered"
        raise OAuthError("invalid_request", detail)
    if "none" in wanted and len(wanted) > 1:
        raise OAuthError(
            "invalid_request",
            "prompt=none must be the only value of prompt (OpenID Connect Core 3.1.2.1)",
        )
    return dataclasses.replace(request, prompt=wanted)


def max_age(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """The greatest age of the sign-in in seconds, by default that of the client's settings."""
    text = request.parameters.get("max_age")
    if text is None:
        return dataclasses.replace(
            request, max_age=request.client.settings.default_max_age or None
        )
    if not _SECONDS.fullmatch(text):
        raise OAuthError("invalid_request", "max_age must be a whole number of seconds")
    return dataclasses.replace(request, max_age=int(text))


def claims(_: RequestChecks, request: AuthorizationRequest) -> AuthorizationRequest:
    """Claims that are requested by name (OIDC Core §5.5)."""
    text = request.parameters.get("claims")
    if text is None:
        return request
    if len(text) > LARGEST_CLAIMS:
        text = ""
    try:
        value = read_object(text)
    except NotJson as error:
        raise OAuthError(
            "invalid_request", "claims must be a JSON object (OpenID Connect Core 5.5)"
        ) from error
    wanted = {}
    for place in ("userinfo", "id_token"):
        if not isinstance(value.get(place, {}), dict | None):
            raise OAuthError(
                "invalid_request",
                "claims must be a JSON object with the members userinfo and id_token"
                " (OpenID Connect Core 5.5)",
            )
        if value.get(place):
            wanted[place] = value[place]
    of_id_token = wanted.get("id_token", {})
    return dataclasses.replace(
        request,
        claims=wanted,
        acr=_essential_acr(of_id_token),
        hinted_subject=_wanted_subject(of_id_token),
    )


def _essential_acr(asked: dict[str, Any]) -> frozenset[str]:
    """The levels one of which the person must reach (OIDC Core §5.5.1.1).

    Raises OAuthError when no level is supported.
    """
    demand = asked.get("acr")
    if not isinstance(demand, dict) or demand.get("essential") is not True:
        return frozenset()
    values: Any = ACR
    if "values" in demand:
        values = demand["values"]
    elif "value" in demand:
        values = [demand["value"]]
    if not isinstance(values, list | tuple):
        values = ()
    reachable = frozenset(level for level in ACR if level in values)
    if not reachable:
        raise OAuthError(
            "unmet_authentication_requirements", f"acr can be {' or '.join(ACR)} here"
        )
    return reachable


def _wanted_subject(asked: dict[str, Any]) -> str:
    demand = asked.get("sub")
    if isinstance(demand, dict) and isinstance(demand.get("value"), str):
        return str(demand["value"])
    return ""


def id_token_hint(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """The person who should be signed in, by an ID token of this provider (OIDC Core §3.1.2.1)."""
    hint = request.parameters.get("id_token_hint")
    if hint is None:
        return request
    subject = subject_of_hint(checks.jwts, hint, request.client.id)
    return dataclasses.replace(request, hinted_subject=subject)


ON_PAGE: tuple[Check, ...] = (client, parameters, redirect_uri)
REDIRECTED: tuple[Check, ...] = (
    response_mode,
    state,
    registration,
    response_type,
    pkce,
    scope,
    prompt,
    max_age,
    claims,
    id_token_hint,
    resources,
    details,
    dpop_jkt,
)
