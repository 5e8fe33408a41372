"""The steps of the debugger: one for each button. A step sends requests and notes the messages."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from kapi.settings import ClientSettings
from kapi.testing.debugger.session import (
    Message,
    Session,
    text_of_call,
    text_of_reply,
    text_of_token,
)
from kapi.testing.http.calls import Reply
from kapi.testing.http.requests import request_of
from kapi.testing.issuer import Issuer
from kapi.testing.strictness import register

CLIENT = "kapi-debugger"
_SECRET = secrets.token_urlsafe(24)
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
_KEPT = ("access_token", "refresh_token", "id_token", "device_code", "auth_req_id")
Form = Mapping[str, str]


class Run:
    """One step of a session. `form` is what the browser sent."""

    def __init__(
        self, issuer: Issuer, session: Session, form: Form, callback: str
    ) -> None:
        self.issuer = issuer
        self.session = session
        self.form = form
        self.callback = callback
        self.metadata: Mapping[str, Any] = {}

    async def prepare(self) -> None:
        """Read the discovery document, and register the debugger as a client."""
        path = self.issuer.discovery_url.removeprefix(self.issuer.base_url)
        reply = await self.issuer.answer(request_of("GET", path))
        self.metadata = reply.members or {}
        grants = tuple(self.metadata.get("grant_types_supported", ()))
        client = ClientSettings(
            CLIENT,
            _SECRET,
            name="The debugger",
            grants=grants,
            redirect_uris=(self.callback,),
            post_logout_redirect_uris=(self.callback,),
        )
        register(self.issuer.provider, client, os.urandom(16))
        if self.form.get("client_id"):
            self.session.client = (
                self.form["client_id"],
                self.form.get("client_secret", ""),
            )
            self.session.method = self.form.get("method", "client_secret_basic")
        elif not self.session.client[0]:
            self.session.client = CLIENT, _SECRET

    async def send(self, title: str, member: str, form: Form, **more: Any) -> Reply:
        """Send a form to an endpoint of the discovery document, with the client's credentials."""
        url = str(self.metadata.get(member, ""))
        if not url:
            self.session.note(Message(title, f"(no {member})", "The issuer has none."))
            return Reply(404)
        client_id, secret = self.session.client
        wanted = {**form, **self.extra()}
        auth = None
        if self.session.method == "client_secret_basic":
            auth = (client_id, secret)
        else:
            wanted["client_id"] = client_id
        if self.session.method == "client_secret_post":
            wanted["client_secret"] = secret
        path = url.removeprefix(self.issuer.base_url)
        return await self._noted(
            title, request_of("POST", path, form=wanted, auth=auth, **more)
        )

    async def get(self, title: str, member: str, token: str) -> Reply:
        """Call a protected endpoint."""
        path = str(self.metadata.get(member, "")).removeprefix(self.issuer.base_url)
        headers = {"authorization": f"Bearer {token}"}
        return await self._noted(title, request_of("GET", path, headers=headers))

    async def _noted(self, title: str, call: Any) -> Reply:
        reply = await self.issuer.answer(replace(call, headers=(*call.headers,)))
        members = reply.members or {}
        notes = tuple(
            f"{name}: {members[name]}"
            for name in ("clause", "likely_mistake")
            if name in members
        )
        failed = reply.status >= 400
        sent, got = text_of_call(call), text_of_reply(reply)
        self.session.note(Message(title, sent, got, notes, failed))
        self._keep(members)
        return reply

    def _keep(self, members: Mapping[str, Any]) -> None:
        for name in _KEPT:
            if isinstance(members.get(name), str):
                self.session.tokens[name] = members[name]
        token = members.get("access_token")
        if isinstance(token, str):
            told = self.issuer.explain(token)
            checks = [item for item in told["checks"] if item["result"] != "ok"]
            notes = tuple(f"{item['check']}: {item['detail']}" for item in checks)
            self.session.note(
                Message("The access token", token, text_of_token(told), notes)
            )
        link = members.get("verification_uri_complete")
        if isinstance(link, str):
            self.session.link = link

    def extra(self) -> dict[str, str]:
        """Lines `name=value` of the field for further parameters."""
        pairs = (
            line.partition("=") for line in self.form.get("extra", "").splitlines()
        )
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    def scope(self, usual: str = "") -> dict[str, str]:
        """The scope of the form."""
        scope = self.form.get("scope", usual).strip()
        return {"scope": scope} if scope else {}

    def token(self, name: str) -> str:
        """A token that an earlier step got."""
        return self.session.tokens.get(name, "")


Step = Callable[[Run], Awaitable[str]]
"""Returns where the browser goes; empty: back to the page."""


async def _grant(run: Run, title: str, grant: str, **form: str) -> str:
    await run.send(title, "token_endpoint", {"grant_type": grant, **form})
    return ""


async def _client_credentials(run: Run) -> str:
    return await _grant(run, "Client credentials", "client_credentials", **run.scope())


