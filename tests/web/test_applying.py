"""What an apply does in which order, and what it says when an object fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kapi.errors import Invalid, KapiError
from kapi.front.web.declared.applying import Applying, Asked
from kapi.front.web.declared.endpoint import items_of
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.store import Store
from kapi.store.gateway.declared import DeclaredObjects


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("client", "Did you mean Client?"),
        ("Aplication", "Did you mean Application?"),
        ("Dog", "Known: Client, Application."),
        (7, "Known: Client, Application."),
    ],
)
def test_an_unknown_kind_is_told_the_one_that_is_like_it(given: object, hint: str):
    kinds = {name: Things(name, []) for name in ("Client", "Application")}
    with pytest.raises(Invalid) as refused:
        items_of([{"kind": given}], kinds)
    assert [item.hint for item in refused.value.diagnostics] == [hint]


@dataclass
class Things:
    """A kind that keeps names and values in a dictionary."""

    name: str
    log: list[str]
    there: dict[str, str] = field(default_factory=dict)
    scope: str = "scope"
    events: tuple[str, str, str] = ("thing.add", "thing.change", "thing.remove")
    of_organization: bool = True
    broken: str = ""

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        steps = []
        for item in items:
            name, value = item.members["name"], item.members["value"]
            if value == "wrong":
                batch.mistakes.add(item, "value", "is wrong")
            before = {"value": self.there[name]} if name in self.there else None
            change = self.changing(name, value)
            steps.append(Step(item, name, name, before, {"value": value}, change))
        return steps

    def changing(self, name: str, value: str):
        def change() -> None:
            if name == self.broken:
                raise KapiError("full", "the disk is full")
            self.there[name] = value
            self.log.append(f"{self.name} {name}")

        return change

    def remove(self, object_id: str, organization: str) -> None:
        assert organization == "acme"
        if object_id == self.broken:
            raise KapiError("used", "something uses it")
        del self.there[object_id]
        self.log.append(f"no {self.name} {object_id}")

    def stored(self) -> Iterable[Stored]:
        return ()


@dataclass
class Bench:
    """Two kinds, the second of which depends on the first."""

    applying: Applying
    log: list[str]
    first: Things
    second: Things

    def apply(
        self, *wanted: tuple[str, str, str], prune: bool = False, owner: str = "me"
    ) -> list[str]:
        items = tuple(
            Item(kind, number, {"name": name, "value": value})
            for number, (kind, name, value) in enumerate(wanted)
        )
        made = self.applying.apply(Asked(items, owner, prune), "acme")
        self.failure = made.failure
        return [f"{item['name']} {item['status']}" for item in made.objects]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = Store.open(tmp_path / "kapi.db")
    log: list[str] = []
    first, second = Things("First", log), Things("Second", log)
    yield Bench(
        Applying((first, second), DeclaredObjects(store.database)), log, first, second
    )
    store.close()


BOTH = (("Second", "b", "1"), ("First", "a", "1"))


def test_the_order_is_that_of_the_kinds_and_pruning_reverses_it(bench: Bench) -> None:
    assert bench.apply(*BOTH) == ["a created", "b created"]
    assert bench.apply(*BOTH) == ["a unchanged", "b unchanged"]
    assert bench.apply(("First", "a", "2")) == ["a configured"]
    assert bench.apply(prune=True, owner="another") == []
    assert bench.apply(prune=True) == ["b pruned", "a pruned"]
    assert bench.log == ["First a", "Second b", "First a", "no Second b", "no First a"]


def test_what_comes_after_a_failure_is_not_applied(bench: Bench) -> None:
    bench.apply(("Second", "old", "1"))
    bench.first.broken = "x"
    wanted = (("First", "a", "1"), ("First", "x", "1"), ("Second", "b", "1"))
    assert bench.apply(*wanted, prune=True) == [
        "a created",
        "x failed",
        "b not applied",
        "old not applied",
    ]
    assert str(bench.failure) == "the disk is full"
    assert (bench.first.there, bench.second.there) == ({"a": "1"}, {"old": "1"})
    bench.first.broken = ""
    assert bench.apply(*wanted, prune=True) == [
        "a unchanged",
        "x created",
        "b created",
        "old pruned",
    ]


def test_a_prune_that_fails_ends_the_work(bench: Bench) -> None:
    bench.apply(*BOTH)
    bench.second.broken = "b"
    assert bench.apply(prune=True) == ["b failed", "a not applied"]
    bench.second.broken = ""
    assert bench.apply(prune=True) == ["b pruned", "a pruned"]


def test_nothing_is_made_when_one_object_is_wrong(bench: Bench) -> None:
    wanted = (("First", "a", "1"), ("Second", "b", "wrong"), ("Second", "c", "wrong"))
    with pytest.raises(Invalid) as caught:
        bench.apply(*wanted)
    pointers = [item.pointer for item in caught.value.diagnostics]
    assert pointers == ["#/objects/1/value", "#/objects/2/value"]
    assert bench.log == []
    with pytest.raises(Invalid, match="declared twice"):
        bench.apply(("First", "a", "1"), ("First", "a", "2"))


def test_only_what_an_apply_created_is_pruned(bench: Bench) -> None:
    bench.first.there["a"] = "0"
    assert bench.apply(("First", "a", "1")) == ["a configured"]
    assert bench.apply(prune=True) == []
