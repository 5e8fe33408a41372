"""The settings that a command runs with. Without typer: `kapi up` does without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapi.banner import place
from kapi.front.cli.output import use_place
from kapi.front.cli.server.choice import use_local

if TYPE_CHECKING:
    from kapi.settings import Settings


def settings_of(
    data_dir: Path | None = None, config: Path | None = None, **flags: Any
) -> Settings:
    """The settings a command runs with. `flags` are dotted names with `__` for the dot."""
    from kapi.identity.settings import read_settings
    from kapi.settings import default_data_dir

    if data_dir is not None or config is not None:
        use_local()
    given = {
        "data_dir": data_dir,
        **{name.replace("__", "."): value for name, value in flags.items()},
    }
    settings = read_settings(given, os.environ, Path.cwd(), config)
    use_place(place(settings.data_dir, default_data_dir(os.environ)))
    return settings
