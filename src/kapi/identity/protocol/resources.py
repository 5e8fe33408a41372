"""Resource indicators (RFC 8707): which services a token is for, and what those want. They become its `aud`.

Called by the authorize and token pipelines, and for every access token that is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form
from kapi.settings import IdentitySettings, ResourceSettings
from kapi.settings.identity.resources import is_resource

_MOST = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """How an access token shall be made; empty where nobody wants anything in particular."""

    format: str
    algorithm: str


class Resources:
    """The services that the settings declare. A token is for those in its `aud`, however they came there."""

    def __init__(self, identity: IdentitySettings) -> None:
        self._declared: Mapping[str, ResourceSettings] = {
            item.resource: item for item in identity.resources
        }
        self._default = Wishes(identity.access_token_format, identity.access_token_signing_alg)

    @property
    def any_opaque(self) -> bool:
        """Whether one of them takes opaque tokens."""
        return "opaque" in {item.access_token_format for item in self._declared.values()}

    def lifetime(self, seconds: int, audience: Sequence[str]) -> int:
        """These seconds, or as few as the strictest of the audience allows."""
        if not self._declared or not audience:
            return seconds
        return min(
            (seconds, *(item.token_lifetime for item in self._of(audience) if item.token_lifetime))
        )

    def wishes(self, client: Client, audience: Sequence[str]) -> Wishes:
        """What a token for this audience shall be: as the services want it, else as the client's settings say, else the provider's.

        Raises OAuthError invalid_target when two of them want different things, since it is one token.
        """
        own, default = client.settings, self._default
        form, algorithm = (
            own.access_token_format or default.format,
            own.access_token_signing_alg or default.algorithm,
        )
        if not self._declared or not audience:
            return Wishes(form, algorithm)
        found = tuple(self._of(audience))
        return Wishes(
            _agreed("format", (item.access_token_format for item in found)) or form,
            _agreed("signing algorithm", (item.access_token_signing_alg for item in found))
            or algorithm,
        )

    def _of(self, audience: Iterable[str]) -> Iterable[ResourceSettings]:
        return (self._declared[name] for name in audience if name in self._declared)


def _agreed(what: str, wanted: Iterable[str]) -> str:
    values = {value for value in wanted if value}
    if len(values) > 1:
        raise OAuthError(
            "invalid_target",
            f"These resources take tokens of another {what} each: ask for one resource at a time",
        )
    return values.pop() if values else ""


def requested_resources(client: Client, form: Form) -> tuple[str, ...]:
    """The resources that a request names, each once. Raises OAuthError invalid_target for one that is malformed or not allowed."""
    asked = tuple(dict.fromkeys(form.repeated.get("resource", ())))
    if len(asked) > _MOST:
        raise OAuthError("invalid_target", f"A request names at most {_MOST} resources")
    allowed = client.settings.resources
    for resource in asked:
        if not is_resource(resource):
            raise OAuthError(
                "invalid_target", "resource must be an absolute URI without a fragment (RFC 8707 2)"
            )
        if "*" not in allowed and resource not in allowed:
            raise OAuthError(
                "invalid_target", "The client may not ask for tokens for this resource"
            )
    return asked


def chosen_resources(asked: Sequence[str], authorized: Sequence[str]) -> tuple[str, ...]:
    """Those that a token of an authorization is for: what was asked for now, else all. Raises OAuthError invalid_target."""
    if authorized and not set(asked) <= set(authorized):
        raise OAuthError(
            "invalid_target", "resource must be among those that were authorized (RFC 8707 2.2)"
        )
    return tuple(asked or authorized)
