"""Binds tokens to a key that the client holds: DPoP (RFC 9449) or its certificate (RFC 8705 §3). A step of the token pipeline.

Because it is a step of the pipeline, no grant can forget it: what it finds goes into the token, whatever the grant.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.possession.confirmation import UNBOUND, Confirmation
from kapi.identity.possession.dpop import verify_proof
from kapi.identity.protocol.http import Credentials
from kapi.identity.protocol.waiting import is_used_proof
from kapi.identity.provider import Provider
from kapi.jose.algorithms import ASYMMETRIC
from kapi.settings.identity.profiles import accepted_algorithms
from kapi.store.records import Record

_SEEN = "dpop-proof"


def confirm(provider: Provider, client: Client, credentials: Credentials, now: int) -> Confirmation:
    """What the client's new tokens are bound to. Raises OAuthError: a wrong proof, or none where the client must have one."""
    settings = client.settings
    if credentials.proofs:
        return Confirmation(jkt=proven_key(provider, credentials, now, client=client))
    if settings.dpop_bound_access_tokens:
        raise OAuthError("invalid_dpop_proof", "This client must send a DPoP proof (RFC 9449)")
    if settings.tls_client_certificate_bound_access_tokens:
        thumbprint = _thumbprint(credentials.certificate)
        provider.before_binding()
        return Confirmation(x5t=thumbprint)
    return UNBOUND


def proven_key(
    provider: Provider,
    credentials: Credentials,
    now: int,
    *,
    token: str | None = None,
    client: Client | None = None,
) -> str:
    """The thumbprint of the key of a request's DPoP proof, sent by `client` or with the access token `token`.

    Raises OAuthError invalid_dpop_proof or use_dpop_nonce, and 429 for a caller who authenticates nobody and sends too many.
    """

    def seen(digest: str, until: int) -> bool:
        return is_used_proof(
            provider, client, credentials, _SEEN, Record(digest, "", {}, until), now
        )

    nonces = provider.nonces if provider.settings.identity.dpop_nonce else None
    url = f"{provider.base_url}{credentials.path}"
    accepted = accepted_algorithms(client.settings, "", ASYMMETRIC) if client else ASYMMETRIC
    return verify_proof(
        credentials.proofs,
        credentials.method,
        url,
        now,
        seen,
        token=token,
        nonces=nonces,
        algorithms=accepted,
    )


def check_holder(
    provider: Provider,
    required: Confirmation,
    credentials: Credentials,
    scheme: str,
    token: str,
    now: int,
) -> None:
    """Raise OAuthError unless the caller of a protected endpoint holds what its access token is bound to (RFC 9449 §7, RFC 8705 §3).

    `scheme` is that of the Authorization header, in lower case.
    """
    if scheme != ("dpop" if required.jkt else "bearer"):
        raise OAuthError(
            "invalid_token",
            "A DPoP-bound token goes with the DPoP scheme, any other with Bearer",
            status=401,
        )
    if required.jkt and proven_key(provider, credentials, now, token=token) != required.jkt:
        raise OAuthError(
            "invalid_token",
            "The DPoP proof is made with another key than the token is bound to",
            status=401,
        )
    if required.x5t and _thumbprint(credentials.certificate) != required.x5t:
        raise OAuthError(
            "invalid_token", "The token is bound to another client certificate", status=401
        )


def _thumbprint(header: str | None) -> str:
    from kapi.identity.possession.certificates import forwarded_certificate

    certificate = forwarded_certificate(header)
    if certificate is None:
        raise OAuthError(
            "invalid_request", "This client must come with its client certificate (RFC 8705)"
        )
    return certificate.thumbprint
