"""Makes the console from the parts of the control process. Called by `system_apis.py`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import Route

from kapi.app.control_parts import Control
from kapi.app.work import drafting
from kapi.audit import Record
from kapi.front.web.console.api_pages import ApiPages
from kapi.front.web.console.call_pages import CallPages
from kapi.front.web.console.console import Console
from kapi.front.web.console.deploy_pages import DeployPages
from kapi.front.web.console.editing.applications import ApplicationPages
from kapi.front.web.console.editing.pages import EditPages
from kapi.front.web.console.people_pages import PeoplePages
from kapi.front.web.console.platform_pages import PlatformPages
from kapi.front.web.console.sessions import Sessions
from kapi.front.web.console.settings_pages import SettingsPages
from kapi.front.web.console.sign_in import Provider, SignIn
from kapi.front.web.console.trying.exchange import Listener
from kapi.front.web.console.trying.pages import Trying, TryPages
from kapi.front.web.console.trying.tokens import ClientTokens
from kapi.front.web.http.draining import App
from kapi.front.web.http.lanes import Lane
from kapi.front.web.operate.judging import DeployedJudge
from kapi.gateway.envoy.resources.context import api_host
from kapi.identity.accounts.users import Users
from kapi.identity.clients.console_client import console_secret
from kapi.identity.issuers.verify import Principal, verify_bearer
from kapi.store.platform_keys import PlatformKeys
from kapi.store.users import UserStore

_TRIES: Final = (4, 8, 2)
"""Calls of *Try it* that are under way, that wait, and that one network has under way."""


def console_routes(
    control: Control, apis: Callable[[], App], record: Record
) -> list[Route]:
    """The routes of the console; none where it is off. `apis` is what its pages call."""
    settings, database = control.settings, control.store.database
    if not settings.console_hosts:
        return []
    keys = PlatformKeys(database)

    def person(token: str) -> Principal:
        return verify_bearer(
            f"Bearer {token}", control.trust.issuers(), int(time.time())
        )

    provider = Provider(settings, lambda: console_secret(keys, os.urandom), person)
    users = Users(settings.identity.users, UserStore(database))
    sessions = Sessions(settings, database, os.urandom, time.time, users)
    sign_in = SignIn(provider, sessions, os.urandom)

    def origin(request: Request) -> str:
        return settings.gateway.origin(provider.host(request))

    rows = (
        *ApiPages(control.store.api_source, control.calls, time.time).rows(),
        *TryPages(_trying(control, provider, record), Lane(*_TRIES)).rows(),
        *DeployPages(settings.apis).rows(),
        *CallPages().rows(),
        *PlatformPages(control.trust.issuers).rows(),
        *EditPages().rows(),
        *ApplicationPages().rows(),
        *PeoplePages().rows(),
        *SettingsPages(settings).rows(),
    )
    return Console(sessions, sign_in, apis, origin, rows).routes()


def _trying(control: Control, provider: Provider, record: Record) -> Trying:
    """What the page *Try it* works with."""
    settings, issuers = control.settings, control.trust.issuers
    gateway = settings.gateway
    judge = DeployedJudge(control.store, settings, issuers)

    def judged(organization: str, api_id: str, token: str) -> Mapping[str, Any] | None:
        for stored in control.deployer.list(organization):
            if stored.id == api_id:
                return judge.of_api(stored, token)
        return None

    return Trying(
        source=control.store.api_source,
        drafts=drafting(settings),
        tokens=ClientTokens(provider),
        send=Listener(settings).send,
        sandbox=partial(api_host, gateway, sandbox=True),
        issuers=issuers,
        judge=judged,
        record=record,
        forbidden=tuple(filter(None, (gateway.client_certificate_header,))),
        is_logged=gateway.access_log,
    )
