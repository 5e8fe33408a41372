"""What an explanation says of subscriptions: the same as the gateway would do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp import basic, call, identity_app, provider_of
from kapi.front.web.operate.judging import DeployedJudge
from kapi.identity.issuers.verify import IssuerKeys
from kapi.settings import (
    WELL_KNOWN_CLIENT_ID,
    ApplicationSettings,
    Settings,
    SubscriptionsSettings,
)
from kapi.settings.subscriptions import ConsumerKeySettings, SubscriptionSettings
from kapi.store import Store, StoredApi
from kapi.store.gateway.applications import (
    Application,
    ApplicationStore,
    ConsumerKey,
    Subscription,
)

CONF = """
name: "Orders"
basePath: "/orders"
version: "1.2.0"
type: "REST"
subscriptionValidation: true
endpointConfigurations:
  production:
    endpoint: "http://backend:8080"
operations:
- {target: "/a", verb: GET}
"""
API = StoredApi("orders", "default", "Orders", "1.2.0", "", "/orders/1.2.0", None, 1, 1)
KEY = ConsumerKey(WELL_KNOWN_CLIENT_ID, "PRODUCTION")
BLOCKED = "the subscription to the API is blocked (900907)"
NOT_SUBSCRIBED = "has no subscription to the API (900908)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "kapi.db")
    opened.save_api(API, CONF, b"", ())
    yield opened
    opened.close()


def why(store: Store, path: Path, *fixed: ApplicationSettings) -> str:
    """Why the operation refuses a token of the well-known client; empty: it does not."""
    settings = Settings(path, subscriptions=SubscriptionsSettings(applications=fixed))
    answer = call(identity_app(settings, store, time.time), authorization=basic())
    provider = provider_of(settings, store)
    issuers = [
        IssuerKeys.inbuilt(provider.issuer, provider.keyring.keys, provider.issuers)
    ]
    judge = DeployedJudge(store, settings, lambda: issuers)
    (api,) = judge(answer.json()["access_token"])
    (operation,) = api["operations"]
    assert api["lets_in"] == (operation["result"] == "allowed")
    return str(operation["why"])


def subscribe(
    store: Store,
    version: str = ".*",
    status: str = "ACTIVE",
    *,
    organization: str = "default",
    key: ConsumerKey = KEY,
) -> None:
    applications = ApplicationStore(store.database)
    shop = Application("app", organization, "shop")
    applications.create(shop)
    applications.add_key(shop, key)
    applications.subscribe("app", Subscription("1", "Orders", version, status))


def test_a_client_without_a_subscription_is_refused(
    store: Store, tmp_path: Path
) -> None:
    assert NOT_SUBSCRIBED in why(store, tmp_path)


def test_a_subscription_to_the_version_lets_in(store: Store, tmp_path: Path) -> None:
    subscribe(store, r"1\..*")
    assert not why(store, tmp_path)


def test_a_subscription_to_another_version_is_none(
    store: Store, tmp_path: Path
) -> None:
    subscribe(store, r"2\..*")
    assert NOT_SUBSCRIBED in why(store, tmp_path)


def test_an_application_of_another_organization_is_none(
    store: Store, tmp_path: Path
) -> None:
    subscribe(store, organization="acme")
    assert NOT_SUBSCRIBED in why(store, tmp_path)


def test_a_key_of_another_environment_is_none(store: Store, tmp_path: Path) -> None:
    subscribe(store, key=ConsumerKey(WELL_KNOWN_CLIENT_ID, "PRODUCTION", "dev"))
    assert NOT_SUBSCRIBED in why(store, tmp_path)


@pytest.mark.parametrize(
    ("status", "key_type", "reason"),
    [
        ("BLOCKED", "SANDBOX", BLOCKED),
        ("PROD_ONLY_BLOCKED", "PRODUCTION", BLOCKED),
        ("PROD_ONLY_BLOCKED", "SANDBOX", ""),
        (
            "ON_HOLD",
            "SANDBOX",
            "the subscription to the API is ON_HOLD, not ACTIVE (900909)",
        ),
    ],
)
def test_the_status_of_a_subscription_counts(
    store: Store, tmp_path: Path, status: str, key_type: str, reason: str
) -> None:
    subscribe(store, status=status, key=ConsumerKey(WELL_KNOWN_CLIENT_ID, key_type))
    assert why(store, tmp_path) == reason


def test_an_application_of_the_settings_counts(store: Store, tmp_path: Path) -> None:
    shop = ApplicationSettings(
        "shop",
        keys=(ConsumerKeySettings(WELL_KNOWN_CLIENT_ID),),
        subscriptions=(SubscriptionSettings("Orders"),),
    )
    assert not why(store, tmp_path, shop)
