"""Checks of the settings that a platform starts with; other commands do without them."""

from __future__ import annotations

from importlib.util import find_spec

from kapi.addresses import is_loopback
from kapi.errors import Diagnostic, KapiError, SettingsError
from kapi.settings import Settings
from kapi.settings.identity import IdentitySettings
from kapi.settings.identity.well_known import WELL_KNOWN_CLIENT_SECRET, published_users


def check_non_production(settings: Settings) -> None:
    """Raise SettingsError if the published client or users would be reachable from the network.

    `identity.non_production_on_network` allows it.
    """
    if not settings.identity.enabled or settings.identity.non_production_on_network:
        return
    if is_loopback(settings.gateway.listen):
        return
    found = _well_known(settings.identity)
    if not found:
        return
    names = " and ".join(found)
    switches = " and ".join(f"identity.well_known_{name} = false" for name in found)
    own = "[[identity.clients]] and [[identity.users]] of your own"
    raise SettingsError((
        Diagnostic(
            "settings",
            f"the well-known, published {names} would be reachable on {settings.gateway.listen}",
            f"Say {switches} in kapi.toml, and declare {own};"
            " or say --non-production-on-network.",
            pointer="identity.clients",
        ),
    ))  # fmt: skip


def check_testing(settings: Settings) -> None:
    """Raise SettingsError if the powers of a test would be reachable from the network.

    They are in the memory of one worker.
    """
    identity = settings.identity
    if not identity.testing:
        return
    found = []
    if not is_loopback(settings.gateway.listen):
        what = f"identity.testing mints any token: not while listening on {settings.gateway.listen}"
        found.append(_of_testing(what, "Listen on 127.0.0.1, or leave testing out."))
    if identity.workers > 1:
        what = "identity.testing needs one worker: clock, faults and journal are in its memory"
        found.append(_of_testing(what, "Say identity.workers = 1."))
    if found:
        raise SettingsError(tuple(found))


def check_traces(settings: Settings) -> None:
    """Raise KapiError if traces are switched on and OpenTelemetry is not installed."""
    if not settings.traces.endpoint:
        return
    kind = settings.traces.protocol.partition("/")[0]
    try:
        found = find_spec(f"opentelemetry.exporter.otlp.proto.{kind}")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise KapiError(
            "environment",
            "traces.endpoint needs OpenTelemetry, which is not installed",
            hint="Install it: pip install 'kapi[traces]'.",
        )


def _of_testing(what: str, hint: str) -> Diagnostic:
    return Diagnostic("settings", what, hint, pointer="identity.testing")


def _well_known(identity: IdentitySettings) -> list[str]:
    """Which of them there are: `client`, `users`."""
    found = []
    if any(client.secret == WELL_KNOWN_CLIENT_SECRET for client in identity.clients):
        found.append("client")
    if any(user in published_users() for user in identity.users):
        found.append("users")
    return found


def check_secrets(settings: Settings) -> None:
    """Raise SettingsError if a named secret has no value: its variable is not set."""
    missing = []
    for number, item in enumerate(settings.secrets.values):
        if not item.value:
            missing.append(
                Diagnostic(
                    "settings",
                    f"the variable {item.value_variable} is not set",
                    "Set it, or give value_file.",
                    pointer=f"secrets.values[{number}]",
                )
            )
    if missing:
        raise SettingsError(tuple(missing))
