"""Dataclasses whose methods are made when they are first called behave like the usual ones."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from dataclasses import field
from typing import ClassVar

import pytest

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A value with each kind of field."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)
    made: int = field(default=9, init=False)
    hidden: str = field(default="secret", repr=False, compare=False)
    count: ClassVar[int] = 0

    def moved(self) -> Point:
        return dataclasses.replace(self, x=self.x + 1)


@dataclass(slots=True)
class Counter:
    """One that changes."""

    value: int = 0
    names: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.value += 1


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """Equal to itself only."""

    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Can be in a set."""

    left: int
    right: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """One with a field that is named in a call, before one that has no default."""

    note: str = field(default="", kw_only=True)
    number: int


def test_a_field_may_be_given_by_name_only() -> None:
    assert Named(1, note="n") == Named(number=1, note="n")
    with pytest.raises(TypeError, match="positional"):
        Named(1, "n")  # type: ignore[misc]


def test_fields_have_their_arguments_and_defaults() -> None:
    point = Point(1, hidden="h")
    assert (point.x, point.y, point.tags, point.made, point.hidden) == (
        1,
        2,
        [],
        9,
        "h",
    )
    assert Point(1).tags is not Point(1).tags
    assert Point(x=1, y=5, tags=["a"]).tags == ["a"]
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="made"):
        Point(1, made=3)  # type: ignore[call-arg]


def test_text_equality_and_hash_are_those_of_the_standard_library() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2, tags=[], made=9)"
    assert Point(1) == Point(1, hidden="other")
    assert Point(1) != Point(2)
    assert Point(1) != 1
    assert len({Pair(1), Pair(1), Pair(1, "r")}) == 2
    assert hash(Pair(1)) == hash(Pair(1, ""))
    assert Handle(1) != Handle(1)
    assert len({Handle(1), Handle(1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counter())


def test_a_frozen_value_cannot_change() -> None:
    point = Pair(1)
    for change in (lambda: setattr(point, "left", 2), lambda: delattr(point, "left")):
        with pytest.raises(dataclasses.FrozenInstanceError, match="left"):
            change()
    with pytest.raises(AttributeError):
        point.other = 1  # type: ignore[attr-defined]
    assert point.left == 1
    assert not hasattr(point, "__dict__")


def test_one_that_changes_has_slots_and_runs_its_own_check() -> None:
    counter = Counter(4)
    counter.value += 1
    assert counter.value == 6
    assert Counter(4).names is not counter.names
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


def test_the_functions_of_dataclasses_read_it() -> None:
    assert dataclasses.is_dataclass(Point)
    assert [item.name for item in dataclasses.fields(Point)] == [
        "x",
        "y",
        "tags",
        "made",
        "hidden",
    ]
    assert dataclasses.asdict(Pair(1, "r")) == {"left": 1, "right": "r"}
    assert Point(1).moved() == Point(2)
    match Pair(1, "r"):
        case Pair(left, right):
            assert (left, right) == (1, "r")


def test_it_is_copied_and_pickled() -> None:
    for value in (Point(1, tags=["t"]), Pair(3), Counter(1)):
        assert copy.deepcopy(value) == value
        assert pickle.loads(pickle.dumps(value)) == value


def test_a_class_with_another_form_is_left_to_the_standard_library() -> None:
    @dataclass(frozen=True, slots=True)
    class More(Pair):
        more: int = 3

    @dataclass(order=True, frozen=True, slots=True)
    class Ordered:
        value: int

    assert More(1, "r", 4) == More(1, "r", 4)
    assert More(1).more == 3
    assert Ordered(1) < Ordered(2)
    with pytest.raises(ValueError, match="mutable default"):

        @dataclass(slots=True)
        class _Shared:
            items: list[str] = []  # noqa: RUF012 - the mistake that is refused


def test_many_threads_may_be_the_first() -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        value: int

    found: list[Fresh] = []
    begin = threading.Barrier(8)

    def work(number: int) -> None:
        begin.wait()
        found.append(Fresh(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {item.value for item in found} == set(range(8))
    assert set(found) == {Fresh(number) for number in range(8)}
