"""The configuration stream: a delta-ADS gRPC server on a Unix socket (xDS, "Incremental xDS").

`publish` returns when every connected Envoy has confirmed. If one rejects or none answers, the
previous state is desired and pushed again, and the caller gets the reason. It runs in threads.
Called by the deployer.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import grpc

from kapi.dataclass import dataclass
from kapi.errors import GatewayError, GatewayLost, GatewayRejected, GatewayUnavailable
from kapi.gateway.envoy.reasons import sentence
from kapi.gateway.envoy.resources.names import CLUSTER
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.stream.delta import (
    ORDER,
    DeltaStream,
    Request,
    Response,
    Wanted,
)
from kapi.gateway.envoy.stream.socket_service import SocketService

_LOG = logging.getLogger("kapi.gateway")
_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_STREAMS = 8
ROLLBACK_SECONDS = 2.0
WARM_SECONDS = 1.0
_WARM_POLL = 0.01

Key = tuple[str, str]
"""Type and name of a resource."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the stream."""

    connected: int
    confirmed: int
    """Resources that the connected Envoys hold."""
    last_error: str
    live: bool = False
    """Whether each connected Envoy has once confirmed all of it. A deployment changes nothing."""


@dataclass(slots=True)
class _Connection:
    stream: DeltaStream
    outbox: queue.SimpleQueue[Response | None]
    live: bool = False

    def push(self, responses: Iterable[Response]) -> None:
        for response in responses:
            self.outbox.put(response)


def _key(item: Resource) -> Key:
    return item.type_url, item.name


