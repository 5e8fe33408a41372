"""The backchannel authentication endpoint (OpenID Connect CIBA Core §7), in poll mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import User, Users
from kapi.identity.authorization.hints import subject_of_hint
from kapi.identity.authorization.request import RequestChecks
from kapi.identity.authorization.signed_backchannel import request_parameters
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.clients.clients import Client
from kapi.identity.decoupled.requests import DecoupledRequests, Pending, ask, decide
from kapi.identity.grants.ciba import KIND, facts, owner_of
from kapi.identity.people.authorized import Authorization
from kapi.identity.protocol.forms import Form, check_media_type, parse_form
from kapi.identity.protocol.http import Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.protocol.scopes import granted_scope
from kapi.identity.provider import Provider
from kapi.jose.algorithms import ASYMMETRIC
from kapi.store.records import key_of

methods = ("POST",)
quick = False
PATH = "/oauth2/bc-authorize"
INTERVAL = 5
LONGEST_MESSAGE = 64
_POSITIVE = re.compile(r"(?=[0-9]{1,9}\Z)0*[1-9][0-9]*")
_HINTS = ("login_hint", "id_token_hint", "login_hint_token")


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address and delivery modes (CIBA §4)."""
    return {
        "backchannel_authentication_endpoint": f"{published.base_url}{PATH}",
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_authentication_request_signing_alg_values_supported": list(
            ASYMMETRIC
        ),
        "backchannel_user_code_parameter_supported": False,
    }


def _approved(user: User, client: Client, scope: str, now: int) -> Authorization:
    """What the person would allow; only with the setting `ciba_auto_approve`."""
    organization = next(iter(user.organizations), "")
    return Authorization(
        user.subject, client.id, scope, now, acr="0", organization=organization
    )


@dataclass(frozen=True, slots=True)
class BackchannelAuthentication:
    """The values that backchannel authentication needs."""

    clients: ClientAuthentication
    checks: RequestChecks
    users: Users
    requests: DecoupledRequests
    new_secret: Callable[[], str]


def needs(provider: Provider) -> BackchannelAuthentication:
    """The values for clients, hints and requests."""
    return BackchannelAuthentication(
        clients=provider.client_authentication,
        checks=provider.request_checks,
        users=provider.users,
        requests=provider.decoupled_requests,
        new_secret=provider.new_secret,
    )


def answer(given: BackchannelAuthentication, request: Request) -> Answer:
    """The id to poll with. Raises OAuthError."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(
        given.clients, form.values, request.credentials, request.now
    )
    if facts.grant_type not in client.grants or client.is_public:
        raise OAuthError(
            "unauthorized_client",
            "The client may not use CIBA; a public client never may",
        )
    form = request_parameters(given.checks, client, form, request.now)
    if form.get("user_code") is not None:
        detail = "user_code is not supported (backchannel_user_code_parameter_supported is false)"
        raise OAuthError("invalid_request", detail)
    scope = granted_scope(client, form.get("scope"))
    if "openid" not in scope.split(" "):
        raise OAuthError("invalid_scope", "CIBA needs the scope openid")
    message = _message(form)
    lifetime = _lifetime(given.checks.identity.ciba_lifetime, form)
    user = _hinted(given, client, form)
    secret, owner = given.new_secret(), owner_of(user.subject)
    pending = Pending(
        client.id,
        scope,
        request.now + lifetime,
        INTERVAL,
        user=user.subject,
        message=message,
    )
    ask(given.requests, client, request, KIND, secret, pending, owner)
    if given.checks.identity.ciba_auto_approve:
        key, allowed = key_of(secret), _approved(user, client, scope, request.now)
        decide(given.requests, KIND, key, request.now, allowed.payload())
    return json_answer(
        {"auth_req_id": secret, "expires_in": lifetime, "interval": INTERVAL}
    )


def _message(form: Form) -> str:
    message = form.get("binding_message") or ""
    if len(message) > LONGEST_MESSAGE or not message.isprintable():
        raise OAuthError(
            "invalid_binding_message",
            f"binding_message has at most {LONGEST_MESSAGE} printable characters",
        )
    return message


def _lifetime(most: int, form: Form) -> int:
    asked = form.get("requested_expiry")
    if asked is None:
        return most
    if not _POSITIVE.fullmatch(asked):
        raise OAuthError(
            "invalid_request", "requested_expiry is a positive number of seconds"
        )
    return min(int(asked), most)


def _hinted(given: BackchannelAuthentication, client: Client, form: Form) -> User:
    hints = list(filter(form.get, _HINTS))
    if len(hints) != 1:
        raise OAuthError(
            "invalid_request",
            "Send exactly one hint: login_hint or id_token_hint (CIBA 7.1)",
        )
    if hints == ["login_hint_token"]:
        raise OAuthError(
            "invalid_request", "login_hint_token is not supported; send login_hint"
        )
    if hints == ["id_token_hint"]:
        if client.settings.subject_type == "pairwise":
            raise OAuthError(
                "invalid_request",
                "A pairwise subject cannot be a hint; send login_hint",
            )
        user = given.users.get(
            subject_of_hint(given.checks.jwts, form.need("id_token_hint"), client.id)
        )
    else:
        user = given.users.named(form.need("login_hint"))
    if user is None:
        raise OAuthError("unknown_user_id", "The hint names no person here")
    return user
