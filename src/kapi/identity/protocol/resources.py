"""Resource indicators (RFC 8707): the services that a token is for. They become its `aud`.

Called by the authorization and token endpoints, and for each access token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form
from kapi.settings import IdentitySettings, ResourceSettings
from kapi.settings.identity.resources import is_resource

_MOST = 10


@dataclass(frozen=True, slots=True)
class TokenFormat:
    """The format and the signing algorithm of an access token; empty for the default."""

    format: str
    algorithm: str


class Resources:
    """The services that the settings declare."""

    def __init__(self, identity: IdentitySettings) -> None:
        self._declared: Mapping[str, ResourceSettings] = {
            item.resource: item for item in identity.resources
        }
        self._default = TokenFormat(
            identity.access_token_format, identity.access_token_signing_alg
        )

    @property
    def any_opaque(self) -> bool:
        """Whether one of them takes opaque tokens."""
        formats = {item.access_token_format for item in self._declared.values()}
        return "opaque" in formats

    def lifetime(self, seconds: int, audience: Sequence[str]) -> int:
        """`seconds`, or the shortest lifetime that a service of the audience allows."""
        if not self._declared or not audience:
            return seconds
        for item in self._of(audience):
            if item.token_lifetime:
                seconds = min(seconds, item.token_lifetime)
        return seconds

    def token_format(self, client: Client, audience: Sequence[str]) -> TokenFormat:
        """The format of a token: that of the services, else of the client, else of the provider.

        Raises OAuthError invalid_target for services with different formats: it is one token.
        """
        own, default = client.settings, self._default
        form = own.access_token_format or default.format
        algorithm = own.access_token_signing_alg or default.algorithm
        if not self._declared or not audience:
            return TokenFormat(form, algorithm)
        found = self._of(audience)
        forms = {item.access_token_format for item in found}
        algorithms = {item.access_token_signing_alg for item in found}
        return TokenFormat(
            _agreed("format", forms) or form,
            _agreed("signing algorithm", algorithms) or algorithm,
        )

    def _of(self, audience: Iterable[str]) -> list[ResourceSettings]:
        found = []
        for name in audience:
            if name in self._declared:
                found.append(self._declared[name])
        return found


def _agreed(what: str, values: set[str]) -> str:
    """The only value that is not empty, or an empty text. Raises OAuthError for several."""
    values = values - {""}
    if len(values) > 1:
        raise OAuthError(
            "invalid_target",
            f"These resources take tokens of another {what} each: ask for one resource at a time",
        )
    return "".join(values)


def requested_resources(client: Client, form: Form) -> tuple[str, ...]:
    """The resources that a request names, each once.

    Raises OAuthError invalid_target for one that is malformed or not allowed.
    """
    asked = tuple(dict.fromkeys(form.repeated.get("resource", ())))
    if len(asked) > _MOST:
        raise OAuthError("invalid_target", f"A request names at most {_MOST} resources")
    allowed = client.settings.resources
    for resource in asked:
        if not is_resource(resource):
            raise OAuthError(
                "invalid_target",
                "resource must be an absolute URI without a fragment (RFC 8707 2)",
            )
        if {"*", resource}.isdisjoint(allowed):
            raise OAuthError(
                "invalid_target", "The client may not ask for tokens for this resource"
            )
    return asked


def chosen_resources(
    asked: Sequence[str], authorized: Sequence[str]
) -> tuple[str, ...]:
    """The resources of a token: those of its request, else all authorized ones.

    Raises OAuthError invalid_target for a resource that was not authorized.
    """
    if authorized and not set(asked) <= set(authorized):
        raise OAuthError(
            "invalid_target",
            "resource must be among those that were authorized (RFC 8707 2.2)",
        )
    return tuple(asked or authorized)
