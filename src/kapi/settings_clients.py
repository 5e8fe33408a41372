"""What must fit together in a client, wherever it comes from: the settings, a registration, a metadata document."""

from __future__ import annotations

from collections.abc import Iterator

from kapi.settings_identity import ClientSettings

WITHOUT_SECRET = frozenset({"none", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})
"""Methods that use no secret."""
_OWN_KEYS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})


def client_mistakes(client: ClientSettings) -> Iterator[str]:
    """Each thing that does not fit, in words. Secrets are looked at by the caller."""
    method = client.token_endpoint_auth_method
    if client.jwks and client.jwks_uri:
        yield "jwks and jwks_uri exclude each other"
    if method in _OWN_KEYS and not client.jwks and not client.jwks_uri:
        yield f"{method} needs the client's keys: jwks or jwks_uri"
    if client.jwks and not isinstance(client.jwks.get("keys"), list | tuple):
        yield "jwks must be a JWK Set: a table with the list keys"
    if client.jwks_uri and not client.jwks_uri.startswith(("https://", "http://")):
        yield "jwks_uri must be an https URL"
    names = [name for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email") if getattr(client, f"tls_client_auth_{name}")]
    if (method == "tls_client_auth") != (len(names) == 1):
        yield "tls_client_auth, and only it, needs exactly one tls_client_auth_... name (RFC 8705 2.1.2)"
