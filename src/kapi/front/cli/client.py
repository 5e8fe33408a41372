"""Calls of the system APIs and of the powers of a test."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kapi.apis.model.choices import API_TYPE, DEPLOYMENT_CHOICES, Choices
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.cli.output import say
from kapi.front.cli.server.base import Answer, request
from kapi.front.cli.server.choice import server_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kapi.front.cli.server.base import Server
    from kapi.settings import Settings

_DEPLOYER = "/api/deployer/1.2.0/apis"
DEPLOY_SCOPE = "apk:api_create"
_CONF, _DEFINITION = "apkConfiguration", "definitionFile"


class Client:
    """A caller of a platform."""

    def __init__(
        self,
        settings: Settings,
        client_id: str | None = None,
        server: Server | None = None,
    ) -> None:
        """`settings` are those of this machine; the platform may be another (`server/choice.py`).

        Without `client_id`, the first configured client that may get the token is used, or what
        `kapi login` keeps.
        """
        self.server = server or server_of(settings)
        self._client_id = client_id
        self._tokens: dict[tuple[str, ...], str] = {}
        """The last token for these scopes; used until the platform refuses it."""

    @property
    def api_url(self) -> str:
        """The address of the system APIs, as people are shown it."""
        host = self.server.api_host
        return self.server.shown(f"https://{self.server.authority(host)}")

    def request(
        self,
        host: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        token: str = "",
    ) -> Answer:
        """The answer to one request. Raises KapiError if there is none."""
        sent = {}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return request(self.server, host, method, path, body, sent | (headers or {}))

    def token(self, scopes: tuple[str, ...] = ()) -> str:
        """An access token. Raises Problem if there is none."""
        return self.server.token(scopes, self._client_id)

    def deploy(self, conf: bytes, definition: bytes) -> Answer:
        """Deploy an API. The answer's body is the conf with its id; its headers name the kind."""
        return self._deploy({}, {_CONF: conf, _DEFINITION: definition})

    def deploy_document(self, content: bytes, choices: Choices) -> Answer:
        """The same with an OpenAPI document alone; the warnings are about it, too."""
        fields = {API_TYPE: "REST"}
        for field, name in DEPLOYMENT_CHOICES.items():
            if text := getattr(choices, name):
                fields[field] = text
        return self._deploy(fields, {_DEFINITION: content})

    def _deploy(self, fields: Mapping[str, str], files: Mapping[str, bytes]) -> Answer:
        parts = [(f'"{name}"', text.encode()) for name, text in fields.items()]
        for name, content in files.items():
            parts.append((f'"{name}"; filename="{name}"', content))
        boundary = os.urandom(16).hex()
        pieces = []
        for name, content in parts:
            head = f"Content-Disposition: form-data; name={name}"
            pieces += [f"--{boundary}\r\n{head}\r\n\r\n".encode(), content, b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode())
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.system("POST", f"{_DEPLOYER}/deploy", b"".join(pieces), headers)

    def undeploy(self, api_id: str) -> Answer:
        """Undeploy an API."""
        return self.system(
            "POST", f"{_DEPLOYER}/undeploy?apiId={quote(api_id, safe='')}"
        )

    def apis(self) -> list[dict[str, Any]]:
        """The deployed APIs of the caller's organization."""
        apis: list[dict[str, Any]] = self.call("GET", _DEPLOYER, scope=DEPLOY_SCOPE)[
            "apis"
        ]
        return apis

    def ready(self) -> bool:
        """Whether the gateway and control are ready."""
        return self.request(self.server.api_host, "GET", "/ready").status == 200

    def call(
        self, method: str, path: str, value: Any = None, *, scope: str
    ) -> dict[str, Any]:
        """Call a system API with JSON in and out, and a token with that scope.

        Raises Problem if the call is refused.
        """
        if value is None:
            return self.system(method, path, scope=scope).members
        headers = {"Content-Type": "application/json"}
        body = json.dumps(value).encode()
        return self.system(method, path, body, headers, scope=scope).members

    def power(self, method: str, path: str, value: Any = None) -> Any:
        """Use a power of a test (`kapi up --testing`). Raises Problem if it is refused."""
        body, headers = None, {}
        if value is not None:
            body, headers = (
                json.dumps(value).encode(),
                {"Content-Type": "application/json"},
            )
        return json.loads(self._power(method, path, body, headers).body)

    def power_text(self, method: str, path: str, text: str = "") -> str:
        """As `power`, with YAML instead of JSON."""
        media_type = "application/yaml"
        headers = {"Content-Type": media_type} if text else {"Accept": media_type}
        return self._power(method, path, text.encode() or None, headers).body.decode()

    def _power(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        answer = self.request(self.server.identity_host, method, path, body, headers)
        if answer.status < 400:
            return answer
        if not self.server.is_for_tests:
            raise Problem(
                answer.status,
                "no-testing",
                "this platform does not offer the powers of a test",
                hint="Start it with `kapi up --testing`.",
            )
        refused = answer.members
        text = str(
            refused.get("error_description") or refused.get("mistakes") or answer.status
        )
        raise Problem(
            answer.status, "testing", text, hint="See all powers with `kapi testing`."
        )

    def system(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        scope: str = DEPLOY_SCOPE,
    ) -> Answer:
        """Call a system API with a token of that scope. Raises Problem if the call is refused."""
        return succeeded(self.answer(method, path, body, headers, scopes=(scope,)))

    def answer(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        scopes: tuple[str, ...],
    ) -> Answer:
        """The answer of a system API, also if the call is refused."""
        host = self.server.api_host
        if kept := self._tokens.get(scopes):
            answer = self.request(host, method, path, body, headers, token=kept)
            if answer.status != 401:
                return answer
        token = self._tokens[scopes] = self.token(scopes)
        return self.request(host, method, path, body, headers, token=token)

    @property
    def is_for_tests(self) -> bool:
        """Whether the platform offers the powers of a test."""
        return self.server.is_for_tests


def say_warnings(made: dict[str, Any]) -> None:
    """Print the warnings of an answer, and take them out of it."""
    for warning in made.pop("warnings", ()):
        say(f"warning: {warning}")


def succeeded(answer: Answer) -> Answer:
    """The answer. Raises Problem if it is a refusal."""
    if answer.status >= 400:
        raise problem_of_answer(answer)
    return answer


def problem_of_answer(answer: Answer) -> Problem:
    """The problem that a system API answered; Invalid if it names mistakes."""
    value = answer.members
    code = str(value.get("code", answer.status))
    if diagnostics := value.get("diagnostics"):
        return Invalid(
            tuple(Diagnostic(**item) for item in diagnostics),
            ErrorCode(code, answer.status, str(value.get("message", ""))),
        )
    return Problem(
        answer.status,
        code,
        str(value.get("message", f"HTTP {answer.status}")),
        str(value.get("description", "")),
        str(value.get("hint", "")),
    )
