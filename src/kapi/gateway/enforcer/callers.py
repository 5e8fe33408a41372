"""Which application a call comes from, as applications and subscriptions know it; for backend JWTs. Called by `app.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kapi.gateway.consumer_index import matches
from kapi.gateway.enforcer.backend_jwt import Caller
from kapi.store.applications import Application


def find_caller(
    all_applications: Callable[[], Iterable[Application]],
    consumer: str,
    organization: str,
    api: str,
    version: str,
) -> Caller | None:
    """The application with that consumer key, and the tier of its subscription to the API; None when nobody has it."""
    for item in all_applications():
        if item.organization == organization and any(
            key.consumer_key == consumer for key in item.keys
        ):
            subscribed = (
                one
                for one in item.subscriptions
                if one.api_name == api and matches(one.api_version, version)
            )
            tier = next((one.tier for one in subscribed), "")
            return Caller(
                item.id,
                item.name,
                tier=item.tier or "Unlimited",
                subscription_tier=tier or "Unlimited",
            )
    return None
