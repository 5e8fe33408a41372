"""The enforcer's answer about DPoP proofs (RFC 9449 §7) at deployed APIs. Called by `enforcer.py`; `policies/lua/dpop.lua` asks.

The question is a JSON object: `token`, `proof`, `jkt` (of the verified claims), `method`, `host` and `path` of the caller's request.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping

from kapi.errors import OAuthError, Problem
from kapi.gateway.enforcer.replays import Replays
from kapi.identity.dpop import OLDEST, verify_proof

_FIELDS = ("token", "proof", "jkt", "method", "host", "path")


class Proofs:
    """Judges proofs; each counts once."""

    def __init__(self, port: int, replays: Replays, now: Callable[[], float]) -> None:
        """`port` is where callers reach the gateway: Envoy leaves it out of the host."""
        self._port = "" if port == 443 else f":{port}"
        self._replays = replays
        self._now = now

    def answer(self, question: bytes) -> str:
        """The key that the proof shows, which is the `jkt` asked for.

        Raises OAuthError invalid_dpop_proof, and Problem 400 for a question that is none, 503 when no more proofs can be remembered.
        """
        asked = _read(question)
        url = f"https://{asked['host']}{self._port}{asked['path']}"
        jkt = verify_proof([asked["proof"]], asked["method"], url, int(self._now()), self._seen, token=asked["token"])
        if not hmac.compare_digest(jkt.encode(), asked["jkt"].encode("utf-8", "surrogatepass")):
            raise OAuthError("invalid_dpop_proof", "The DPoP proof is made with another key than the token is bound to")
        return jkt

    def _seen(self, digest: str, until: int) -> bool:
        # One from before this process started may have been used then.
        return until - OLDEST - 1 <= self._replays.since or self._replays.seen(digest, until)


def _read(question: bytes) -> Mapping[str, str]:
    try:
        asked = json.loads(question)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name), str) for name in _FIELDS):
        raise Problem(
            400, "900900", "Bad question", "The question is no JSON object with the fields that are needed.", "Ask Envoy's script."
        )
    return asked
