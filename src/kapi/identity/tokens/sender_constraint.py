"""Binds tokens to a key of the client: DPoP (RFC 9449) or its certificate (RFC 8705 §3).

It is a step of the token endpoint, so that no grant can omit it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.possession.confirmation import UNBOUND, Confirmation
from kapi.identity.possession.dpop import Nonces, verify_proof
from kapi.identity.protocol.http import Credentials
from kapi.identity.protocol.waiting import is_used_proof, unproven_address
from kapi.jose.algorithms import ASYMMETRIC
from kapi.settings.identity.profiles import accepted_algorithms
from kapi.store.records import Record, Records

_SEEN = "dpop-proof"


@dataclass(frozen=True, slots=True)
class ProofOfPossession:
    """The values that checks of proofs need."""

    base_url: str
    """The URL of the provider's root."""
    clients: Clients
    records: Records
    nonces: Callable[[], Nonces] | None
    """Gives the nonces of DPoP proofs; None if proofs need none."""
    before_binding: Callable[[], None]
    """Called before a token is bound to a client certificate."""


def confirm(
    proofs: ProofOfPossession, client: Client, credentials: Credentials, now: int
) -> Confirmation:
    """The key of the client's new tokens. Raises OAuthError for a wrong or missing proof."""
    settings = client.settings
    if credentials.proofs:
        return Confirmation(jkt=proven_key(proofs, credentials, now, client=client))
    if settings.dpop_bound_access_tokens:
        raise OAuthError(
            "invalid_dpop_proof", "This client must send a DPoP proof (RFC 9449)"
        )
    if settings.tls_client_certificate_bound_access_tokens:
        thumbprint = _thumbprint(credentials.certificate)
        proofs.before_binding()
        return Confirmation(x5t=thumbprint)
    return UNBOUND


def proven_key(
    proofs: ProofOfPossession,
    credentials: Credentials,
    now: int,
    *,
    token: str | None = None,
    client: Client | None = None,
) -> str:
    """The thumbprint of the key of a DPoP proof, sent by `client` or with the access token `token`.

    Raises OAuthError invalid_dpop_proof or use_dpop_nonce, and 429 for too many proofs of an
    unauthenticated caller.
    """

    def seen(digest: str, until: int) -> bool:
        address = unproven_address(proofs.clients, client, credentials)
        return is_used_proof(
            proofs.records, address, _SEEN, Record(digest, "", {}, until), now
        )

    nonces: Nonces | None = None
    accepted: Sequence[str] = ASYMMETRIC
    if proofs.nonces is not None:
        nonces = proofs.nonces()
    if client is not None:
        accepted = accepted_algorithms(client.settings, "", ASYMMETRIC)
    url = f"{proofs.base_url}{credentials.path}"
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
    proofs: ProofOfPossession,
    required: Confirmation,
    credentials: Credentials,
    scheme: str,
    token: str,
    now: int,
) -> None:
    """Raise OAuthError unless the caller proves the key of its access token.

    RFC 9449 §7, RFC 8705 §3. `scheme` is that of the Authorization header, in lower case.
    """
    if scheme != required.token_type.lower():
        raise OAuthError(
            "invalid_token",
            "A DPoP-bound token needs the DPoP scheme, any other token Bearer",
            status=401,
        )
    if (
        required.jkt
        and proven_key(proofs, credentials, now, token=token) != required.jkt
    ):
        raise OAuthError(
            "invalid_token",
            "The DPoP proof is made with another key than the token is bound to",
            status=401,
        )
    if required.x5t and _thumbprint(credentials.certificate) != required.x5t:
        raise OAuthError(
            "invalid_token",
            "The token is bound to another client certificate",
            status=401,
        )


def _thumbprint(header: str | None) -> str:
    from kapi.identity.possession.certificates import forwarded_certificate

    certificate = forwarded_certificate(header)
    if certificate is None:
        raise OAuthError(
            "invalid_request", "This client must send its client certificate (RFC 8705)"
        )
    return certificate.thumbprint
