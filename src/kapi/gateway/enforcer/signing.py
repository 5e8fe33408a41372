"""The key of backend JWTs: generated once, stored, published as a JWK Set (RFC 7517)."""

from __future__ import annotations

from kapi.jose.jwk import thumbprint
from kapi.jose.signing_keys import SigningKey, generate_key, load_key, to_pem
from kapi.store.gateway.enforcer_keys import EnforcerKeys, StoredEnforcerKey

ALGORITHM = "RS256"


def ensure_key(store: EnforcerKeys, now: int) -> tuple[SigningKey, ...]:
    """All keys, the one that signs first.

    The first key is generated; its kid is its thumbprint (RFC 7638).
    """
    if not store.all():
        key = generate_key("", ALGORITHM)
        store.add_first(
            StoredEnforcerKey(thumbprint(key.public_jwk()), to_pem(key), now)
        )
    return tuple(
        load_key(item.kid, ALGORITHM, item.private_pem) for item in store.all()
    )
