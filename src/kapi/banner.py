"""What `kapi up` says when it is ready: hosts, the token request, the next step, where data lives, the warning."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

from kapi.settings import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET, Settings


def banner(settings: Settings, seconds: float | None = None) -> str:
    """The text. The curl holds a secret only when it is the well-known one."""
    identity, gateway = settings.identity, settings.gateway
    address = "127.0.0.1" if gateway.listen in {"0.0.0.0", "::", "localhost"} else gateway.listen  # noqa: S104 - compared, not bound
    if not identity.enabled:
        return _without_provider(settings, seconds)
    took = "" if seconds is None else f" in {seconds:.1f} s"
    client = identity.clients[0] if identity.clients else None
    known = client is not None and (client.id, client.secret) == (WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET)
    credentials = "$CLIENT_ID_AND_SECRET_IN_BASE64"
    if client is not None and known:
        credentials = base64.b64encode(f"{quote_plus(client.id)}:{quote_plus(client.secret)}".encode()).decode()
    port = gateway.port
    return f"""
kapi is ready{took} on https port {port}

  identity provider   https://{identity.host}:{port}   (issuer {identity.issuer})
  system APIs         https://{gateway.api_host}:{port}
  deployed APIs       https://<organization>.{gateway.domain}:{port}, e.g. https://default.{gateway.domain}:{port}

Get a token:

  curl -k --resolve {identity.host}:{port}:{address} --location 'https://{identity.host}:{port}/oauth2/token' \\
    --header 'Authorization: Basic {credentials}' \\
    --header 'Content-Type: application/x-www-form-urlencoded' --data-urlencode 'grant_type=client_credentials'

Next:  kapi deploy examples/petstore/petstore.apk-conf examples/petstore/openapi.yaml     (more: kapi --help)
Read:  https://{gateway.api_host}:{port}/openapi.html and https://{identity.host}:{port}/openapi.html
Data:  {settings.data_dir}
Stop:  Ctrl-C

WARNING: the inbuilt identity provider is NON-PRODUCTION: its credentials are published. Use it for tests only.
"""


def _without_provider(settings: Settings, seconds: float | None) -> str:
    gateway = settings.gateway
    took = "" if seconds is None else f" in {seconds:.1f} s"
    names = ", ".join(item.name for item in settings.identity.issuers) or "see kapi issuer list"
    return f"""
kapi is ready{took} on https port {gateway.port}

  system APIs         https://{gateway.api_host}:{gateway.port}
  deployed APIs       https://<organization>.{gateway.domain}:{gateway.port}, e.g. https://default.{gateway.domain}:{gateway.port}
  trusted issuers     {names}

There is no inbuilt identity provider: get a token from a trusted issuer, and set KAPI_TOKEN for the commands that need one.

Read:  https://{gateway.api_host}:{gateway.port}/openapi.html
Data:  {settings.data_dir}
Stop:  Ctrl-C
"""
