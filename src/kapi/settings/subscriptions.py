"""The section `subscriptions`: tiers, applications with their keys, and limits by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake, check_text

UNITS = ("Second", "Minute", "Hour", "Day")
KEY_TYPES = ("PRODUCTION", "SANDBOX")
STATUSES = ("ACTIVE", "BLOCKED", "PROD_ONLY_BLOCKED", "ON_HOLD", "REJECTED", "INACTIVE")
APPLICATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COUNT = {"range": (1, 2**31 - 1)}
_COUNT_OR_NONE = {"range": (0, 2**31 - 1)}


@dataclass(frozen=True, slots=True)
class TierSettings:
    """How much a consumer may use in each window of the clock."""

    name: str = field(metadata={"key": True, "needed": True})
    requests: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Requests in each `unit`; 0 sets no such limit."""
    unit: str = field(default="Minute", metadata={"choices": UNITS})
    burst: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Requests in each `burst_unit`, besides; 0 sets no such limit."""
    burst_unit: str = field(default="Second", metadata={"choices": UNITS})
    stop_on_quota_reach: bool = True
    """False lets through what comes over `requests` or a limit of tokens, and only counts it."""
    prompt_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of prompts in each `token_unit`, at APIs with an `aiProvider`; 0: no such limit."""
    completion_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of completions, likewise."""
    total_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of both, likewise."""
    token_unit: str = field(default="Minute", metadata={"choices": UNITS})

    @property
    def limits_tokens(self) -> bool:
        """Whether a consumer of this tier may use a limited number of tokens."""
        return bool(self.prompt_tokens or self.completion_tokens or self.total_tokens)

    def mistakes(self) -> Iterator[Mistake]:
        """What its fields say together."""
        if not self.requests and not self.burst and not self.limits_tokens:
            yield Mistake(
                f"the tier {self.name!r} has no limit",
                "Set requests, burst, or one of prompt_tokens, completion_tokens, total_tokens.",
            )
        if self.requests and self.burst and self.burst_unit == self.unit:
            what = f"is {self.unit}, as the unit of the tier"
            yield Mistake(what, "Use a shorter unit.", ".burst_unit")


@dataclass(frozen=True, slots=True)
class KeyLimitSettings:
    """A limit by a key that an interceptor supplies."""

    key: str = field(metadata={"needed": True})
    requests: int = field(metadata=_COUNT)
    value: str = ""
    """The value it is about; empty means each value has a count of its own."""
    unit: str = field(default="Minute", metadata={"choices": UNITS})
    organization: str = ""
    """On whose APIs; empty means one count for all of them."""


@dataclass(frozen=True, slots=True)
class ConsumerKeySettings:
    """A key of an application: the value of the consumer key claim of its tokens."""

    consumer_key: str = field(metadata={"needed": True})
    type: str = field(default="PRODUCTION", metadata={"choices": KEY_TYPES})
    environment: str = ""
    """The environment in which it is valid; empty means all."""


def _is_pattern(text: str) -> bool:
    import re2  # only where there is a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error:
        return False
    return True


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """What an application may call."""

    api: str = field(metadata={"needed": True})
    version: str = field(
        default=".*",
        metadata={
            "check": check_text(
                _is_pattern,
                "the version {} is not a pattern",
                r"Write a version, or a pattern (RE2) such as 1\..*",
            )
        },
    )
    """A pattern (RE2) that the whole version must match."""
    status: str = field(default="ACTIVE", metadata={"choices": STATUSES})
    tier: str = ""


_check_id = check_text(
    re.compile(f"({APPLICATION_ID.pattern})?").fullmatch,
    "{} is not an id",
    "Use 1 to 64 letters, digits, `.`, `_` and `-`.",
)


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """An application with its keys and subscriptions."""

    name: str = field(metadata={"needed": True})
    id: str = field(default="", metadata={"check": _check_id})
    """Tells it from others of the same name; empty makes one of the name."""
    organization: str = ""
    """Whose APIs it calls; empty means `apis.organization`."""
    tier: str = ""
    keys: tuple[ConsumerKeySettings, ...] = ()
    subscriptions: tuple[SubscriptionSettings, ...] = ()


def _check_repeated(limits: tuple[KeyLimitSettings, ...]) -> Iterator[Mistake]:
    seen: set[tuple[str, str, str]] = set()
    for number, limit in enumerate(limits):
        own = (limit.organization, limit.key, limit.value)
        if own in seen:
            what = f"there is a limit for {limit.key} {limit.value} already"
            yield Mistake(what, "Keep one.", f"[{number}]")
        seen.add(own)


@dataclass(frozen=True, slots=True)
class SubscriptionsSettings:
    """Who may call what, and how often."""

    mandatory: bool = False
    """Whether every API asks for a subscription, also where its conf does not."""
    default_tier: str = ""
    """Tier of consumers that belong to no application; empty is none."""
    tiers: tuple[TierSettings, ...] = ()
    applications: tuple[ApplicationSettings, ...] = ()
    key_limits: tuple[KeyLimitSettings, ...] = field(
        default=(), metadata={"check": _check_repeated}
    )

    def mistakes(self) -> Iterator[Mistake]:
        """What its fields say together."""
        known = {"": "none", **{tier.name: tier.name for tier in self.tiers}}
        names = sorted(known.keys() - {""}) or known.values()
        hint = f"Known tiers: {', '.join(names)}."
        for tier, where in self._named_tiers():
            if tier not in known:
                yield Mistake(f"there is no tier {tier!r}", hint, where)

    def _named_tiers(self) -> Iterator[tuple[str, str]]:
        """Each tier that is named, and where; empty for none."""
        yield self.default_tier, ".default_tier"
        for number, application in enumerate(self.applications):
            where = f".applications[{number}]"
            yield application.tier, where
            for item in application.subscriptions:
                yield item.tier, where

    def repeated_applications(self, organization: str) -> Iterator[Mistake]:
        """Repeated ids, names and keys. `organization` owns the applications that name no other."""
        seen: set[tuple[str, ...]] = set()
        for number, application in enumerate(self.applications):
            owner = application.organization or organization
            for identity, mistake in _identities(
                application, owner, f".applications[{number}]"
            ):
                if identity in seen:
                    yield mistake
                seen.add(identity)


def _identities(
    application: ApplicationSettings, owner: str, where: str
) -> Iterator[tuple[tuple[str, ...], Mistake]]:
    """What must be unique in an application, each with the mistake if it is not."""
    if application.id:
        what = f"the id {application.id!r} occurs twice"
        hint = "Give each application an id of its own."
        yield ("id", application.id), Mistake(what, hint, f"{where}.id")
    else:
        what = f"the name {application.name!r} occurs twice"
        yield (
            ("name", owner, application.name),
            Mistake(what, "Give each an id of its own.", where),
        )
    for key in application.keys:
        what = f"the consumer key {key.consumer_key!r} occurs twice"
        hint = "A key belongs to one application."
        yield ("key", owner, key.consumer_key), Mistake(what, hint, f"{where}.keys")
