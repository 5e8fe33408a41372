"""The application that a call comes from, for backend JWTs. Called by `app/system`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kapi.gateway.consumer_index import matches
from kapi.gateway.enforcer.backend_jwt import Caller
from kapi.store.gateway.applications import Application


def find_caller(
    all_applications: Callable[[], Iterable[Application]],
    consumer: str,
    organization: str,
    api: str,
    version: str,
) -> Caller | None:
    """The application with this consumer key and the tier of its subscription, or None."""
    for item in all_applications():
        if item.organization != organization:
            continue
        if any(key.consumer_key == consumer for key in item.keys):
            return Caller(
                item.id,
                item.name,
                tier=item.tier or "Unlimited",
                subscription_tier=_subscription_tier(item, api, version) or "Unlimited",
            )
    return None


def _subscription_tier(application: Application, api: str, version: str) -> str:
    for item in application.subscriptions:
        if item.api_name == api and matches(item.api_version, version):
            return item.tier
    return ""
