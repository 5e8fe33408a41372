"""The enforcer's endpoints for Envoy's scripts, and the public keys of backend JWTs.

`/enforcer/…` is on the Unix socket only: no route of the listener leads there. Signing has a thread
pool of its own, so that it does not wait for deployments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.errors import OAuthError
from kapi.front.web.enforcer.proofs import Proofs
from kapi.gateway.enforcer.backend_jwt import BackendJwts
from kapi.gateway.enforcer.certificates import judge
from kapi.jose.signing_keys import SigningKey, public_jwks

LARGEST_QUESTION = 128 * 1024
LARGEST_CERTIFICATES = 4 * 1024 * 1024
"""Of a question with all certificates that an API accepts."""
_JWKS_PATHS = (
    "/.wellknown/jwks",
    "/.wellknown/1.0.0/jwks",
    "/1.0.0/.wellknown/jwks",
    "/.well-known/jwks.json",
    "/1.0.0/.well-known/jwks.json",
)
_AT_ONCE = 2


class Enforcer:
    """The endpoints, bound to what answers."""

    def __init__(
        self,
        ensure_keys: Callable[[], Sequence[SigningKey]],
        signer: Callable[[Sequence[SigningKey]], BackendJwts],
        proofs: Proofs,
        now: Callable[[], float],
    ) -> None:
        """`ensure_keys` generates a missing first key: slow, so it runs in the background."""
        self._proofs = proofs
        self._now = now
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="enforcer")

        def prepare() -> tuple[bytes, BackendJwts]:
            keys = ensure_keys()
            return public_jwks(keys), signer(keys)

        self._prepared = self._pool.submit(prepare)

    def routes(self) -> list[Route]:
        """The one page of paths."""
        public = [
            Route(path, self.public_keys, methods=["GET"]) for path in _JWKS_PATHS
        ]
        asked = {
            "/enforcer/backend-jwt": self.backend_jwt,
            "/enforcer/dpop": self.dpop,
            "/enforcer/certificate": self.certificate,
        }
        return [
            *public,
            *(Route(path, answer, methods=["POST"]) for path, answer in asked.items()),
        ]

    async def public_keys(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """The JWK Set that verifies backend JWTs."""
        document, _ = await asyncio.wrap_future(self._prepared)
        return Response(
            document,
            media_type="application/json",
            headers={"Cache-Control": "public, max-age=300"},
        )

    async def backend_jwt(self, request: Request) -> Response:
        """A signed JWT; `x-kapi-expires` says until when the script may use it again."""
        question = await _question(request)
        if question is None:
            return Response(status_code=413)
        _, backend_jwts = await asyncio.wrap_future(self._prepared)
        answer = await asyncio.get_running_loop().run_in_executor(
            self._pool, backend_jwts.answer, question
        )
        return Response(
            answer.token,
            media_type="application/jwt",
            headers={"x-kapi-expires": str(answer.reusable_until)},
        )

    async def dpop(self, request: Request) -> Response:
        """The key of a proof, or 401 with the reason, and with a nonce if the proof needs one."""
        question = await _question(request)
        if question is None:
            return Response(status_code=413)
        try:
            jkt = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._proofs.answer, question
            )
        except OAuthError as error:
            return Response(
                error.detail,
                status_code=401,
                media_type="text/plain",
                headers=dict(error.headers),
            )
        return Response(jkt, media_type="text/plain")

    async def certificate(self, request: Request) -> Response:
        """Whether a client certificate is accepted, and until when that counts."""
        question = await _question(request, LARGEST_CERTIFICATES)
        if question is None:
            return Response(status_code=413)
        loop = asyncio.get_running_loop()
        verdict = await loop.run_in_executor(self._pool, judge, question, self._now())
        return Response(str(verdict), media_type="text/plain")


async def _question(request: Request, most: int = LARGEST_QUESTION) -> bytes | None:
    """The body; None when it is too large."""
    question = b""
    async for piece in request.stream():
        question += piece
        if len(question) > most:
            return None
    return question
