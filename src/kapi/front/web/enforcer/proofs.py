"""DPoP proofs (RFC 9449 §7) at deployed APIs; `policies/lua/dpop.lua` sends them here.

The body is a JSON object: `token`, `proof`, `jkt` (of the verified claims), `method`, `host`
and `path` of the caller's request.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import partial

from kapi import error_codes
from kapi.errors import OAuthError, Problem
from kapi.gateway.enforcer.replays import Replays
from kapi.identity.possession.dpop import NEWEST, OLDEST, Nonces, verify_proof
from kapi.jose.jwt import InvalidJwt
from kapi.json_reading import NotJson, read_json
from kapi.settings import GatewaySettings
from kapi.store.records import Record, Records

_KIND = "dpop-call"
_FIELDS = ("token", "proof", "jkt", "method", "host", "path")


class Proofs:
    """Judges proofs; each counts once.

    This process remembers most of them in memory, because it refuses proofs that were made before
    it started. A proof dated in the future may have been used before the start, so the store
    remembers it: a restart does not let it be used a second time.
    """

    def __init__(
        self,
        gateway: GatewaySettings,
        replays: Replays,
        records: Records,
        now: Callable[[], float],
        nonces: Callable[[], Nonces | None],
        *,
        shared: bool = False,
    ) -> None:
        """`shared`: other nodes take proofs too, so each one is remembered in the store.

        `gateway` says where callers reach it, as Envoy leaves the port out of the host.

        Where `nonces` gives some, a proof must hold one.
        """
        self._gateway = gateway
        self._replays = replays
        self._records = records
        self._now = now
        self._nonces = nonces
        self._shared = shared

    def answer(self, question: bytes) -> str:
        """The key that the proof shows, which is the `jkt` asked for.

        Raises OAuthError invalid_dpop_proof, or use_dpop_nonce with the header for the next try;
        Problem 400 for a question that is none, 503 when no more proofs can be remembered.
        """
        asked = _read(question)
        now = int(self._now())
        url = f"{self._gateway.origin(asked['host'])}{asked['path']}"
        jkt = verify_proof(
            [asked["proof"]],
            asked["method"],
            url,
            now,
            partial(self._seen, now),
            token=asked["token"],
            nonces=self._nonces(),
        )
        if not hmac.compare_digest(
            jkt.encode(), asked["jkt"].encode("utf-8", "surrogatepass")
        ):
            raise OAuthError(
                "invalid_dpop_proof",
                "The DPoP proof is made with another key than the token is bound to",
            )
        return jkt

    def _seen(self, now: int, digest: str, until: int) -> bool:
        issued, since = until - OLDEST - 1, self._replays.since
        if issued <= since:
            raise InvalidJwt("it was made before the gateway started; make a new one")
        if self._replays.seen(digest, until):
            return True
        may_outlive, may_be_older = issued > now, issued <= since + NEWEST
        remembered = self._shared or may_outlive or may_be_older
        return remembered and not self._records.add(
            _KIND, Record(digest, "", {}, until), now
        )


def _read(question: bytes) -> Mapping[str, str]:
    try:
        asked = read_json(question)
    except NotJson:
        asked = None
    if not isinstance(asked, dict) or not all(
        isinstance(asked.get(name), str) for name in _FIELDS
    ):
        raise Problem.of(
            error_codes.UNEXPECTED,
            "Bad question",
            "The question is not a JSON object with the required fields.",
            "Ask Envoy's script.",
            status=400,
        )
    return asked
