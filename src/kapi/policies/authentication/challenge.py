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

    `dpop` is as in the conf; without `tokens` the API takes no access tokens, so no caller is
    asked for one.
    """
    made = {"scheme": "Bearer"}
    if dpop == "mandatory":
        made = {"scheme": "DPoP", "more": f", {ALGS}"}
    if tokens:
        made["resource"] = resource(place)
    if dpop == "optional":
        # The other scheme comes last: what is before it belongs to the first (RFC 9110 §11.6.1).
        made["other"] = f", DPoP {REALM}, {ALGS}"
    return made


def resource(place: Place) -> str:
    """What follows the host in the URL of the API's metadata; the host is the one in the call."""
    origin = place.gateway.origin(place.host)
    port = origin.removeprefix(f"https://{place.host}")
    return f"{port}{RESOURCES}{quote(place.base_path)}"
