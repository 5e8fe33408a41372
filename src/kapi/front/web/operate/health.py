"""Health of the platform: `/livez` and `/readyz`, in the form of Kubernetes' API server.

They need no token: on the hosts of the platform through the gateway, and on the Unix socket of the
control process. `?verbose` lists each check, and `Accept: application/json` asks for JSON.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kapi.dataclass import dataclass
from kapi.front.web.http.access import json_answer

KEPT_SECONDS = 1.0
"""How long a result is used again: callers without a token cannot cause more work than this."""
PATIENCE = 2.0
"""Seconds that a check may take."""
_LOG = logging.getLogger("kapi.health")
_ALIVE = "process"


@dataclass(frozen=True, slots=True)
class Check:
    """A check by name. `find` returns what is wrong, for anybody to read; empty if nothing is.

    The platform takes calls while one that is not `required` fails.
    """

    name: str
    find: Callable[[], str]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found."""

    name: str
    fault: str = ""
    required: bool = True


class Checks:
    """All checks, run side by side and at most once a second. Thread-safe."""

    def __init__(
        self,
        checks: Sequence[Check],
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._patience = patience
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._threads = ThreadPoolExecutor(len(checks), thread_name_prefix="health")
        self._found: tuple[Result, ...] = ()
        self._at = float("-inf")

    def results(self) -> tuple[Result, ...]:
        """The result of each check, at most a second old."""
        with self._one_at_a_time:
            if self._clock() - self._at >= KEPT_SECONDS:
                self._found = self._run()
                self._at = self._clock()
            return self._found

    def _run(self) -> tuple[Result, ...]:
        running = [(check, self._threads.submit(check.find)) for check in self._checks]
        end = time.monotonic() + self._patience
        found: list[Result] = []
        for check, future in running:
            try:
                fault = future.result(max(0.0, end - time.monotonic()))
            except NoAnswer:
                fault = f"no answer within {self._patience:g} seconds"
            except Exception as error:
                # The error may name a path or an address; those who read the log may know them.
                _LOG.warning("the health check %s failed: %s", check.name, error)
                fault = "failed; the log of the control process says why"
            found.append(Result(check.name, fault, check.required))
        return tuple(found)


class Health:
    """The endpoints, bound to the checks."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def routes(self) -> list[Route]:
        """The routes `/livez` and `/readyz`."""
        return [
            Route("/livez", self.livez, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
        ]

    async def livez(self, request: Request) -> Response:
        """Whether the process answers; nothing else is checked."""
        return _answer(request, "livez", (Result(_ALIVE),))

    async def readyz(self, request: Request) -> Response:
        """Whether the platform takes calls: every check must pass; 503 if one does not.

        `verbose` lists the checks. A failed check is always listed.
        """
        results = await asyncio.to_thread(self._checks.results)
        return _answer(request, "readyz", results)


def _answer(request: Request, name: str, results: Sequence[Result]) -> Response:
    well = not any(item.fault for item in results if item.required)
    status = 200 if well else 503
    if "application/json" in request.headers.get("accept", ""):
        checks = [{**asdict(item), "ok": not item.fault} for item in results]
        answer = json_answer(
            {"status": "ok" if well else "failed", "checks": checks}, status
        )
    else:
        answer = PlainTextResponse(_text(request, name, results, well=well), status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _text(request: Request, name: str, results: Sequence[Result], *, well: bool) -> str:
    if well and "verbose" not in request.query_params:
        return "ok"
    lines = [_line(item) for item in results]
    lines.append(f"{name} check {'passed' if well else 'failed'}")
    return "".join(f"{line}\n" for line in lines)


def _line(item: Result) -> str:
    if not item.fault:
        return f"[+]{item.name} ok"
    sign, said = ("-", "failed") if item.required else ("!", "failed, not required")
    return f"[{sign}]{item.name} {said}: {item.fault}"
