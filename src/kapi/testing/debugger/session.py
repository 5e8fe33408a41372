"""What one browser has done in the debugger: the messages, and what the next step needs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections import OrderedDict
from dataclasses import field
from http import HTTPStatus
from typing import Any

from kapi.dataclass import dataclass
from kapi.testing.http.calls import Call, Reply

_MOST_SESSIONS = 100
_MOST_MESSAGES = 60


@dataclass(frozen=True, slots=True)
class Message:
    """One request and its answer as text, and what is to be said about them."""

    title: str
    sent: str
    got: str
    notes: tuple[str, ...] = ()
    failed: bool = False


@dataclass
class Session:
    """The state of one browser at one issuer."""

    issuer: str
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    messages: list[Message] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """`access_token`, `refresh_token`, `id_token`, `device_code`, `auth_req_id`."""
    client: tuple[str, str] = ("", "")
    method: str = "client_secret_basic"
    verifier: str = ""
    state: str = ""
    link: str = ""
    """A page for a person to open."""

    def note(self, message: Message) -> None:
        """Add a message."""
        self.messages.append(message)
        del self.messages[:-_MOST_MESSAGES]

    def new_pkce(self) -> str:
        """Make a verifier; returns its challenge (RFC 7636 §4.2)."""
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Sessions:
    """The sessions by the key in the browser's cookie; the oldest are dropped."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def of(self, key: str, issuer: str) -> Session:
        """The session of a browser at an issuer, or a new one."""
        found = self._sessions.get(key)
        if found is not None and found.issuer == issuer:
            return found
        made = Session(issuer)
        self._sessions[made.key] = made
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return made

    def known(self, key: str) -> Session | None:
        """The session with this key."""
        return self._sessions.get(key)


def text_of_call(call: Call) -> str:
    """A request as it is sent."""
    query = f"?{call.query}" if call.query else ""
    head = "\n".join(f"{name}: {value}" for name, value in call.headers)
    body = call.body.decode("utf-8", "replace").replace("&", "\n&")
    return f"{call.method} {call.path}{query}\n{head}\n\n{body}".strip()


def text_of_reply(reply: Reply) -> str:
    """An answer as it came; JSON is indented."""
    head = "\n".join(f"{name}: {value}" for name, value in reply.headers)
    body = reply.text
    if reply.members is not None:
        body = json.dumps(reply.members, indent=2, ensure_ascii=False)
    elif "html" in reply.header("content-type"):
        body = f"(a page of {len(reply.body)} bytes)"
    return f"{reply.status} {_phrase(reply.status)}\n{head}\n\n{body}".strip()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def text_of_token(told: dict[str, Any]) -> str:
    """A token as `explain` tells it."""
    shown = {"header": told["header"], "claims": told["claims"]}
    return f"{told['kind']}\n{json.dumps(shown, indent=2, ensure_ascii=False)}"
