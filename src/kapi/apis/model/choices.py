"""What a person says about a conf that is generated from a definition.

The system APIs and the command line send it by the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person says in place of the definition; empty where nothing is said.

    `url` is where the definition is from.
    """

    base_path: str = ""
    production: str = ""
    sandbox: str = ""
    url: str = ""
    name: str = ""
    version: str = ""


NO_CHOICES: Final = Choices()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conf that a definition is deployed with: one that is generated of it."""

    api_type: str
    file_name: str = ""
    choices: Choices = NO_CHOICES


API_TYPE: Final = "apiType"
"""The form field with the type of the definition."""
DOCUMENT_CHOICES: Final[Mapping[str, str]] = {
    "name": "name",
    "version": "version",
    "basePath": "base_path",
}
"""Form fields of a request to generate a conf, and the fields of `Choices`."""
DEPLOYMENT_CHOICES: Final[Mapping[str, str]] = {
    **DOCUMENT_CHOICES,
    "endpoint": "production",
    "sandboxEndpoint": "sandbox",
}
"""The same of a deployment without a conf."""
