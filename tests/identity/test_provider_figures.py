"""What a worker of the provider counts, and how the counts of several are added."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import NOW, client
from idp import basic, call, provider_of
from kapi.figures import Family
from kapi.front.web.identity.app import build_identity_app
from kapi.front.web.identity.figures import with_figures
from kapi.identity.figures import PATH, ProviderFigures
from kapi.settings import IdentitySettings, Settings, UserSettings
from kapi.store import Store
from kapi.store.audit import Event

PASSWORD = client("app", grants=("password", "client_credentials"))


def counts(family: Family) -> dict[tuple[str, ...], float]:
    return {tuple(labels.values()): value for _, labels, value in family.samples}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    user = UserSettings("alice", "right", super_admin=True)
    identity = IdentitySettings(
        clients=(PASSWORD,), users=(user,), login_attempts=2, password_grant=True
    )
    return Settings(tmp_path, identity=identity)


def test_tokens_refusals_and_sign_ins(settings: Settings) -> None:
    store = Store.open(settings.data_dir / "kapi.db")
    provider = provider_of(settings, store)
    events = list[Event]()
    provider.record = provider.record_later = events.append
    app = with_figures(build_identity_app(provider, lambda: NOW), provider.figures)

    def ask(body: bytes, secret: str = PASSWORD.secret) -> int:
        return call(app, body=body, authorization=basic("app", secret)).status

    assert ask(b"grant_type=client_credentials") == 200
    assert ask(b"grant_type=client_credentials", "wrong") == 401
    assert ask(b"grant_type=" + b"x" * 50) == 400
    signed_in = [
        ask(f"grant_type=password&username=alice&password={p}".encode())
        for p in ("right", "x", "x", "x")
    ]
    assert signed_in == [200, 400, 400, 400]
    total = ProviderFigures()
    for _ in range(2):
        total.add(call(app, "GET", PATH, b"").json())
    tokens, refusals, sign_ins = map(counts, total.families())
    assert tokens == {("client_credentials", "app"): 2, ("password", "app"): 2}
    assert refusals[("client_credentials", "invalid_client")] == 2
    assert refusals[("unknown", "unsupported_grant_type")] == 2
    seen = [(item.event, item.outcome, item.client, item.detail) for item in events]
    assert seen[0][:3] == ("client.authenticate", "failure", "app")
    assert seen[1:] == [
        ("sign_in", "success", "app", ""),
        *[("sign_in", "failure", "app", "wrong password")] * 2,
        ("sign_in", "failure", "app", "too many tries"),
    ]
    assert [item.subject for item in events] == ["", *["alice"] * 4]
    assert sign_ins == {("success",): 2, ("wrong password",): 4, ("too many tries",): 2}
    store.close()
