"""How the calls of an operation are shared among several endpoints that are one backend.

The values of the conf's `loadBalancing`; the policy `load_balancing` reads them.
"""

from __future__ import annotations

from typing import Literal

from kapi.dataclass import dataclass

Kind = Literal["roundRobin", "leastRequest", "random", "ringHash", "maglev"]


@dataclass(frozen=True, slots=True)
class HashKey:
    """What of a call chooses the endpoint: one of the three. The same key, the same endpoint."""

    header: str = ""
    cookie: str = ""
    """The gateway sets it where a caller has none."""
    source_address: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Requests by which the gateway finds out whether an endpoint answers. Times in seconds."""

    path: str = ""
    """Empty for the health service of gRPC."""
    service: str = ""
    """What the health service of gRPC is asked for."""
    statuses: tuple[int, ...] = (200,)
    interval: int = 10
    timeout: int = 2
    unhealthy_threshold: int = 3
    healthy_threshold: int = 2


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """When an endpoint that fails calls gets none for a while. Times in seconds."""

    gateway_errors: int = 5
    """Statuses 502, 503 and 504, broken connections and timeouts, one after the other."""
    server_errors: int = 0
    """Any status from 500 on, one after the other; 0 does not count them."""
    interval: int = 10
    ejection: int = 30
    most_percent: int = 100


@dataclass(frozen=True, slots=True)
class Balancing:
    """How one of the endpoints is chosen."""

    kind: Kind = "roundRobin"
    key: HashKey | None = None
    health: HealthCheck | None = None
    outliers: OutlierDetection | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One of the endpoints. Those of a higher `priority` number are for when others fail."""

    host: str
    port: int
    weight: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Endpoints that differ in their address only."""

    members: tuple[Member, ...]
    balancing: Balancing
