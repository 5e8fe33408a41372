"""The plan of one issuer: which faults, for which calls, how often."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, replace
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.provider import Provider
from kapi.testing.faults.catalogue import kind_of
from kapi.testing.faults.kind import Kind, Scene
from kapi.testing.http.calls import Call, Onward, Reply
from kapi.testing.powers.clock import Clock


@dataclass(frozen=True)
class Fault:
    """A fault in the plan. A call must match all that is given; `kind` is a name of KINDS."""

    kind: str
    value: Any = None
    """What the kind needs: a status, an error, seconds, a claim's value."""
    endpoint: str = ""
    """Name of an endpoint; empty: those where the kind makes sense."""
    client: str = ""
    """Id of the client that the request names."""
    grant: str = ""
    nth: int = 0
    """Only the nth matching call, counted from 1; 0 is every one."""
    times: int = 0
    """The greatest number of times; 0 is without end."""
    share: float = 1.0
    """The part of the matching calls, at random, from 0 to 1."""
    id: int = 0


@dataclass
class _Planned:
    fault: Fault
    kind: Kind
    seen: int = 0
    done: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def strikes(self, call: Call) -> bool:
        """Whether the fault is for this call. Counts it."""
        if not self._matches(call) or self._is_used_up():
            return False
        self.seen += 1
        if self.fault.nth and self.seen != self.fault.nth:
            return False
        if self.chance.random() >= self.fault.share:
            return False
        self.done += 1
        return True

    def _is_used_up(self) -> bool:
        return 0 < self.fault.times <= self.done

    def _matches(self, call: Call) -> bool:
        wanted = self.fault
        endpoints = self.kind.endpoints
        if wanted.endpoint:
            endpoints = (wanted.endpoint,)
        return (
            (not endpoints or call.endpoint in endpoints)
            and wanted.client in ("", call.client)
            and wanted.grant in ("", call.parameters.get("grant_type", ""))
        )


class FaultPlan:
    """The faults of one issuer. As a step, it does them."""

    def __init__(self, provider: Callable[[], Provider], clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._planned: list[_Planned] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, kind: str, value: Any = None, **match: Any) -> Fault:
        """Plan a fault; `match` are the other members of Fault. Raises ValueError."""
        found = kind_of(kind)
        known = set(Fault.__dataclass_fields__) - {"id", "kind", "value"}
        unknown = sorted(set(match) - known)
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is not known; known: {', '.join(sorted(known))}"
            )
        found.check(value)
        fault = Fault(found.name, value, **match, id=next(self._ids))
        if not 0 <= fault.share <= 1:
            raise ValueError("share must be from 0 to 1")
        with self._lock:
            self._planned.append(_Planned(fault, found))
        return fault

    def remove(self, fault_id: int) -> None:
        """Take a fault out of the plan. Raises LookupError."""
        with self._lock:
            kept = []
            for item in self._planned:
                if item.fault.id != fault_id:
                    kept.append(item)
            if len(kept) == len(self._planned):
                raise LookupError(f"there is no fault {fault_id}")
            self._planned = kept

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._planned = []

    def values(self) -> list[dict[str, Any]]:
        """The plan as JSON values, with how often each fault was done."""
        with self._lock:
            return [
                {**asdict(item.fault), "done": item.done, "clause": item.kind.clause}
                for item in self._planned
            ]

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """Answer a call, with the faults that the plan has for it."""
        with self._lock:
            struck = [item for item in self._planned if item.strikes(call)]
        if not struck:
            return await onward(call)
        stopped = next((item for item in struck if item.kind.instead), None)
        reply = Reply(200) if stopped else await onward(call)
        for item in struck:
            if stopped is None or item is stopped or item.kind.always:
                reply = item.kind.effect(self._scene(call, reply, item))
        await asyncio.sleep(reply.late)
        return replace(reply, faults=tuple(item.kind.name for item in struck))

    def _scene(self, call: Call, reply: Reply, item: _Planned) -> Scene:
        return Scene(call, reply, _value(item), self._provider(), self._clock.now)


def _value(item: _Planned) -> Any:
    if item.fault.value is None:
        return item.kind.value
    return item.fault.value


def plan_of(plan: FaultPlan, wish: Mapping[str, Any]) -> Fault:
    """Plan a fault from JSON. Raises ValueError."""
    if "kind" not in wish:
        raise ValueError("kind is missing: the name of a fault")
    return plan.add(**wish)
