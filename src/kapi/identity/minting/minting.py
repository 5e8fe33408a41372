"""Makes access tokens as the settings, the client and the resources require."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import Users
from kapi.identity.clients.clients import Client
from kapi.identity.minting.claim_rules import token_claims
from kapi.identity.minting.minter import AccessToken, Minter, Template
from kapi.identity.protocol.resources import Resources
from kapi.settings import IdentitySettings


@dataclass(frozen=True, slots=True)
class Minting:
    """Claims, format, lifetime, audience and signature of access tokens."""

    identity: IdentitySettings
    users: Users
    resources: Resources
    minter: Minter

    def mint(
        self,
        client: Client,
        access: AccessToken,
        parameters: Mapping[str, str],
        now: int,
    ) -> str:
        """An access token in the format of its resources and the client's settings.

        `parameters` are those of the request. Raises OAuthError.
        """
        access, form, algorithm = self._made_as(client, access, parameters)
        return self.minter.mint(access, now, form, algorithm)[0]

    def template(
        self, client: Client, access: AccessToken, parameters: Mapping[str, str]
    ) -> Template | None:
        """What all tokens for this request have in common; None for opaque ones."""
        access, form, algorithm = self._made_as(client, access, parameters)
        if form == "opaque":
            return None
        return self.minter.template(access, form, algorithm)

    def _made_as(
        self, client: Client, access: AccessToken, parameters: Mapping[str, str]
    ) -> tuple[AccessToken, str, str]:
        """The token with the claims of the rules, its format and its algorithm."""
        rules = self.identity.claims
        claims = token_claims(rules, client, self.users, access, parameters)
        if claims is not access.claims:
            access = replace(access, claims=claims)
        made_as = self.resources.token_format(client, access.audience)
        form = made_as.format
        if form == "opaque" and access.readable:
            form = "jwt"
        return access, form, made_as.algorithm

    def lifetime(self, client: Client, audience: Sequence[str]) -> int:
        """The lifetime of an access token of this client for this audience, in seconds."""
        return self.resources.lifetime(
            client.settings.token_lifetime or self.identity.token_lifetime, audience
        )

    def audience(self, client: Client) -> tuple[str, ...]:
        """`aud` of this client's access tokens when the request names no resource."""
        default = self.identity.default_audience
        if client.settings.audience or not default:
            return client.settings.audience
        return (default,)

    def may_be_opaque(self) -> bool:
        """Whether minting may write to the store."""
        formats = {client.access_token_format for client in self.identity.clients}
        formats.add(self.identity.access_token_format)
        return "opaque" in formats or self.resources.any_opaque
