"""A change waits until Envoy has it, and no longer than it should."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.resource_sync import ResourceSync
from waiting import LIMIT


class Stream:
    """Envoy, which acknowledges while `open` is set."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.has: list[str] = []

    def publish(
        self, changed: Sequence[Resource], removed: Sequence[tuple[str, str]] = ()
    ) -> None:
        assert not removed
        self.open.wait(LIMIT)
        self.has += [item.version for item in changed]


class Source:
    def __init__(self) -> None:
        self.version = "1"
        self.read = threading.Event()

    def resource(self) -> Resource:
        made = Resource("type", "keys", self.version, b"")
        self.read.set()
        return made


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def sync(stream: Stream, source: Source) -> Iterator[ResourceSync]:
    made = ResourceSync("keys", source.resource, stream, interval=0.01)
    made.start()
    yield made
    stream.open.set()
    made.stop()


def test_envoy_has_a_change_when_the_wait_ends(
    sync: ResourceSync, stream: Stream, source: Source
) -> None:
    for number in range(5):
        source.version = str(number)
        assert sync.reach_envoy(LIMIT)
        assert stream.has[-1] == str(number)


def test_a_push_that_began_before_the_change_does_not_count(
    sync: ResourceSync, stream: Stream, source: Source
) -> None:
    stream.open.clear()
    sync.changed()
    assert source.read.wait(LIMIT)
    source.version = "2"
    assert not sync.reach_envoy(0.05)
    stream.open.set()
    assert sync.reach_envoy(LIMIT)
    assert stream.has[-1] == "2"


def test_without_envoy_the_wait_ends(sync: ResourceSync, stream: Stream) -> None:
    stream.open.clear()
    assert not sync.reach_envoy(0.05)
