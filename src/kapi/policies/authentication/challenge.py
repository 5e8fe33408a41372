"""The challenge of a refusal at an API (RFC 9110 §11.6.1), as metadata of the route. Pure.

The scheme, the algorithms of proofs where the API takes DPoP (RFC 9449 §7.1), and where the API's
metadata are (RFC 9728 §5.1). `gateway/envoy/resources/replies.py` puts realm and error between the
two parts.
"""

from __future__ import annotations

from urllib.parse import quote

from kapi.policies.contract import Place
from kapi.settings.words import PROOF_ALGORITHMS

METADATA = "kapi.challenge"
REALM = 'realm="kapi"'
ALGS = f'algs="{" ".join(PROOF_ALGORITHMS)}"'
RESOURCES = "/.well-known/oauth-protected-resource"
"""Below it is the metadata of each API, by its base path (RFC 9728 §3.1)."""


def challenge(place: Place, dpop: str, *, tokens: bool) -> dict[str, str]:
    """The metadata.

    `dpop` is as in the conf; without `tokens` the API takes no access tokens, so nobody need be
    asked for one.
    """
    scheme = "Bearer"
    if dpop == "mandatory":
        scheme = "DPoP"
    more = [
        *([ALGS] if dpop == "mandatory" else []),
        *([resource(place)] if tokens else []),
        # The other scheme comes last: what is before it belongs to the first (RFC 9110 §11.6.1).
        *([f"DPoP {REALM}, {ALGS}"] if dpop == "optional" else []),
    ]
    return {"scheme": scheme, **({"more": "".join(f", {part}" for part in more)} if more else {})}


def resource(place: Place) -> str:
    """The parameter that leads to the API's metadata."""
    return (
        f'resource_metadata="{place.gateway.origin(place.host)}{RESOURCES}{quote(place.base_path)}"'
    )
