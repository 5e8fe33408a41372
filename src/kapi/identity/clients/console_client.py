"""The console as a client of the inbuilt provider: it is always there, and in no list.

It signs people in and gets no scope of the system APIs. It authenticates with a secret that only
the platform's processes know, so that no other party redeems its codes (RFC 6749 §3.2.1).
"""

from __future__ import annotations

from collections.abc import Callable

from kapi.settings import ClientSettings, Settings
from kapi.store.platform_keys import PlatformKeys

CONSOLE_CLIENT = "kapi-console"
CALLBACK_PATH = "/console/callback"
SIGN_IN_SCOPE = "openid"
START_PATH = "/console/"


def console_secret(keys: PlatformKeys, random_bytes: Callable[[int], bytes]) -> str:
    """The client's secret; it is made once."""
    return keys.get_or_make("console-client", lambda: random_bytes(32)).hex()


def own_clients(
    settings: Settings, keys: PlatformKeys, random_bytes: Callable[[int], bytes]
) -> tuple[ClientSettings, ...]:
    """The client, if there is a console."""
    origins = [settings.gateway.origin(host) for host in settings.console_hosts]
    if not origins:
        return ()
    client = ClientSettings(
        id=CONSOLE_CLIENT,
        secret=console_secret(keys, random_bytes),
        name="kapi console",
        grants=("authorization_code",),
        redirect_uris=tuple(f"{origin}{CALLBACK_PATH}" for origin in origins),
        post_logout_redirect_uris=tuple(f"{origin}{START_PATH}" for origin in origins),
        scopes=(SIGN_IN_SCOPE,),
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the name of a method
        require_pkce=True,
        consent="never",
        introspects=(),
        resources=(),
        authorization_details_types=(),
    )
    return (client,)
