"""The text of `kapi up` when the platform is ready: hosts, token request, next step, warning."""

from __future__ import annotations

import base64
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from kapi.settings import Settings

_PETSTORE = Path(__file__).parents[2] / "examples" / "petstore"
"""In a checkout of the project; a wheel has no examples."""
_ALL_ADDRESSES = frozenset({"0.0.0.0", "::", "localhost"})  # noqa: S104 - compared, not bound


def place(data_dir: Path, default: Path | None) -> str:
    """The option with which a command finds the platform; empty for the `default` directory."""
    if data_dir == default:
        return ""
    return f" --data-dir {shlex.quote(str(data_dir))}"


def banner(
    settings: Settings,
    default: Path | None,
    seconds: float | None = None,
    *,
    detached: bool = False,
) -> str:
    """The text. Its curl command contains a secret only if that is the published one.

    `default`: the data directory of commands without `--data-dir`.
    """
    stop = "Ctrl-C"
    if detached:
        stop = f"kapi down{place(settings.data_dir, default)}"
    took = ""
    if seconds is not None:
        took = f" in {seconds:.1f} s"
    text = _with_provider if settings.identity.enabled else _without_provider
    return f"""
kapi is ready{took} on https port {settings.gateway.port}

{text(settings, place(settings.data_dir, default), stop)}
"""


def _with_provider(settings: Settings, option: str, stop: str) -> str:
    provider = _url(settings, settings.provider_hosts[-1])
    return f"""\
  identity provider   {provider}   (issuer {settings.own_issuers[-1]})
  system APIs         {_api(settings)}
  deployed APIs       {_deployed(settings)}
{_console(settings)}{_second_names(settings)}
Get a token:

{_token_request(settings)}

Next:  kapi deploy {_example()}{option}     (more: kapi --help)
Read:  {_api(settings)}/openapi.html and {provider}/openapi.html
Data:  {settings.data_dir}
Stop:  {stop}

WARNING: the inbuilt identity provider is NON-PRODUCTION: its credentials are published. \
Use it for tests only."""


def _without_provider(settings: Settings, _option: str, stop: str) -> str:
    names = ", ".join(item.name for item in settings.identity.issuers)
    return f"""\
  system APIs         {_api(settings)}
  deployed APIs       {_deployed(settings)}
  trusted issuers     {names or "see kapi issuer list"}
{_second_names(settings)}
There is no inbuilt identity provider: get a token from a trusted issuer, and set KAPI_TOKEN \
for the commands that need one.

Read:  {_api(settings)}/openapi.html
Data:  {settings.data_dir}
Stop:  {stop}"""


def _url(settings: Settings, host: str) -> str:
    return f"https://{host}:{settings.gateway.port}"


def _api(settings: Settings) -> str:
    return _url(settings, settings.gateway.shown_host(settings.gateway.api_host))


def _console(settings: Settings) -> str:
    """The address of the console, with a line break at the end; empty if there is none."""
    for host in settings.console_hosts[-1:]:
        return f"  console             {_url(settings, host)}\n"
    return ""


def _deployed(settings: Settings) -> str:
    rest = f"{settings.gateway.domains[-1]}:{settings.gateway.port}"
    return f"https://<organization>.{rest}, e.g. https://default.{rest}"


def _second_names(settings: Settings) -> str:
    """The names of the settings, if the others were shown; with a line break at the end."""
    gateway = settings.gateway
    if not gateway.localhost_names:
        return ""
    names = [gateway.api_host, f"<organization>.{gateway.domain}"]
    if settings.identity.enabled:
        names.insert(0, f"{settings.identity.host} (issuer {settings.identity.issuer})")
    return f"  the same also at    {', '.join(names)}\n"


def _token_request(settings: Settings) -> str:
    """The curl command; without the credentials unless they are published."""
    from kapi.settings import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET

    published = (WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET)
    host, port = settings.identity.host, settings.gateway.port
    address = settings.gateway.listen
    if address in _ALL_ADDRESSES:
        address = "127.0.0.1"
    credentials = "$CLIENT_ID_AND_SECRET_IN_BASE64"
    if any(
        (client.id, client.secret) == published for client in settings.identity.clients
    ):
        credentials = base64.b64encode(
            ":".join(map(quote_plus, published)).encode()
        ).decode()
    url = f"https://{host}:{port}/oauth2/token"
    return f"""\
  curl -k --resolve {host}:{port}:{address} --location '{url}' \\
    --header 'Authorization: Basic {credentials}' \\
    --header 'Content-Type: application/x-www-form-urlencoded' \
--data-urlencode 'grant_type=client_credentials'"""


def _example() -> str:
    """Files to deploy: those of the checkout, else a definition of the person's own."""
    if not (_PETSTORE / "petstore.apk-conf").is_file():
        return "openapi.yaml --endpoint http://127.0.0.1:8080"
    files = (_PETSTORE / "petstore.apk-conf", _PETSTORE / "openapi.yaml")
    return " ".join(map(_short, files))


def _short(file: Path) -> str:
    """The path for a shell: relative if it is below the current folder."""
    short = os.path.relpath(file)
    return shlex.quote(str(file) if short.startswith(os.pardir) else short)
