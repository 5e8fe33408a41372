"""Settings of limits and subscriptions: tiers, limits of the whole gateway by key, applications. Part of `settings.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

UNITS = ("Second", "Minute", "Hour", "Day")
KEY_TYPES = ("PRODUCTION", "SANDBOX")
STATUSES = ("ACTIVE", "BLOCKED", "PROD_ONLY_BLOCKED", "ON_HOLD", "REJECTED", "INACTIVE")
APPLICATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COUNT = {"range": (1, 2**31 - 1)}
_COUNT_OR_NONE = {"range": (0, 2**31 - 1)}


@dataclass(frozen=True, slots=True)
class TierSettings:
    """How much a consumer may ask for in each window of the clock."""

    name: str = field(metadata={"key": True, "needed": True})
    requests: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Requests in each `unit`; 0 is no such limit."""
    unit: str = field(default="Minute", metadata={"choices": UNITS})
    burst: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Requests in each `burst_unit`, besides; 0 is no such limit."""
    burst_unit: str = field(default="Second", metadata={"choices": UNITS})
    stop_on_quota_reach: bool = True
    """False lets through what comes over `requests` or a limit of tokens, and only counts it."""
    prompt_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of prompts in each `token_unit`, at APIs with an `aiProvider`; 0 is no such limit."""
    completion_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of completions, likewise."""
    total_tokens: int = field(default=0, metadata=_COUNT_OR_NONE)
    """Tokens of both, likewise."""
    token_unit: str = field(default="Minute", metadata={"choices": UNITS})

    @property
    def limits_tokens(self) -> bool:
        """Whether a consumer of this tier may use a limited number of tokens."""
        return bool(self.prompt_tokens or self.completion_tokens or self.total_tokens)


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
    """A key by which an application is known: the consumer key claim of its tokens."""

    consumer_key: str = field(metadata={"needed": True})
    type: str = field(default="PRODUCTION", metadata={"choices": KEY_TYPES})
    environment: str = ""
    """The environment it is good for; empty means all."""


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """What an application may call."""

    api: str = field(metadata={"needed": True})
    version: str = ".*"
    """A pattern (RE2) that the whole version must match."""
    status: str = field(default="ACTIVE", metadata={"choices": STATUSES})
    tier: str = ""


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """An application with its keys and subscriptions."""

    name: str = field(metadata={"needed": True})
    id: str = ""
    """Tells it from others of the same name; empty makes one of the name."""
    organization: str = ""
    """Whose APIs it calls; empty means `apis.organization`."""
    tier: str = ""
    keys: tuple[ConsumerKeySettings, ...] = ()
    subscriptions: tuple[SubscriptionSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionsSettings:
    """Who may call what, and how often."""

    mandatory: bool = False
    """Whether every API asks for a subscription, also where its conf does not."""
    default_tier: str = ""
    """Tier of consumers that belong to no application; empty is none."""
    tiers: tuple[TierSettings, ...] = ()
    applications: tuple[ApplicationSettings, ...] = ()
    key_limits: tuple[KeyLimitSettings, ...] = ()
