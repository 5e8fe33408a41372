"""The users API, `/api/users`: the users of the inbuilt provider. No answer contains a password.

A caller whose token names an organization manages the people who belong to it and to no other;
callers of the organization of the platform, and of none, manage all.
"""

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
from kapi.front.web.http.merging import merged
from kapi.front.web.http.preconditions import guarded, tag_of, tagged
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape
from kapi.front.web.operate.auditing import about
from kapi.identity.accounts.passwords import LONGEST, SHORTEST, password_digest
from kapi.identity.accounts.users import User, Users, profile_of, stored_user, user_of
from kapi.settings import UserSettings
from kapi.settings.values import REFUSED, checked
from kapi.store.accounts import Ending
from kapi.store.users import NameTaken, StoredUser, UserStore

USERS_SCOPE = "kapi:users"
_LONGEST_NAME = 255
NO_PASSWORD = "*" * SHORTEST
"""In the place of the password of an account that keeps its own."""
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
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/password", self.change_password, methods=["PUT"]),
            Route(f"{one}/disabled", self.change_disabled, methods=["PUT"]),
        ]

    async def list(self, request: Request) -> Response:
        """All users, without passwords."""
        own = self._own(request)
        people = await run_in_threadpool(self._users.all)
        return json_answer(
            {"users": [self._shown(user) for user in people if user.is_of(own)]}
        )

    async def show(self, request: Request) -> Response:
        """Answer with one user."""
        user = await self._mine(request)
        return tagged(request, self._shown(user))

    async def add(self, request: Request) -> Response:
        """Create a user: the fields of `[[identity.users]]`, as JSON."""
        own = self._own(request)
        settings = declared_user(await read_json_body(request, _HINT))
        about(request, settings.username)
        user = replace(user_of(settings), subject=self._new_subject())
        _refuse_foreign(user, own)
        await run_in_threadpool(self._add, user, settings.password)
        return tagged(request, self._shown(user), 201)

    def _add(self, user: User, password: str) -> None:
        stored = StoredUser(
            user.username,
            password_digest(password),
            profile_of(user),
            int(self._now()),
            user.subject,
        )
        if self._users.account(user.username) is not None or not self._stored.add(
            stored
        ):
            raise _taken(user.username)

    async def change(self, request: Request) -> Response:
        """Change members of a user (RFC 7396): null is the default; claims are merged.

        Sessions and tokens go on, but for those of organizations that the user leaves.
        """
        name, own = (await self._mine(request)).username, self._own(request)
        sent = await read_json_body(request, _HINT)
        self._refuse_settings(name)
        about(request, name, ", ".join(sorted(sent))[:_LONGEST_NAME])
        made = await guarded(request, self._tag(name), self._change, name, sent, own)
        return tagged(request, self._shown(made))

    def _change(self, name: str, sent: Mapping[str, Any], own: str) -> User:
        def changed(before: StoredUser) -> StoredUser:
            user = user_of(changed_user(before, sent))
            _refuse_foreign(stored_user(before), own)
            _refuse_foreign(user, own)
            new = user.username
            if new != name and any(
                item.username == new for item in self._users.of_settings
            ):
                raise _taken(new)
            return replace(before, username=new, profile=profile_of(user))

        try:
            made = self._stored.change(
                name, changed, self._ending("the account changed")
            )
        except NameTaken as error:
            raise _taken(str(sent["username"])) from error
        if made is None:
            raise _not_found(name)
        return stored_user(made)

    async def remove(self, request: Request) -> Response:
        """Remove a user, and end their sessions and tokens."""
        name = (await self._mine(request)).username
        self._refuse_settings(name)
        ending = self._ending("the account was removed")
        if not await guarded(
            request, self._tag(name), self._stored.remove, name, ending
        ):
            raise _not_found(name)
        return Response(status_code=204)

    async def change_password(self, request: Request) -> Response:
        """A new password: `{"password": "…"}`. Ends sessions and tokens."""
        name = (await self._mine(request)).username
        body = await read_json_body(request, _HINT)
        self._refuse_settings(name)
        password = _PASSWORD.read(body)["password"]
        digest = await run_in_threadpool(password_digest, password)
        ending = self._ending("the password changed")
        change = self._stored.change_password
        if not await guarded(request, self._tag(name), change, name, digest, ending):
            raise _not_found(name)
        return Response(status_code=204)

    async def change_disabled(self, request: Request) -> Response:
        """Disable or enable a user: `{"disabled": true}` ends sessions and tokens."""
        name = (await self._mine(request)).username
        body = await read_json_body(request, _HINT)
        self._refuse_settings(name)
        disabled = _DISABLED.read(body)["disabled"]
        about(request, name, "disabled" if disabled else "enabled")
        change = self._disable if disabled else self._stored.enable
        if not await guarded(request, self._tag(name), change, name):
            raise _not_found(name)
        return Response(status_code=204)

    def _disable(self, name: str) -> bool:
        return self._stored.disable(name, self._ending("the account was disabled"))

    def _own(self, request: Request) -> str:
        """The only organization whose people the caller manages; empty for all."""
        return self._access.only_organization(
            self._access.principal(request, USERS_SCOPE)
        )

    async def _mine(self, request: Request) -> User:
        """The user in the path. Raises Problem 404, also for one of another organization."""
        own, name = self._own(request), request.path_params["username"]
        user = await run_in_threadpool(self._users.account, name)
        if user is None or not user.is_of(own):
            raise _not_found(name)
        return user

    def _tag(self, name: str) -> Callable[[], str]:
        """Reads the tag of a user."""

        def tag() -> str:
            user = self._users.account(name)
            if user is None:
                return ""
            return tag_of(self._shown(user))

        return tag

    def _ending(self, reason: str) -> Ending:
        return Ending(self._issuer, int(self._now()), reason)

    def _refuse_settings(self, name: str) -> None:
        if any(user.username == name for user in self._users.of_settings):
            raise Problem.of(
                error_codes.USER_IN_SETTINGS,
                f"{name!r} is in the settings",
                hint="Change [[identity.users]] in kapi.toml, then: kapi reload.",
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


def _refuse_foreign(user: User, own: str) -> None:
    if not user.is_of(own):
        raise Problem.of(
            error_codes.OTHER_ORGANIZATION,
            detail=f"callers of {own} may have users of {own} only",
            hint=f'Write "organizations": ["{own}"], and leave super_admin out.',
        )


def _not_found(name: str) -> Problem:
    return Problem.of(
        error_codes.USER_NOT_FOUND,
        f"there is no user {name[:_LONGEST_NAME]!r}",
        hint="See them with: kapi user list.",
    )


def _taken(name: str) -> Problem:
    return Problem.of(
        error_codes.USER_EXISTS,
        f"there is a user {name!r} already",
        hint="Choose another name, or remove that one first.",
    )


def changed_user(before: StoredUser, sent: Mapping[str, Any]) -> UserSettings:
    """A stored user with the members of a merge patch. Raises Invalid with all mistakes."""
    if "password" in sent:
        _refuse([("password", "has a request of its own: PUT …/password")])
    kept = {**before.profile, "username": before.username, "password": NO_PASSWORD}
    return declared_user(merged(kept, sent))


def declared_user(body: Mapping[str, Any]) -> UserSettings:
    """A user from the fields of `[[identity.users]]`. Raises Invalid with all mistakes."""
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
            wrong(
                "username",
                "must be printable, without a slash, and without spaces around it",
            )
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
    "user",
    error_codes.INVALID_USER,
    {"password": Member(str, required=True, rule=_weak)},
)
_DISABLED = Shape(
    "user", error_codes.INVALID_USER, {"disabled": Member(bool, required=True)}
)


def _refuse(
    mistakes: list[tuple[str, str]], hints: Mapping[str, str] | None = None
) -> None:
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
