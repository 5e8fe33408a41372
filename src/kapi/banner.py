"""What `kapi up` says when it is ready: hosts, the token request, the next step, where data lives, the warning."""

from __future__ import annotations

import base64
import os
import shlex
from pathlib import Path
from urllib.parse import quote_plus

from kapi.settings import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET, Settings

_PETSTORE = Path(__file__).parents[2] / "examples" / "petstore"
"""In a checkout of the project; a wheel has no examples."""


def place(data_dir: Path, default: Path | None) -> str:
    """What a command needs to find the platform from any folder: nothing when it runs in the `default` data directory."""
    return "" if data_dir == default else f" --data-dir {shlex.quote(str(data_dir))}"


def banner(
    settings: Settings,
    default: Path | None,
    seconds: float | None = None,
    *,
    detached: bool = False,
) -> str:
    """The text. The curl holds a secret only when it is the well-known one. `default`: the user's own data directory."""
    identity, gateway = settings.identity, settings.gateway
    address = "127.0.0.1" if gateway.listen in {"0.0.0.0", "::", "localhost"} else gateway.listen  # noqa: S104 - compared, not bound
    if not identity.enabled:
        return _without_provider(settings, default, seconds, detached=detached)
    took = "" if seconds is None else f" in {seconds:.1f} s"
    published = (WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET)
    credentials = "$CLIENT_ID_AND_SECRET_IN_BASE64"
    if any((client.id, client.secret) == published for client in identity.clients):
        credentials = base64.b64encode(":".join(map(quote_plus, published)).encode()).decode()
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

Next:  kapi deploy {_example()}{place(settings.data_dir, default)}     (more: kapi --help)
Read:  https://{gateway.api_host}:{port}/openapi.html and https://{identity.host}:{port}/openapi.html
Data:  {settings.data_dir}
Stop:  {_stop(settings, default, detached=detached)}

WARNING: the inbuilt identity provider is NON-PRODUCTION: its credentials are published. Use it for tests only.
"""


def _example() -> str:
    """Files to deploy: those of the checkout, else a definition of the person's own."""
    if not (_PETSTORE / "petstore.apk-conf").is_file():
        return "openapi.yaml --endpoint http://127.0.0.1:8080"
    return " ".join(
        shlex.quote(os.path.relpath(_PETSTORE / name))
        for name in ("petstore.apk-conf", "openapi.yaml")
    )


def _stop(settings: Settings, default: Path | None, *, detached: bool) -> str:
    return f"kapi down{place(settings.data_dir, default)}" if detached else "Ctrl-C"


def _without_provider(
    settings: Settings, default: Path | None, seconds: float | None, *, detached: bool
) -> str:
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
Stop:  {_stop(settings, default, detached=detached)}
"""
