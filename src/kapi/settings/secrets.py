"""The section `secrets`: named secrets and certificates, and the variables that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """One value of a named secret or certificate, as confs address it."""

    name: str = field(metadata={"needed": True})
    key: str = field(metadata={"needed": True})
    value: str = field(default="", repr=False, metadata={"secret": True})
    value_variable: str = ""
    """Name of the environment variable that holds the value."""
    organization: str = ""
    """Whose secret it is; empty means `apis.organization`."""

    def with_variable(self, environ: Mapping[str, str]) -> SecretSettings:
        """The secret with the value of its variable, if it names one that is set."""
        return replace(self, value=self.value or environ.get(self.value_variable, ""))


def _check_sources(values: tuple[SecretSettings, ...]) -> Iterator[Mistake]:
    for number, item in enumerate(values):
        if bool(item.value) == bool(item.value_variable):
            what = "give one of value, value_file and value_variable"
            yield Mistake(what, where=f"[{number}]")


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """Named secrets and certificates; others are set while kapi runs (`kapi secret set`)."""

    values: tuple[SecretSettings, ...] = field(
        default=(), metadata={"check": _check_sources}
    )

    def with_variables(self, environ: Mapping[str, str]) -> SecretsSettings:
        """The secrets with the values that are in the environment."""
        return SecretsSettings(
            tuple(item.with_variable(environ) for item in self.values)
        )
