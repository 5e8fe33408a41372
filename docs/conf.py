"""Settings of Sphinx, which makes the site of these pages (`make docs`)."""

from typing import Any

from kapi import __version__

project = "kapi"
author = "the authors of kapi"
version = release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["README.md"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
html_theme = "furo"
html_title = f"kapi {version}"
html_copy_source = False
html_show_sphinx = False
suppress_warnings = ["misc.highlighting_failure"]


def _read(_: object, name: str, text: list[str]) -> None:
    """CONTRIBUTING.md is beside the folder of the pages, and a page of the site."""
    if name == "architecture":
        text[0] = text[0].replace("](../CONTRIBUTING.md", "](contributing.md")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)
