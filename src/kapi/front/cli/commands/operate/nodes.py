"""`kapi nodes`: the platforms that share the database."""

from __future__ import annotations

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format


def nodes(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the nodes that share the database, and the newest change that each has live.

    Examples:
      kapi nodes
    """
    show_all(kind_of("node"), Client(settings_of(data_dir, config)), output)
