"""The pages for people: rendered here, without scripts or external resources, not frameable.

The templates are in this folder, and loaded with the first page: most workers render none.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kapi.errors import OAuthError
from kapi.identity.protocol.http import Answer, Headers

if TYPE_CHECKING:
    from jinja2 import Environment

LOGIN_PATH = "/authenticationEndpoint/login"
SELECT_PATH = "/authenticationEndpoint/select"
CONSENT_PATH = "/authenticationEndpoint/consent"
ERROR_PATH = "/authenticationEndpoint/error"
ACCOUNT_PATH = "/authenticationEndpoint/account"
STYLE_PATH = "/authenticationEndpoint/style.css"
POST_LOGIN_PATH = "/commonauth/login"
CALLBACK_PATH = "/oauth2/auth-callback"
SUBMIT = "document.forms[0].submit()"
"""The only script: it posts the form of the form_post response mode, as does its button."""

NO_HEADERS: Headers = ()
_NO_STORE: Headers = (("cache-control", "no-store"), ("pragma", "no-cache"))
SHUT: Headers = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)
"""The headers of all pages, besides the Content Security Policy."""


def page_link(path: str, key: str) -> str:
    """The link to a page for a waiting request, with APK's parameter name; keys are base64url."""
    return f"{path}?stateKey={key}"


def see_other(location: str, cookies: Sequence[str] = ()) -> Answer:
    """A redirect that is followed by GET, so that no password is sent on (RFC 9700 §4.12)."""
    headers: Headers = (
        ("location", location),
        *_NO_STORE,
        ("referrer-policy", "no-referrer"),
    )
    return Answer(303, (*headers, *_set(cookies)))


def _set(cookies: Sequence[str]) -> Headers:
    return tuple(("set-cookie", cookie) for cookie in cookies)


def page(
    base_url: str,
    template: str,
    *,
    status: int = 200,
    cookies: Sequence[str] = (),
    leads_to: str = "",
    script: str = "",
    frames: Sequence[str] = (),
    logo: str = "",
    headers: Headers = (),
    **values: Any,
) -> Answer:
    """A page.

    `leads_to` is the address that its form may redirect to, `script` its only inline script,
    `frames` are the origins that it may frame, `logo` is its only external image.
    """
    known = {
        "style": style_link(),
        "submit": SUBMIT,
        "host": urlsplit(base_url).hostname,
        "logo": logo,
    }
    body = templates().get_template(template).render(**known, **values).encode("utf-8")
    policy = _policy(leads_to, script, frames, logo)
    sent: Headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        *SHUT,
        *_NO_STORE,
        *headers,
    )
    return Answer(status, (*sent, *_set(cookies)), body)


def error_page(
    base_url: str, error: OAuthError, facts: Sequence[tuple[str, str]] = ()
) -> Answer:
    """An error that must not, or cannot, be sent to the client. `facts` are names and values."""
    status, headers = error.status, NO_HEADERS
    if status == 401:
        status = 400
    if error.allow:
        headers = (("allow", error.allow),)
    return page(
        base_url,
        "error.html",
        status=status,
        headers=headers,
        error=error.error,
        description=error.detail,
        facts=facts,
    )


def form_post_page(base_url: str, action: str, parameters: Mapping[str, str]) -> Answer:
    """The Form Post Response Mode."""
    return page(
        base_url,
        "form_post.html",
        leads_to=action,
        script=SUBMIT,
        action=action,
        parameters=parameters,
    )


def style() -> bytes:
    """The one style sheet."""
    return resources.files(__package__ or "").joinpath("style.css").read_bytes()


@cache
def style_link() -> str:
    """Its address with its digest, so that browsers may cache it for long."""
    return f"{STYLE_PATH}?{hashlib.sha256(style()).hexdigest()[:16]}"


def _policy(leads_to: str, script: str, frames: Sequence[str], logo: str) -> str:
    """Content Security Policy Level 3.

    Browsers apply `form-action` to each redirect after a form, and a client may redirect from its
    redirect URI to any address: web addresses are allowed, and the scheme of a native client.
    """
    form, runs, image = "'self' https: http:", "'none'", ""
    scheme = urlsplit(leads_to).scheme
    if scheme not in {"", "http", "https"}:
        form += f" {scheme}:"
    if script:
        runs = f"'sha256-{_digest(script)}'"
    if logo:
        image = f" https://{urlsplit(logo).netloc}"
    framed = " ".join(frames) or "'none'"
    return (
        f"default-src 'none'; style-src 'self'; script-src {runs}; img-src data:{image};"
        f" frame-src {framed}; form-action {form}; frame-ancestors 'none'; base-uri 'none'"
    )


def _digest(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


@cache
def templates() -> Environment:
    """The templates of this folder; an undefined name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("kapi.identity", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
