"""The keys API, `/api/keys`: the provider's signing keys and their rotation, without keys."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape, read_members
from kapi.identity.keys.rotation import Rotation
from kapi.settings import DEFAULT_ALGORITHM
from kapi.store.keys import StoredKey

KEYS_SCOPE = "kapi:keys"
_ALGORITHM = Member(str, DEFAULT_ALGORITHM)
_SWITCH = Member(bool, False)  # noqa: FBT003 - the default of the member
_STAGE = Shape("key", error_codes.INVALID_SYSTEM_REQUEST, {"algorithm": _ALGORITHM})
_ROTATE = Shape(
    "key",
    error_codes.INVALID_SYSTEM_REQUEST,
    {"algorithm": _ALGORITHM, "now": _SWITCH, "emergency": _SWITCH},
)


class KeysApi:
    """The endpoints of this API."""

    def __init__(self, access: Access, rotation: Rotation) -> None:
        self._access = access
        self._rotation = rotation

    def routes(self) -> list[Route]:
        """The routes of this API."""
        one = "/api/keys/{kid:path}"
        return [
            Route("/api/keys", self.list, methods=["GET"]),
            Route("/api/keys", self.stage, methods=["POST"]),
            Route("/api/keys/rotate", self.rotate, methods=["POST"]),
            Route(f"{one}/activate", self.activate, methods=["POST"]),
            Route(one, self.retire, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """All keys, with their states and when these change."""
        self._access.principal(request, KEYS_SCOPE)
        return json_answer(
            {"keys": list(map(_shown, await run_in_threadpool(self._rotation.all)))}
        )

    async def stage(self, request: Request) -> Response:
        """Make a key and show it: `{"algorithm": "RS256"}`."""
        self._access.principal(request, KEYS_SCOPE)
        body = await read_members(request, _STAGE, DOCUMENT_HINT, optional=True)
        key = await run_in_threadpool(self._rotation.stage, body["algorithm"])
        return json_answer(_shown(key), 201)

    async def rotate(self, request: Request) -> Response:
        """A new active key: `{"algorithm": "RS256", "now": false, "emergency": false}`."""
        self._access.principal(request, KEYS_SCOPE)
        body = await read_members(request, _ROTATE, DOCUMENT_HINT, optional=True)
        key = await run_in_threadpool(
            self._rotation.rotate,
            body["algorithm"],
            at_once=body["now"],
            emergency=body["emergency"],
        )
        return json_answer(_shown(key), 201)

    async def activate(self, request: Request) -> Response:
        """Let a published key sign."""
        self._access.principal(request, KEYS_SCOPE)
        return json_answer(
            _shown(
                await run_in_threadpool(
                    self._rotation.activate, request.path_params["kid"]
                )
            )
        )

    async def retire(self, request: Request) -> Response:
        """Remove a key at once."""
        self._access.principal(request, KEYS_SCOPE)
        await run_in_threadpool(self._rotation.retire, request.path_params["kid"])
        return Response(status_code=204)


def _shown(key: StoredKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state,
        "createdAt": key.created_at,
        "dueAt": key.due_at,
    }
