"""What a reload takes up of changed settings, what it leaves, and what it shows of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kapi.gateway.envoy.process import process as envoy
from kapi.settings import (
    ClientSettings,
    IdentitySettings,
    LimitsSettings,
    SecretsSettings,
    Settings,
)
from kapi.settings.reloading.reloaded import NEEDS_RESTART, reloaded
from kapi.settings.secrets import SecretSettings

ROOT = Path(__file__).parents[2]
BASE = Settings(Path("/data"))


def test_all_is_taken_up_but_what_needs_a_restart() -> None:
    read = replace(
        BASE,
        gateway=replace(BASE.gateway, port=1234, drain_seconds=1),
        identity=replace(BASE.identity, workers=3, token_lifetime=60),
    )
    found = reloaded(BASE, read)
    assert [(item.name, item.after) for item in found.taken_up] == [
        ("identity.token_lifetime", 60),
        ("gateway.drain_seconds", 1),
    ]
    assert [(item.name, item.before, item.after) for item in found.left] == [
        ("identity.workers", BASE.identity.workers, 3),
        ("gateway.port", 9095, 1234),
    ]
    assert found.settings.gateway == replace(BASE.gateway, drain_seconds=1)
    assert found.settings.identity == replace(BASE.identity, token_lifetime=60)
    assert reloaded(BASE, BASE).taken_up == reloaded(BASE, BASE).left == ()


def test_items_are_named_and_secrets_are_hidden() -> None:
    def settings(*clients: ClientSettings, redis: str = "") -> Settings:
        return replace(
            BASE,
            identity=IdentitySettings(clients=clients),
            limits=LimitsSettings(redis=redis),
        )

    shop = ClientSettings("shop", "first-secret")
    before = settings(shop, ClientSettings("old", "x"), redis="redis://:hunter1@a/0")
    after = settings(
        replace(shop, secret="second-secret", scopes=("a",)),
        ClientSettings("new", "new-secret"),
        redis="redis://:hunter2@a/0",
    )
    found = reloaded(before, after)
    assert {item.name: (item.before, item.after) for item in found.taken_up} == {
        "identity.clients[shop].secret": ("***", "*** (another)"),
        "identity.clients[shop].scopes": (["*"], ["a"]),
        "identity.clients[old]": ("removed", None),
        "identity.clients[new]": (None, "added"),
    }
    assert [item.name for item in found.left] == ["limits.redis"]
    assert not re.search(
        r"hunter|first-|second-|new-", str((found.taken_up, found.left))
    )


def test_each_value_of_a_secret_counts_and_so_does_the_order() -> None:
    def settings(*values: SecretSettings) -> Settings:
        return replace(BASE, secrets=SecretsSettings(values))

    user, password = (
        SecretSettings("shop", "user", "u1"),
        SecretSettings("shop", "password", "p1"),
    )
    other = SecretSettings("other", "key", "k1")
    before = settings(user, password, other)
    for changed in (
        settings(replace(user, value="u2"), password, other),
        settings(user, replace(password, value="p2"), other),
        settings(user, other),
        settings(other, user, password),
    ):
        found = reloaded(before, changed)
        assert found.taken_up
        assert not re.search("[up][12]", str(found.taken_up))


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner):
            yield from _leaves(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", inner


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    return value


def _with(value: Any, name: str, new: Any) -> Any:
    first, _, rest = name.partition(".")
    if rest:
        new = _with(getattr(value, first), rest, new)
    return replace(value, **{first: new})


def test_what_envoy_is_started_with_needs_a_restart() -> None:
    def started(settings: Settings) -> tuple[Any, Any]:
        bootstrap = envoy.bootstrap(settings, Path("/run"))
        return bootstrap, envoy.command_line(Path("/envoy"), Path("/boot"), settings)

    usual = started(BASE)
    different = set()
    for name, value in _leaves(BASE):
        if started(_with(BASE, name, _another(value))) != usual:
            different.add(name)
    assert "gateway.max_connections" in different
    assert different <= set(NEEDS_RESTART)


def test_the_page_of_settings_marks_what_needs_a_restart() -> None:
    marked = []
    for line in (ROOT / "docs/settings.md").read_text("utf-8").splitlines():
        if line.startswith("| `") and line.endswith(". Restart |"):
            marked += re.findall(r"`([a-z_.]+)`", line.split(" | ")[0])
    assert sorted(marked) == sorted(NEEDS_RESTART)


def test_names_are_those_of_settings() -> None:
    assert set(NEEDS_RESTART) <= {name for name, _ in _leaves(BASE)}
