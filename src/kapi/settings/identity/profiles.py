"""Profiles of clients: one setting that turns on all demands of a specification.

`fapi2` is the FAPI 2.0 Security Profile (§5.3.2, §5.4); `fapi2-message-signing` is also FAPI 2.0
Message Signing (§5.3 to §5.5). A setting of the client is kept if the profile allows it; one that
contradicts the profile is a mistake.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from kapi.addresses import LOOPBACK_LITERALS
from kapi.settings.identity.clients import ClientSettings
from kapi.settings.words import DEFAULT_ALGORITHM

FAPI_ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")
"""What may sign (FAPI 2.0 Security Profile §5.4.1)."""
MESSAGE_SIGNING = "fapi2-message-signing"
LONGEST_CODE_SECONDS = 60
"""Seconds a code is valid at most (FAPI 2.0 Security Profile §5.3.2.1)."""
_SIGNED = (
    "access_token_signing_alg",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)
_RECEIVED = (
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "backchannel_authentication_request_signing_alg",
)
_DEFAULT = "PS256"


def with_profile(client: ClientSettings) -> ClientSettings:
    """The settings of a client with the demands of its profile."""
    if not client.profile:
        return client
    demands: dict[str, Any] = {
        "require_pushed_authorization_requests": True,
        "require_pkce": True,
        "refresh_token_rotation": False,
        "client_assertion_audience": "issuer",
        "access_token_signing_alg": client.access_token_signing_alg or _DEFAULT,
    }
    if client.id_token_signed_response_alg == DEFAULT_ALGORITHM:
        demands["id_token_signed_response_alg"] = _DEFAULT
    if not client.tls_client_certificate_bound_access_tokens:
        demands["dpop_bound_access_tokens"] = True
    if client.profile == MESSAGE_SIGNING:
        demands |= {
            "require_signed_request_object": True,
            "require_request_object_lifetime": True,
        }
        for setting in (
            "authorization_signed_response_alg",
            "introspection_signed_response_alg",
        ):
            demands[setting] = getattr(client, setting) or _DEFAULT
    return dataclasses.replace(client, **demands)


def accepted_algorithms(
    client: ClientSettings, registered: str, others: Sequence[str]
) -> Sequence[str]:
    """The algorithms that a JWT of the client may be signed with.

    That is `registered`, or else those of `others` that its profile allows.
    """
    if registered:
        return (registered,)
    if client.profile:
        found = []
        for name in others:
            if name in FAPI_ALGORITHMS:
                found.append(name)
        return tuple(found)
    return others


def profile_mistakes(
    client: ClientSettings, methods: Collection[str], forbidden_grants: Collection[str]
) -> Iterator[str]:
    """Each setting of a client that its profile forbids, in words.

    `methods` are the authentication methods that a profile allows.
    """
    if not client.profile:
        return
    name = client.profile
    if client.token_endpoint_auth_method not in methods:
        yield f"profile {name} needs token_endpoint_auth_method {', '.join(sorted(methods))}"
    for grant in sorted(set(client.grants).intersection(forbidden_grants)):
        yield f"profile {name} forbids the grant {grant}"
    for uri in client.redirect_uris:
        if not _is_secure(uri):
            yield f"profile {name} needs https redirect URIs; {uri[:200]!r} is not one"
    for setting in (*_SIGNED, *_RECEIVED):
        value = getattr(client, setting)
        if value and value not in FAPI_ALGORITHMS and value != _default_of(setting):
            yield f"profile {name} allows {', '.join(FAPI_ALGORITHMS)} as {setting}, not {value}"


def _default_of(setting: str) -> Any:
    """The default of a setting; a profile replaces it."""
    return getattr(ClientSettings(""), setting)


def _is_secure(uri: str) -> bool:
    """https, a native application's own scheme, or http to loopback (RFC 8252 §7.3)."""
    parts = urlsplit(uri)
    return parts.scheme != "http" or parts.hostname in LOOPBACK_LITERALS
