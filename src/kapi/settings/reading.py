"""Reads the settings: defaults, then kapi.toml, then KAPI_… variables, then flags.

Generic over the dataclasses of the sections: `values.py` checks each value against the type of its
field, `checks.py` runs the checks beside the fields. All mistakes are reported at once. Used by the
command line only; the processes get the checked settings.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kapi.errors import Diagnostic, SettingsError
from kapi.settings import SECTIONS, Settings, default_data_dir
from kapi.settings.checks import Mistake, OuterCheck, below, mistakes_of
from kapi.settings.identity.well_known import with_well_known
from kapi.settings.toml import NOWHERE, Place, Places, place_of_error, places_of
from kapi.settings.values import REFUSED, checked, did_you_mean, field_types

_PREFIX = "KAPI_"
_NOT_SETTINGS = frozenset(
    {"KAPI_CONFIG", "KAPI_DEBUG", "KAPI_TOKEN", "KAPI_CLIENT_SECRET", "KAPI_PASSPHRASE"}
)
_ALL_SETTINGS = (
    "`kapi config show --config /dev/null` lists all settings with their defaults."
)
_NO_METADATA: Mapping[str, Any] = {}
_SWITCHES = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
}


def _switch(text: str) -> Any:
    return _SWITCHES[text.lower()]


_TEXT: tuple[str, Callable[[str], Any]] = (r"(?s:.*)", str)
_TEXTS: Mapping[Any, tuple[str, Callable[[str], Any]]] = {
    int: (r"-?\d+", int),
    float: (r"-?\d+(\.\d+)?", float),
    bool: ("(?i:" + "|".join(_SWITCHES) + ")", _switch),
}
"""How a text is a value of a type: its form, and what reads it. Any other text remains one."""


def read_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    cwd: Path,
    config: Path | None = None,
    *,
    outer_checks: Mapping[str, OuterCheck],
) -> Settings:
    """The settings, with the source of each value.

    `flags` contains dotted names and values; None means not given. `outer_checks` are called for
    the settings, by dotted name, that are given. Raises SettingsError with every mistake.
    """
    reader = _Reader(outer_checks)
    file = settings_file(environ, cwd, config)
    if file is not None:
        reader.read_file(file)
    for variable, text in environ.items():
        if variable.startswith(_PREFIX) and variable not in _NOT_SETTINGS:
            name = variable.removeprefix(_PREFIX).lower().replace("__", ".")
            reader.put_text(name, text, variable)
    for name, value in flags.items():
        if value is not None:
            flag = name.rpartition(".")[2].replace("_", "-")
            reader.put(name, value, f"--{flag}")
    settings = reader.build(default_data_dir(environ), cwd)
    secrets = settings.secrets.with_variables(environ)
    return dataclasses.replace(settings, secrets=secrets, sources=reader.sources)


def settings_file(
    environ: Mapping[str, str], cwd: Path, config: Path | None = None
) -> Path | None:
    """The kapi.toml to read: the one named, else the next one upward from `cwd`, else None."""
    if config is not None:
        return config
    if environ.get("KAPI_CONFIG"):
        return Path(environ["KAPI_CONFIG"])
    for folder in (cwd, *cwd.parents):
        path = folder / "kapi.toml"
        if path.is_file():
            return path
    return None


class _Reader:
    """Collects values by dotted name, and the mistakes."""

    def __init__(self, outer_checks: Mapping[str, OuterCheck]) -> None:
        self._outer_checks = outer_checks
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.mistakes: list[Diagnostic] = []
        self.file = ""
        self.places = Places()

    def wrong(self, name: str, message: str, hint: str = "", source: str = "") -> None:
        """Add a mistake; one in the file gets the place of the setting there."""
        setting = ".".join(re.split(r"[.\[]", name)[:2])
        origin = source or self.sources.get(setting, "")
        place = NOWHERE
        if origin == self.file:
            place = self.places.find(name)
        text = message
        if name:
            text = f"{name}: {message}"
        self._wrong_at(place, text, hint or _ALL_SETTINGS, origin, name)

    def _wrong_at(
        self, place: Place, message: str, hint: str, origin: str, name: str = ""
    ) -> None:
        line, column = place
        source = origin
        if not line:
            source = ""
            if origin:
                message = f"{message} (from {origin})"
        self.mistakes.append(
            Diagnostic("settings", message, hint, name, line, column, source=source)
        )

    def read_file(self, path: Path) -> None:
        """Read a kapi.toml. Its values replace nothing: it is read first."""
        import tomllib  # Most platforms have no such file.

        try:
            text = path.read_text("utf-8")
            content = tomllib.loads(text)
        except OSError as error:
            what = f"cannot read {path}: {error.strerror}"
            self.wrong("", what, "Name a readable file: --config PATH.")
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            what = f"{path} is not TOML: {error}"
            hint = "Mend that line; a setting is written as `name = value` below its [section]."
            self._wrong_at(place_of_error(str(error)), what, hint, path.name)
            return
        self.file, self.places = path.name, places_of(text)
        for name, value in content.items():
            if name in SECTIONS and isinstance(value, dict):
                for key, item in _relative_to(path.parent, value).items():
                    self.put(f"{name}.{key}", item, path.name)
            else:
                self.put(name, value, path.name)

    def put_text(self, name: str, text: str, source: str) -> None:
        """Take a value that is a text where its source knows no types: a variable."""
        kind, _ = _known().get(name, (str, _NO_METADATA))
        form, read = _TEXTS.get(kind, _TEXT)
        value: Any = text
        if re.fullmatch(form, text):
            value = read(text)
        self.put(name, value, source)

    def put(self, name: str, value: Any, source: str) -> None:
        """Take a value; a later one replaces an earlier one."""
        if name not in _known():
            self.wrong(name, "unknown setting", did_you_mean(name, _known()), source)
            return
        kind, metadata = _known()[name]
        if name in self._outer_checks:
            for mistake in self._outer_checks[name].written(value):
                self.wrong(name + mistake.where, mistake.what, mistake.hint, source)
        result = checked(kind, value, name, self._from(source), metadata)
        if result is not REFUSED:
            self.values[name] = result
            self.sources[name] = source

    def _from(self, source: str) -> Callable[..., None]:
        return lambda name, message, hint="": self.wrong(name, message, hint, source)

    def build(self, data_dir: Path | None, cwd: Path) -> Settings:
        """The settings. Raises SettingsError with every mistake."""
        chosen = self.values.get("data_dir", data_dir)
        if chosen is None:
            what = "this user has no home directory to keep data in"
            self.wrong(
                "data_dir", what, "Name a folder: --data-dir PATH, or KAPI_DATA_DIR."
            )
        given = _by_section(self.values)
        given["identity"] = with_well_known(given["identity"])
        sections = {name: cls(**given[name]) for name, cls in SECTIONS.items()}
        settings = Settings(data_dir=cwd / (chosen or ""), **sections)
        for mistake in (*mistakes_of(settings), *self._outer_mistakes()):
            self.wrong(mistake.where.removeprefix("."), mistake.what, mistake.hint)
        if self.mistakes:
            raise SettingsError(tuple(sorted(self.mistakes, key=_place_in_file)))
        return settings

    def _outer_mistakes(self) -> Iterator[Mistake]:
        for name, check in self._outer_checks.items():
            if name in self.values:
                yield from below(f".{name}", check.read(self.values[name]))


def _by_section(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Values by dotted name, as tables of values."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in values.items():
        section, _, key = name.partition(".")
        found[section][key] = value
    return found


def _place_in_file(mistake: Diagnostic) -> tuple[bool, int]:
    """Sorts mistakes by their lines; those of other sources come last."""
    return not mistake.line, mistake.line


@cache
def _known() -> Mapping[str, tuple[Any, Mapping[str, Any]]]:
    """The type and the metadata of each setting, by dotted name."""
    found: dict[str, tuple[Any, Mapping[str, Any]]] = {"data_dir": (Path, _NO_METADATA)}
    for section, cls in SECTIONS.items():
        types = field_types(cls)
        for field in dataclasses.fields(cls):
            found[f"{section}.{field.name}"] = (types[field.name], field.metadata)
    return found


def _relative_to(folder: Path, value: Any) -> Any:
    """A value with the paths made absolute: `…_file` is relative to the folder of its file."""
    if isinstance(value, list):
        return [_relative_to(folder, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _absolute(folder, name, item) for name, item in value.items()}


def _absolute(folder: Path, name: str, value: Any) -> Any:
    if name.endswith("_file") and isinstance(value, str):
        return os.fspath(folder / value)
    return _relative_to(folder, value)