class Publisher:
    """The desired resources, and a stream to each connected Envoy. Thread-safe."""

    def __init__(
        self,
        socket_path: Path,
        *,
        timeout: float = 10.0,
        members: Callable[[str], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`members` counts addresses of a cluster: routes to a new DNS name wait for the first."""
        self._timeout = timeout
        self._members = members
        self._clock = clock
        self._desired = {type_url: Wanted() for type_url in ORDER}
        self._connections: list[_Connection] = []
        self._last_error = ""
        self._losses = 0
        """How many streams have ended."""
        self._news = threading.Condition()
        self._one_publish = threading.Lock()
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve, Request.FromString, Response.SerializeToString
        )
        service = SocketService(
            socket_path, _SERVICE, "DeltaAggregatedResources", handler, threads=_STREAMS
        )
        self.start = service.start
        """Listen. Set the initial resources first: an Envoy may be waiting."""
        self.stop = service.stop
        """Close the streams; Envoy keeps what it has."""

    def set_initial(self, resources: Iterable[Resource]) -> None:
        """Make these the only desired resources, without waiting for confirmation."""
        with self._news:
            for wanted in self._desired.values():
                wanted.clear()
            for item in resources:
                self._desired[item.type_url].put(item)
            self._push_differences()

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        """Make every connected Envoy hold `changed` and drop `removed`, all or nothing.

        Raises GatewayRejected with Envoy's sentence, GatewayLost when one ends meanwhile, or
        GatewayUnavailable when none is connected or confirms in time.
        """
        deadline = self._clock() + self._timeout
        clusters, dependents = [], []
        for item in changed:
            if item.type_url == CLUSTER:
                clusters.append(item)
            else:
                dependents.append(item)
        with self._one_publish:
            with self._news:
                self._await_connection(deadline)
                before = self._desired_of((*map(_key, changed), *removed))
            try:
                self._bring_about(clusters, (), deadline)
                self._warm(
                    [item.name for item in clusters if before[_key(item)] is None]
                )
                self._bring_about(dependents, removed, deadline)
            except GatewayError as error:
                self._last_error = error.detail
                self._roll_back(before)
                raise

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        """The desired state of these resources; None for those that must not exist."""
        with self._news:
            return self._desired_of(keys)

    def _desired_of(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        return {
            (kind, name): self._desired[kind].items.get(name) for kind, name in keys
        }

    def status(self) -> Status:
        """The current state of the stream."""
        with self._news:
            confirmed = sum(
                connection.stream.confirmed() for connection in self._connections
            )
            connected = len(self._connections)
            return Status(connected, confirmed, self._last_error, self._is_live())

    def await_live(self, seconds: float) -> bool:
        """Wait until each connected Envoy has once confirmed all; whether that is so."""
        with self._news:
            return self._news.wait_for(self._is_live, seconds)

    def _is_live(self) -> bool:
        live = [connection.live for connection in self._connections]
        return bool(live) and all(live)

    def _await_connection(self, deadline: float) -> None:
        if not self._news.wait_for(
            lambda: self._connections, max(0.0, deadline - self._clock())
        ):
            raise GatewayUnavailable("Envoy is not connected.")

    def _bring_about(
        self, changed: Sequence[Resource], removed: Sequence[Key], deadline: float
    ) -> None:
        with self._news:
            losses = self._losses
            for item in changed:
                self._desired[item.type_url].put(item)
            for type_url, name in removed:
                self._desired[type_url].drop(name)
            self._push_differences()
            keys = [*map(_key, changed), *removed]
            while not self._all_hold(keys):
                if self._losses != losses:
                    raise GatewayLost
                left = deadline - self._clock()
                if left <= 0 or not self._news.wait(left):
                    raise GatewayUnavailable(
                        f"Envoy did not confirm within {self._timeout:g} s."
                    )

    def _all_hold(self, keys: Sequence[Key]) -> bool:
        for connection in self._connections:
            for key in keys:
                message = connection.stream.rejection(*key)
                if message:
                    raise GatewayRejected(sentence(message))
        return bool(self._connections) and all(
            connection.stream.holds(*key)
            for connection in self._connections
            for key in keys
        )

    def _warm(self, names: Sequence[str]) -> None:
        """A route to a cluster whose name is not resolved yet would answer 503."""
        if self._members is None:
            return
        deadline = self._clock() + WARM_SECONDS
        for name in names:
            while self._members(name) == 0 and self._clock() < deadline:
                time.sleep(_WARM_POLL)

    def _roll_back(self, before: dict[Key, Resource | None]) -> None:
        """Best effort: an Envoy that is away gets the difference when it is back."""
        with self._news:
            for (type_url, name), item in before.items():
                if item is None:
                    self._desired[type_url].drop(name)
                else:
                    self._desired[type_url].put(item)
            self._push_differences()
            with contextlib.suppress(GatewayRejected):
                self._news.wait_for(
                    lambda: self._all_hold(list(before)),
                    ROLLBACK_SECONDS if self._connections else 0,
                )

    def _push_differences(self) -> None:
        for connection in self._connections:
            connection.push(connection.stream.next_responses())

    def _serve(
        self, requests: Iterator[Request], context: grpc.ServicerContext
    ) -> Iterator[Response]:
        connection = _Connection(DeltaStream(self._desired), queue.SimpleQueue())
        with self._news:
            self._connections.append(connection)
        context.add_callback(lambda: self._forget(connection))
        reader = threading.Thread(
            target=self._read,
            args=(requests, connection),
            name="xds-reader",
            daemon=True,
        )
        reader.start()
        while (response := connection.outbox.get()) is not None:
            yield response

    def _read(self, requests: Iterator[Request], connection: _Connection) -> None:
        try:
            for request in requests:
                self._take(request, connection)
        except grpc.RpcError:
            pass  # The peer is gone; that is how a stream ends.
        finally:
            self._forget(connection)

    def _take(self, request: Request, connection: _Connection) -> None:
        refused = request.HasField("error_detail")
        reason = sentence(request.error_detail.message) if refused else ""
        if refused:
            _LOG.warning(
                "Envoy refused %s: %s", request.type_url.rpartition(".")[2], reason
            )
        with self._news:
            if refused:
                self._last_error = reason
            connection.push(connection.stream.on_request(request))
            connection.live = connection.live or connection.stream.live()
            self._news.notify_all()

    def _forget(self, connection: _Connection) -> None:
        with self._news:
            if connection in self._connections:
                self._connections.remove(connection)
                self._losses += 1
            connection.outbox.put(None)
            self._news.notify_all()
