"""The users API, `/api/users`: the users of the inbuilt provider. No answer contains a password."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import read_json_body
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape
from kapi.front.web.operate.auditing import about
from kapi.identity.accounts.passwords import LONGEST, SHORTEST, password_digest
from kapi.identity.accounts.users import User, Users, profile_of, user_of
from kapi.settings import UserSettings
from kapi.settings.values import REFUSED, checked
from kapi.store.accounts import Ending
from kapi.store.users import StoredUser, UserStore

USERS_SCOPE = "kapi:users"
_LONGEST_NAME = 255
_HINT = "/openapi.html on this host shows an example."


class UsersApi:
    """The endpoints of this API."""

    def __init__(
        self,
        access: Access,
        users: Users,
        stored: UserStore,
        issuer: str,
        new_subject: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        """`issuer` issues the tokens of the users; `new_subject` returns an unused subject."""
        self._access = access
        self._users = users
        self._stored = stored
        self._issuer = issuer
        self._new_subject = new_subject
        self._now = now

    def routes(self) -> list[Route]:
        """The routes of this API."""
        one = "/api/users/{username}"
        return [
            Route("/api/users", self.list, methods=["GET"]),
            Route("/api/users", self.add, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/password", self.change_password, methods=["PUT"]),
            Route(f"{one}/disabled", self.change_disabled, methods=["PUT"]),
        ]

    async def list(self, request: Request) -> Response:
        """All users, without passwords."""
        self._access.principal(request, USERS_SCOPE)
        return json_answer(
            {"users": list(map(self._shown, await run_in_threadpool(self._users.all)))}
        )

    async def show(self, request: Request) -> Response:
        """A user."""
        self._access.principal(request, USERS_SCOPE)
        name = request.path_params["username"]
        user = await run_in_threadpool(self._users.account, name)
        if user is None:
            raise _not_found(name)
        return json_answer(self._shown(user))

    async def add(self, request: Request) -> Response:
        """Create a user: the fields of `[[identity.users]]`, as JSON."""
        self._access.principal(request, USERS_SCOPE)
        settings = _declared(await read_json_body(request, _HINT))
        about(request, settings.username)
        user = replace(user_of(settings), subject=self._new_subject())
        await run_in_threadpool(self._add, user, settings.password)
        return json_answer(self._shown(user), 201)

    def _add(self, user: User, password: str) -> None:
        stored = StoredUser(
            user.username,
            password_digest(password),
            profile_of(user),
            int(self._now()),
            user.subject,
        )
        if self._users.account(user.username) is not None or not self._stored.add(stored):
            raise Problem.of(
                error_codes.USER_EXISTS,
                f"there is a user {user.username!r} already",
                hint="Choose another name, or remove that one first.",
            )

    async def remove(self, request: Request) -> Response:
        """Remove a user, and end their sessions and tokens."""
        self._access.principal(request, USERS_SCOPE)
        name = request.path_params["username"]
        self._refuse_settings(name)
        if not await run_in_threadpool(
            self._stored.remove, name, self._ending("the account was removed")
        ):
            raise _not_found(name)
        return Response(status_code=204)

    async def change_password(self, request: Request) -> Response:
        """A new password: `{"password": "…"}`. Ends sessions and tokens."""
        self._access.principal(request, USERS_SCOPE)
        name, body = request.path_params["username"], await read_json_body(request, _HINT)
        self._refuse_settings(name)
        password = _PASSWORD.read(body)["password"]
        digest = await run_in_threadpool(password_digest, password)
        if not await run_in_threadpool(
            self._stored.change_password, name, digest, self._ending("the password changed")
        ):
            raise _not_found(name)
        return Response(status_code=204)

    async def change_disabled(self, request: Request) -> Response:
        """Disable or enable a user: `{"disabled": true}` ends sessions and tokens."""
        self._access.principal(request, USERS_SCOPE)
        name, body = request.path_params["username"], await read_json_body(request, _HINT)
        self._refuse_settings(name)
        disabled = _DISABLED.read(body)["disabled"]
        about(request, name, "disabled" if disabled else "enabled")
        change = self._disable if disabled else self._stored.enable
        if not await run_in_threadpool(change, name):
            raise _not_found(name)
        return Response(status_code=204)

    def _disable(self, name: str) -> bool:
        return self._stored.disable(name, self._ending("the account was disabled"))

    def _ending(self, reason: str) -> Ending:
        return Ending(self._issuer, int(self._now()), reason)

    def _refuse_settings(self, name: str) -> None:
        if any(user.username == name for user in self._users.of_settings):
            raise Problem.of(
                error_codes.USER_IN_SETTINGS,
                f"{name!r} is in the settings",
                hint="Change [[identity.users]] in kapi.toml and start again.",
            )

    def _shown(self, user: User) -> dict[str, Any]:
        source = "settings" if user in self._users.of_settings else "store"
        state = {"disabled": True} if user.disabled else {}
        return {
            "username": user.username,
            "subject": user.subject,
            "source": source,
            **profile_of(user),
            **state,
        }


def _not_found(name: str) -> Problem:
    return Problem.of(
        error_codes.USER_NOT_FOUND,
        f"there is no user {name[:_LONGEST_NAME]!r}",
        hint="See them with: kapi user list.",
    )


def _declared(body: Mapping[str, Any]) -> UserSettings:
    mistakes: list[tuple[str, str]] = []
    hints: dict[str, str] = {}

    def wrong(name: str, message: str, hint: str = "") -> None:
        mistakes.append((name.removeprefix("user."), message))
        hints[message] = hint

    if any(name.endswith("_file") for name in body):
        wrong("password_file", "files are for kapi.toml; send the password")
        settings: Any = REFUSED
    else:
        settings = checked(UserSettings, body, "user", wrong)
    if settings is not REFUSED:
        if not (
            settings.username.isprintable()
            and settings.username == settings.username.strip()
            and "/" not in settings.username
        ):
            wrong("username", "must be printable, without a slash, and without spaces around it")
        if len(settings.username) > _LONGEST_NAME:
            wrong("username", f"must have at most {_LONGEST_NAME} characters")
        weak = _weak(settings.password)
        if weak:
            mistakes.append(("password", weak))
    _refuse(mistakes, hints)
    made: UserSettings = settings
    return made


def _weak(password: str) -> str:
    if SHORTEST <= len(password) <= LONGEST:
        return ""
    return f"must have {SHORTEST} to {LONGEST} characters"


_PASSWORD = Shape(
    "user", error_codes.INVALID_USER, {"password": Member(str, required=True, rule=_weak)}
)
_DISABLED = Shape("user", error_codes.INVALID_USER, {"disabled": Member(bool, required=True)})


def _refuse(mistakes: list[tuple[str, str]], hints: Mapping[str, str] | None = None) -> None:
    if mistakes:
        items = (
            Diagnostic(
                "user",
                f"{name}: {message}",
                (hints or {}).get(message) or DOCUMENT_HINT,
                f"#/{name}",
            )
            for name, message in mistakes
        )
        raise Invalid(tuple(items), error_codes.INVALID_USER)