async def _code(run: Run) -> str:
    """RFC 6749 §4.1 with PKCE (RFC 7636); the answer comes to the callback."""
    session = run.session
    session.state = f"{session.key}.{secrets.token_urlsafe(8)}"
    query = {
        "response_type": "code",
        "client_id": session.client[0],
        "redirect_uri": run.callback,
        "state": session.state,
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": session.new_pkce(),
        "code_challenge_method": "S256",
        **run.scope("openid"),
        **run.extra(),
    }
    address = f"{run.metadata.get('authorization_endpoint', '')}?{urlencode(query)}"
    shown = address.replace("?", "\n?").replace("&", "\n&")
    session.note(
        Message("Authorization request (in the browser)", f"GET {shown}", "303 …")
    )
    return address


async def _device(run: Run) -> str:
    title = "Device authorization"
    await run.send(title, "device_authorization_endpoint", run.scope("openid"))
    return ""


async def _device_poll(run: Run) -> str:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    return await _grant(
        run, "Poll for the device", grant, device_code=run.token("device_code")
    )


async def _ciba(run: Run) -> str:
    form = {"login_hint": run.form.get("user", "org1user"), **run.scope("openid")}
    await run.send(
        "Backchannel authentication", "backchannel_authentication_endpoint", form
    )
    page = "/authenticationEndpoint/approvals"
    run.session.link = f"{run.issuer.base_url}{page}"
    return ""


async def _ciba_poll(run: Run) -> str:
    grant = "urn:openid:params:grant-type:ciba"
    return await _grant(
        run, "Poll for the approval", grant, auth_req_id=run.token("auth_req_id")
    )


async def _password(run: Run) -> str:
    user = run.form.get("user", "org1user")
    return await _grant(
        run, "Password", "password", username=user, password=user, **run.scope("openid")
    )


async def _refresh(run: Run) -> str:
    token = run.token("refresh_token")
    return await _grant(run, "Refresh", "refresh_token", refresh_token=token)


async def _exchange(run: Run) -> str:
    grant = "urn:ietf:params:oauth:grant-type:token-exchange"
    form = {
        "subject_token": run.token("access_token"),
        "subject_token_type": _ACCESS_TOKEN,
    }
    return await _grant(run, "Token exchange", grant, **form)


async def _jwt_bearer(run: Run) -> str:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = run.form.get("assertion") or run.issuer.token(
        user=run.form.get("user", "")
    )
    return await _grant(run, "JWT bearer", grant, assertion=assertion, **run.scope())


async def _userinfo(run: Run) -> str:
    await run.get("UserInfo", "userinfo_endpoint", run.token("access_token"))
    return ""


async def _introspect(run: Run) -> str:
    form = {"token": run.token("access_token")}
    await run.send("Introspection", "introspection_endpoint", form)
    return ""


async def _revoke(run: Run) -> str:
    form = {"token": run.token("refresh_token") or run.token("access_token")}
    await run.send("Revocation", "revocation_endpoint", form)
    return ""


async def _clear(run: Run) -> str:
    run.session.messages.clear()
    run.session.tokens.clear()
    run.session.client, run.session.link = ("", ""), ""
    return ""


STEPS: Mapping[str, tuple[str, Step]] = {
    "client_credentials": ("Client credentials", _client_credentials),
    "code": ("Authorization code with PKCE", _code),
    "device": ("Device: begin", _device),
    "device_poll": ("Device: poll", _device_poll),
    "ciba": ("CIBA: begin", _ciba),
    "ciba_poll": ("CIBA: poll", _ciba_poll),
    "password": ("Password", _password),
    "jwt_bearer": ("JWT bearer", _jwt_bearer),
    "refresh": ("Refresh", _refresh),
    "exchange": ("Token exchange", _exchange),
    "userinfo": ("UserInfo", _userinfo),
    "introspect": ("Introspect", _introspect),
    "revoke": ("Revoke", _revoke),
    "clear": ("Clear", _clear),
}
"""Label and function of each button."""


async def redeem(run: Run, answer: Form) -> None:
    """The answer of the authorization endpoint: check it, and redeem the code."""
    shown = "\n".join(f"{name}={value}" for name, value in answer.items())
    problems = []
    if answer.get("state") != run.session.state:
        problems.append("state differs from that of the request (RFC 6749 §10.12)")
    if "iss" in answer and answer["iss"] != run.issuer.url:
        problems.append("iss is not the issuer that was asked (RFC 9207 §2.4)")
    if "error" in answer:
        problems.append(answer.get("error_description", answer["error"]))
    title = "Authorization response (at the redirect URI)"
    run.session.note(Message(title, shown, "", tuple(problems), bool(problems)))
    if "code" in answer and not problems:
        await _grant(
            run,
            "Token request with the code",
            "authorization_code",
            code=answer["code"],
            redirect_uri=run.callback,
            code_verifier=run.session.verifier,
        )
