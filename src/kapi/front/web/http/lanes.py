"""Lanes for slow work. Each has its own threads, so it does not delay the others.

A lane limits the requests that work and that wait, for all callers and for each network. A request
beyond the limit is refused: 429 for the network's limit, 503 for the lane's. Work stops when its
caller disconnects.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

from kapi import error_codes
from kapi.callers import CALLER, Caller, CallerLeft
from kapi.error_codes import ErrorCode
from kapi.errors import Problem
from kapi.front.web.http.addresses import address_of
from kapi.identity.protocol.http import network_of

_RETRY_SECONDS = "5"


class Lane:
    """At most `at_once` requests work and `waiting` wait; at most `each` of one network work."""

    def __init__(self, at_once: int, waiting: int, each: int) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._each = each
        self._most_each = max(each, self._most * each // at_once)
        self._limiter: CapacityLimiter | None = None
        self._own: dict[str, CapacityLimiter] = {}
        self._present: Counter[str] = Counter()

    async def run(
        self, request: Request, work: Callable[..., Any], *arguments: Any
    ) -> Any:
        """Run `work` in a thread and return its result.

        Raises what it raises, Problem 429 or 503, or ClientDisconnect.
        """
        name = network_of(address_of(request.headers.raw))
        self._admit(name)
        caller = Caller()
        job = asyncio.ensure_future(self._turn(name, caller, partial(work, *arguments)))
        watch = asyncio.ensure_future(_closed(request))
        try:
            await asyncio.wait((job, watch), return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                caller.leave()
                job.cancel()
            return await job
        except (CallerLeft, asyncio.CancelledError) as error:
            raise ClientDisconnect from error
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await watch
            self._dismiss(name)

    def _admit(self, name: str) -> None:
        if self._present[name] >= self._most_each:
            detail = (
                f"{self._present[name]} requests from your network are being worked on."
            )
            raise _busy(error_codes.TOO_MANY_REQUESTS, detail)
        if self._present.total() >= self._most:
            detail = f"{self._most} requests of this kind are being worked on."
            raise _busy(error_codes.TOO_BUSY, detail)
        self._present[name] += 1

    def _dismiss(self, name: str) -> None:
        self._present[name] -= 1
        if not self._present[name]:
            del self._present[name]
            self._own.pop(name, None)

    async def _turn(self, name: str, caller: Caller, work: Callable[[], Any]) -> Any:
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._at_once)
        own = self._own.setdefault(name, CapacityLimiter(self._each))
        async with own:
            CALLER.set(caller)
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def _closed(request: Request) -> None:
    """Return when the caller has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _busy(error: ErrorCode, detail: str) -> Problem:
    return Problem.of(
        error,
        detail=detail,
        hint=f"Try again in {_RETRY_SECONDS} seconds.",
        headers={"Retry-After": _RETRY_SECONDS},
    )
