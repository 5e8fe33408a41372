"""Token introspection (RFC 7662), as JSON or as a signed JWT (RFC 9701).

A token that is unknown, expired, revoked, of another server, or that the caller may not know, gets
the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import Users
from kapi.identity.client_authentication import authenticate_client, methods_supported
from kapi.identity.client_authentication.attempt import invalid_client
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.clients.clients import Client
from kapi.identity.minting.signer import Signer
from kapi.identity.people.authorized import authorization_of
from kapi.identity.people.subjects import Subjects
from kapi.identity.possession.confirmation import UNBOUND
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import NO_STORE, Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import OwnAccessTokens, live_own
from kapi.identity.tokens.presented import listed
from kapi.identity.tokens.still_allowed import may_refresh, still_allowed
from kapi.settings import DEFAULT_ALGORITHM
from kapi.store.families import Families
from kapi.store.records import key_of

methods = ("POST",)
PATH = "/oauth2/introspect"
_JWT = "application/token-introspection+jwt"
_SHOWN = (
    "iss",
    "sub",
    "sub_id",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "cnf",
    "act",
    "organization",
    "groups",
    "authorization_details",
    "acr",
    "auth_time",
)
_UNKNOWN: Mapping[str, Any] = {"active": False}


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address, and the client authentication methods."""
    methods = methods_supported(published.identity)
    return {
        "introspection_endpoint": f"{published.base_url}{PATH}",
        "introspection_endpoint_auth_methods_supported": [
            name for name in methods if name != "none"
        ],
        "introspection_signing_alg_values_supported": list(published.algorithms),
    }


def quick(request: Request) -> bool:
    """With a secret nothing is written or fetched, and few rows are read."""
    secret = (
        request.header("authorization") is not None or b"client_secret=" in request.body
    )
    return secret and b"client_assertion" not in request.body


@dataclass(frozen=True, slots=True)
class Introspection:
    """The values that token introspection needs."""

    clients: ClientAuthentication
    tokens: OwnAccessTokens
    families: Families
    users: Users
    subjects: Subjects
    issuer: str
    signer: Signer


def needs(provider: Provider) -> Introspection:
    """The values for clients and tokens."""
    return Introspection(
        clients=provider.client_authentication,
        tokens=provider.own_access_tokens,
        families=provider.families,
        users=provider.users,
        subjects=provider.subjects,
        issuer=provider.issuer,
        signer=provider.signer,
    )


def answer(given: Introspection, request: Request) -> Answer:
    """The facts of a token, for a client that may know them."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(
        given.clients, form.values, request.credentials, request.now
    )
    if client.is_public:
        raise invalid_client(
            "A public client may not ask about tokens: it cannot prove who it is"
        )
    found = introspected(given, client, form.need("token"), request.now)
    algorithm = client.settings.introspection_signed_response_alg
    if not algorithm and _JWT not in (request.header("accept") or ""):
        return json_answer(found)
    claims = {
        "iss": given.issuer,
        "aud": client.id,
        "iat": request.now,
        "token_introspection": found,
    }
    signed = given.signer.sign(
        claims, "token-introspection+jwt", algorithm or DEFAULT_ALGORITHM
    )
    return Answer(200, (("content-type", _JWT), *NO_STORE), signed.encode("ascii"))


def introspected(
    given: Introspection, client: Client, token: str, now: int
) -> Mapping[str, Any]:
    """The members of the answer (RFC 7662 §2.2), for any kind of token."""
    return (
        _access_token(given, client, token, now)
        or _refresh_token(given, client, token, now)
        or _UNKNOWN
    )


def _access_token(
    given: Introspection, client: Client, token: str, now: int
) -> Mapping[str, Any] | None:
    own = live_own(given.tokens, token, now)
    if own is None or not _may_know(client, own.client_id, own.claims.get("aud")):
        return None
    members: dict[str, Any] = {
        "active": True,
        "client_id": own.client_id,
        "token_type": (own.confirmation or UNBOUND).token_type,
    }
    subject = own.claims.get("sub")
    if subject != own.client_id:
        person = given.users.get(str(subject))
        if person is not None:
            members["username"] = person.username
    members |= {name: own.claims[name] for name in _SHOWN if name in own.claims}
    return members


def _may_know(client: Client, owner: str, audience: Any) -> bool:
    """Its own tokens, those for it, and those for the audiences in `introspects`."""
    names = listed(audience)
    if client.id == owner or client.id in names:
        return True
    return not {"*", *names}.isdisjoint(client.settings.introspects)


def _refresh_token(
    given: Introspection, client: Client, token: str, now: int
) -> Mapping[str, Any] | None:
    """A refresh token of this client."""
    record = given.families.of_refresh(key_of(token), now)
    if record is None or record.consumed_at is not None:
        return None
    family = given.families.get(record.family, now)
    if family is None or family.payload["client_id"] != client.id:
        return None
    try:
        authorization = still_allowed(client, authorization_of(family.payload))
    except OAuthError:
        return None
    if given.users.get(authorization.user) is None or not may_refresh(
        client, authorization
    ):
        return None
    return {
        "active": True,
        "iss": given.issuer,
        "client_id": client.id,
        "token_type": "refresh_token",
        "exp": min(record.expires_at, family.expires_at),
        "scope": authorization.scope,
        "sub": given.subjects.of(client, authorization.user),
    }
