"""Words that settings choose from, shared by their parts."""

from __future__ import annotations

SIGNING_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""What the provider can sign with (RFC 7518 §3.1, RFC 8037 §3.1)."""
DEFAULT_ALGORITHM = "RS256"
PROOF_ALGORITHMS = (*SIGNING_ALGORITHMS, "Ed25519")
"""What clients may sign DPoP proofs with: anything asymmetric (RFC 9449 §4.2, RFC 9864)."""
ACCESS_TOKEN_FORMATS = ("jwt", "at+jwt", "opaque")
"""A JWT as in the guide, one of RFC 9068, or random text that introspection explains."""
