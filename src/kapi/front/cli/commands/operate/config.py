"""`kapi config show`: the settings that hold, where each came from, and no secret."""

from __future__ import annotations

from typing import Annotated

import typer

from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, show, usage


def config(
    action: Annotated[str, typer.Argument(help="show")] = "show",
    sources: Annotated[
        bool, typer.Option("--sources", help="Also say where each value came from.")
    ] = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the current settings without secrets. JSON and YAML show the items of lists whole.

    Examples:
      kapi config show --sources
      kapi config show -o yaml
    """
    if action != "show":
        usage(f"unknown action {action!r}", "Use: kapi config show.")
    from kapi.settings.written.shown import rows_of, shown, source_of

    settings = settings_of(data_dir, config)
    value = shown(settings) | {"data_dir": str(settings.data_dir)}
    rows = list(rows_of(settings))
    if sources:
        for row in rows:
            row["source"] = source_of(row["setting"], settings.sources)
    else:
        del value["sources"]
    show(value, output, rows, fit=("value", "source"))
