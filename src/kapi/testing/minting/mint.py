"""Mints a token of an issuer: right by default, wrong as wished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import User, Users
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.minting.minter import AccessToken
from kapi.identity.provider import Provider
from kapi.jose.jwt import parse_jwt
from kapi.settings import IdentitySettings
from kapi.testing.minting.draft import Draft, merged, use_key
from kapi.testing.minting.recipes import recipe_of
from kapi.testing.powers.stock import make_key


@dataclass(frozen=True)
class Wish:
    """What token to make. All is optional: the default is a right one of the first client.

    `claims` and `header` replace members; None removes one. `key`: see `draft.use_key`.
    """

    recipe: str | Sequence[str] = ()
    """A name, or several that are applied one after the other."""
    user: str = ""
    """The user name of a person; empty: the client acts for itself."""
    client: str = ""
    scope: str = "default"
    audience: str | Sequence[str] = ()
    organization: str = ""
    lifetime: int = 0
    """Seconds; 0 is the issuer's setting."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    payload: str | None = None
    """The payload as it is, in place of the claims. It need not be JSON."""
    raw_header: str | None = None
    """The header as it is. It need not be JSON."""
    key: Any = "own"
    algorithm: str = ""
    """Of the issuer's keys; empty is the issuer's setting."""

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audience as a list."""
        return _texts(self.audience)


def wish_of(members: Mapping[str, Any]) -> Wish:
    """A wish from JSON. Raises ValueError for an unknown member."""
    known = Wish.__dataclass_fields__
    if unknown := sorted(set(members) - set(known)):
        raise ValueError(f"{unknown[0]!r} is not known here; known: {', '.join(known)}")
    return Wish(**members)


def draft_of(provider: Provider, wish: Wish, now: int) -> Draft:
    """The right token, as the provider would issue it, before recipes. Raises ValueError."""
    client = _client(provider.registry, provider.settings.identity, wish.client)
    user = _user(provider.users, wish.user)
    audience = _texts(wish.audience) or provider.minting.audience(client)
    organization = wish.organization
    if user is not None and not organization and len(user.organizations) == 1:
        organization = user.organizations[0]
    claims = {}
    if organization:
        claims["organization"] = organization
    person = ""
    if user is not None:
        person = user.subject
    access = AccessToken(
        person or client.id,
        client.id,
        wish.scope,
        wish.lifetime or provider.minting.lifetime(client, audience),
        audience,
        claims,
        user=person,
        readable=True,
    )
    jwt = parse_jwt(provider.minting.mint(client, access, {}, now))
    algorithm = wish.algorithm or str(jwt.header["alg"])
    try:
        key = provider.keyring.active(algorithm)
    except LookupError as error:
        known = ", ".join(provider.keyring.algorithms)
        raise ValueError(
            f"the issuer has no key for {algorithm!r}; it has {known}"
        ) from error
    header = {**jwt.header, "alg": key.algorithm, "kid": key.kid}
    return Draft(header, dict(jwt.claims), key, lambda: make_key(algorithm))


def finished(draft: Draft, wish: Wish) -> str:
    """The token of a draft, with recipes, claims, header and key as wished. Raises ValueError."""
    for name in _texts(wish.recipe):
        recipe_of(name).apply(draft)
    draft.claims = merged(draft.claims, wish.claims)
    use_key(draft, wish.key)
    draft.header = merged(draft.header, wish.header)
    draft.payload, draft.raw_header = wish.payload, wish.raw_header
    return draft.sign()


def _client(
    registry: ClientRegistry, identity: IdentitySettings, client_id: str
) -> Client:
    if client_id:
        found = registry.known_client(client_id)
        if found is None:
            raise ValueError(f"there is no client {client_id!r}")
        return found
    for item in identity.clients:
        found = registry.known_client(item.id)
        if found is not None:
            return found
    raise ValueError("the issuer has no client; name one in its seed")


def _user(users: Users, username: str) -> User | None:
    if not username:
        return None
    found = users.named(username)
    if found is None:
        known = ", ".join(user.username for user in users.all())
        raise ValueError(f"there is no user {username!r}; known: {known}")
    return found


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        if value:
            return (value,)
        return ()
    return tuple(value)
