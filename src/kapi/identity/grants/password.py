"""The password grant (RFC 6749 §4.3), deprecated by RFC 9700 §2.4. For old test suites only."""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.attempts import CLIENT, Attempts, TooManyTries
from kapi.identity.accounts.users import User
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.people.authorized import Authorization
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens, first_tokens
from kapi.store.records import Record, key_of

facts = GrantFacts(
    grant_type="password",
    public_clients=True,
    registrable=False,
    document_clients=False,
    fapi=False,
    quick=False,
    offered=lambda identity: identity.password_grant,
    parameters={
        "username": "of a person",
        "password": "of that person",
        "organization": "for a person of several",
    },
)
_KIND = "password-grant"


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    """The values that the password grant needs."""

    attempts: Attempts
    tokens: PersonTokens


def needs(provider: Provider) -> PasswordGrant:
    """The values for passwords and tokens of people."""
    return PasswordGrant(provider.attempts, provider.person_tokens)


def authorize(given: PasswordGrant, request: TokenRequest) -> Issuance:
    """The tokens of the person, in the named organization or the only one."""
    now = request.now
    user = _authenticated(given, request)
    organization = _organization(user, request.form.get("organization"))
    tokens = given.tokens
    once = tokens.new_secret()
    tokens.records.put(_KIND, Record(key_of(once), "", {}, now + 60))
    authorization = Authorization(
        user.subject,
        request.client.id,
        request.scope,
        now,
        amr=("pwd",),
        acr="1",
        organization=organization,
        resources=request.resources,
        grant=facts.grant_type,
    )
    return first_tokens(
        tokens,
        request.client,
        authorization,
        now,
        family=tokens.new_id(),
        source=(_KIND, key_of(once)),
    )


def _authenticated(given: PasswordGrant, request: TokenRequest) -> User:
    """The person whose user name and password these are. Raises OAuthError."""
    username, password = request.form.need("username"), request.form.need("password")
    caller = f"{CLIENT}{request.client.id}"
    try:
        user = given.attempts.authenticate(
            given.tokens.users, username, password, caller, request.now
        )
    except TooManyTries as error:
        raise OAuthError(
            "invalid_grant",
            "Too many tries; wait a few minutes",
            headers=(("retry-after", str(error.seconds)),),
        ) from error
    if user is None:
        raise OAuthError("invalid_grant", "The user name or the password is not right")
    return user


def _organization(user: User, named: str | None) -> str:
    """The named organization, else the only one of the person. Raises OAuthError."""
    if not named and len(user.organizations) == 1:
        return user.organizations[0]
    if user.belongs_to(named or ""):
        return named or ""
    if named:
        raise OAuthError(
            "invalid_grant", "The person does not belong to this organization"
        )
    detail = "The person belongs to several organizations: send organization"
    raise OAuthError("invalid_grant", detail)
